//! Everybody else's side.

use crate::layout::{MAX_BUFFERS, consumer, points as at, ring};
use crate::timeline::layout::decode_error;
use crate::timeline::{End, Latch};
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{FutexWord, Ordering, ReadWords};

/// Reads the points in somebody's page, and believes it only forwards: what was once seen to be reached stays so.
#[derive(Debug)]
pub struct PointsReader<R> {
    words: R,
    base: usize,
    seen: [Latch; MAX_BUFFERS],
}

impl<R: ReadWords> PointsReader<R> {
    /// Those of a producer, in its ring page.
    pub fn of_producer(ring: R) -> Self {
        Self::new(ring, ring::POINTS)
    }

    /// Those of a consumer, in its page.
    pub fn of_consumer(page: R) -> Self {
        Self::new(page, consumer::POINTS)
    }

    fn new(words: R, base: usize) -> Self {
        Self {
            words,
            base,
            seen: std::array::from_fn(|_| Latch::default()),
        }
    }

    /// How far the work on frame `point` in `buffer` is. On a buffer that cannot be there is none, and it has failed (`EINVAL`).
    pub fn status(&self, buffer: usize, point: u64) -> FenceStatus {
        let Some(seen) = self.seen.get(buffer) else {
            return FenceStatus::Failed(Errno::EINVAL);
        };
        let cell = self.base + at::value(buffer);
        // ORDERING: relaxed; seeing the point acquired what was stored before it.
        let error = || self.words.load_u64(cell + 1, Ordering::Relaxed);
        seen.status(point, || self.now(buffer), || decode_error(error(), point))
    }

    /// Takes note that no more points are going to be reached: those that are not by now have failed for good. The first end counts.
    pub fn close(&self, end: End) {
        for (buffer, seen) in self.seen.iter().enumerate() {
            seen.raise(self.now(buffer));
            seen.close(end);
        }
    }

    /// The word to sleep on, and its value now. To be read before looking.
    pub fn bell(&self) -> (FutexWord<'_>, u32) {
        let word = self.words.futex(self.base + at::BELL);
        // ORDERING: Acquire: who sees the bell sees the points.
        (word, word.load(Ordering::Acquire))
    }

    fn now(&self, buffer: usize) -> u64 {
        // ORDERING: Acquire: who sees the point sees its error, and the work that it stands for.
        self.words
            .load_u64(self.base + at::value(buffer), Ordering::Acquire)
    }
}
