//! Waiting for the other side's work.

use super::reader::PointsReader;
use crate::layout::{consumer, points as at, ring};
use crate::status::{StatusPage, StreamState};
use crate::timeline::End;
use crate::timeline::sync::{Mutex, lock};
use crate::waiting::{sleep_on, sleep_until};
use std::sync::Arc;
use wharf_core::FenceStatus;
use wharf_memory::{Deadline, FutexWord, Ordering, ReadWords, WriteWords, fence};

/// Where a process says in its own page of a stream that it sleeps for points of others.
#[derive(Debug)]
pub struct Sleepers<W> {
    words: W,
    cell: usize,
    /// What the page says.
    count: Mutex<u32>,
}

impl<W: WriteWords> Sleepers<W> {
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
            cell: base + at::SLEEPERS,
            count: Mutex::new(0),
        }
    }

    /// One more is going to sleep. Points are to be looked at after this.
    pub fn enter(&self) {
        self.change(|count| count.saturating_add(1));
        // ORDERING: between announcing the sleep and looking at points, as the others' between a point and the look for sleepers.
        fence(Ordering::SeqCst);
    }

    /// One less.
    pub fn leave(&self) {
        self.change(|count| count.saturating_sub(1));
    }

    fn change(&self, change: impl FnOnce(u32) -> u32) {
        let mut count = lock(&self.count);
        *count = change(*count);
        // ORDERING: relaxed; the fence of `enter` orders it, and the lock the stores of several threads.
        self.words.store_u32(self.cell, *count, Ordering::Relaxed);
    }
}

/// The points of the other side of a stream, with what the broker says of it, and where this process says that it sleeps for them.
#[derive(Debug)]
pub struct Points<R, W> {
    reader: PointsReader<R>,
    status: StatusPage<R>,
    owner: Owner,
    sleepers: Arc<Sleepers<W>>,
}

/// Whose points they are.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Producer,
    Consumer { slot: usize, incarnation: u64 },
}

impl<R: ReadWords, W: WriteWords> Points<R, W> {
    /// When the contents of a producer's frames are there, for a consumer.
    pub fn of_producer((ring, status): (R, R), sleepers: Arc<Sleepers<W>>) -> Self {
        Self {
            reader: PointsReader::of_producer(ring),
            status: StatusPage::new(status),
            owner: Owner::Producer,
            sleepers,
        }
    }

    /// When a consumer is done with frames that it lent, for the producer.
    pub fn of_consumer(
        (page, status): (R, R),
        (slot, incarnation): (usize, u64),
        sleepers: Arc<Sleepers<W>>,
    ) -> Self {
        Self {
            reader: PointsReader::of_consumer(page),
            status: StatusPage::new(status),
            owner: Owner::Consumer { slot, incarnation },
            sleepers,
        }
    }

    /// How far the work on frame `point` in `buffer` is. When the broker says that the producer died, or that the consumer is gone, what was not
    /// reached has failed with `EOWNERDEAD`.
    pub fn status(&self, buffer: usize, point: u64) -> FenceStatus {
        // The state is read before the point: what was reached before the end counts.
        let is_over = match self.owner {
            // Work goes on after a stream was ended in order.
            Owner::Producer => self.status.stream_state() == StreamState::ProducerDied,
            Owner::Consumer { slot, incarnation } => !self.status.is_live(slot, incarnation),
        };
        if is_over {
            self.reader.close(End::OwnerDied);
        }
        self.reader.status(buffer, point)
    }

    /// Takes note that the other side is gone, on other evidence than the broker's.
    pub fn close(&self, end: End) {
        self.reader.close(end);
    }

    /// Where this process says that it sleeps.
    pub fn sleepers(&self) -> &Sleepers<W> {
        &self.sleepers
    }

    /// The words to sleep on, with their values now. To be read before looking at [`Points::status`], after [`Sleepers::enter`].
    pub fn words(&self) -> [(FutexWord<'_>, u32); 2] {
        let version = self.status.version_word();
        // ORDERING: Acquire, so that the changes counted are seen.
        [self.reader.bell(), (version, version.load(Ordering::Acquire))]
    }

    /// Waits until the work on frame `point` in `buffer` is over, with an error or without; tells whether it is.
    ///
    /// `pause` is called before each sleep, and says until when to sleep at most: there the caller looks at what no word tells.
    ///
    /// # Blocking
    ///
    /// Asleep, until it is or `deadline` has passed. Not at all, and without a system call, if it is at the beginning.
    pub fn wait(
        &self,
        (buffer, point): (usize, u64),
        deadline: Option<Deadline>,
        mut pause: impl FnMut() -> Option<Deadline>,
    ) -> bool {
        let is_over = || self.status(buffer, point).is_signaled();
        if is_over() {
            return true;
        }
        let _here = Here::new(&self.sleepers);
        sleep_until(
            is_over,
            || self.words(),
            (deadline, &mut pause),
            |words, latest| {
                if let [bell, version] = *words {
                    sleep_on(&[version, bell], latest);
                }
            },
        )
    }
}

/// A thread that sleeps, as long as this lives.
struct Here<'a, W: WriteWords>(&'a Sleepers<W>);

impl<'a, W: WriteWords> Here<'a, W> {
    fn new(sleepers: &'a Sleepers<W>) -> Self {
        sleepers.enter();
        Self(sleepers)
    }
}

impl<W: WriteWords> Drop for Here<'_, W> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
