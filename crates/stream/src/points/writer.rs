//! The side whose work it is.

use crate::doorbell::Doorbell;
use crate::layout::{ASLEEP, MAX_BUFFERS, POLLING, consumer, points as at, ring};
use crate::timeline::layout::encode_error;
use std::sync::Arc;
use wharf_core::Errno;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence_after_update, wake};

/// The right to say which work on buffers is over: the only writer of one page's points.
#[derive(Debug)]
pub struct PointsWriter<W> {
    words: W,
    base: usize,
    /// What the page says.
    last: [u64; MAX_BUFFERS],
    /// That of this process's producer, if it polls.
    bell: Option<Arc<dyn Doorbell>>,
}

impl<W: WriteWords> PointsWriter<W> {
    /// Those of a producer, in its zeroed ring page.
    pub fn of_producer(ring: W) -> Self {
        Self::new(ring, ring::POINTS)
    }

    /// Those of a consumer, in its own zeroed page.
    pub fn of_consumer(page: W) -> Self {
        Self::new(page, consumer::POINTS)
    }

    fn new(words: W, base: usize) -> Self {
        Self {
            words,
            base,
            last: [0; MAX_BUFFERS],
            bell: None,
        }
    }

    /// Takes the doorbell of this process's own producer, which is rung when that waits for it.
    #[must_use]
    pub fn with_bell(self, bell: Arc<dyn Doorbell>) -> Self {
        Self {
            bell: Some(bell),
            ..self
        }
    }

    /// The page.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// Says in a producer's page that the contents of a frame are there, or that they are bad, and wakes who waits for that: this
    /// process's producer, and those of the `consumers`, given by their pages, that sleep. A point that is not above the last of its buffer is
    /// ignored.
    pub fn finish<'a, R: ReadWords + 'a>(
        &mut self,
        (buffer, point): (usize, u64),
        error: Option<Errno>,
        consumers: impl IntoIterator<Item = &'a R>,
    ) {
        if !self.reach(buffer, point, error) {
            return;
        }
        // ORDERING: SeqCst fence between the point and the look for sleepers; its counterparts are in `Sleepers::enter` and
        // `Producer::wait`.
        fence_after_update();
        let own = self.words.load_u32(ring::WAITING, Ordering::Relaxed);
        if own == POLLING {
            self.bell.iter().for_each(|bell| bell.ring());
        }
        let cell = consumer::POINTS + at::SLEEPERS;
        let others = consumers
            .into_iter()
            .map(|page| page.load_u32(cell, Ordering::Relaxed));
        self.ring_for([u32::from(own == ASLEEP)].into_iter().chain(others));
    }

    /// Notes that a point is reached; tells whether it is news.
    pub(crate) fn reach(&mut self, buffer: usize, point: u64, error: Option<Errno>) -> bool {
        let Some(last) = self.last.get_mut(buffer).filter(|last| point > **last) else {
            return false;
        };
        *last = point;
        let cell = self.base + at::value(buffer);
        if let Some(errno) = error.filter(|errno| errno.is_error()) {
            // ORDERING: relaxed; the point, stored after it with Release, brings it along.
            let error = encode_error(point, errno.raw());
            self.words.store_u64(cell + 1, error, Ordering::Relaxed);
        }
        // ORDERING: Release: who sees the point sees its error, and the work that it stands for.
        self.words.store_u64(cell, point, Ordering::Release);
        // ORDERING: Release: who sees the bell sees the point.
        self.words.increment_u32(self.base + at::BELL, Ordering::Release);
        true
    }

    /// Wakes who sleeps for these points, if one of these counts says that there is somebody. A fence has come before they were read.
    pub(crate) fn ring_for(&self, sleepers: impl IntoIterator<Item = u32>) {
        if sleepers.into_iter().any(|count| count != 0) {
            wake(self.words.futex(self.base + at::BELL));
        }
    }
}
