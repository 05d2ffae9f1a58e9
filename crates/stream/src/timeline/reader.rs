//! Everybody else's side of a timeline's words.

use super::latch::Latch;
use super::layout::{decode_error, error_cell, point as at, tag};
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{FutexWord, Ordering, ReadWords};

/// How a timeline ended with points that were never signaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its owner gave it up.
    Dropped,
    /// Its owner died.
    OwnerDied,
}

impl End {
    /// The error of the points that were not signaled: `ECANCELED`, or `EOWNERDEAD` if the owner died.
    pub fn errno(self) -> Errno {
        match self {
            Self::Dropped => Errno::ECANCELED,
            Self::OwnerDied => Errno::EOWNERDEAD,
        }
    }
}

/// Reads the points of one timeline, and believes its owner only forwards: what was once seen to be signaled stays so.
#[derive(Debug)]
pub struct PointReader<W> {
    words: W,
    base: usize,
    seen: Latch,
}

impl<W: ReadWords> PointReader<W> {
    /// Reads the timeline whose cells begin at `base`.
    pub fn new(words: W, base: usize) -> Self {
        Self {
            words,
            base,
            seen: Latch::default(),
        }
    }

    /// The highest point signaled; 0 at first.
    pub fn value(&self) -> u64 {
        self.seen.raise(self.now())
    }

    /// How the timeline ended, if this reader was told.
    pub fn end(&self) -> Option<End> {
        self.seen.end()
    }

    /// How far `point` is. Point 0 is always signaled.
    pub fn status(&self, point: u64) -> FenceStatus {
        // ORDERING: Relaxed; seeing the point acquired what was stored before it.
        let error = || {
            self.words
                .load_u64(self.base + error_cell(point), Ordering::Relaxed)
        };
        self.seen
            .status(point, || self.now(), || decode_error(error(), tag(point)))
    }

    /// Takes note that the timeline is over: points that are not signaled by now have failed for good. The first end counts.
    pub fn close(&self, end: End) {
        self.seen.raise(self.now());
        self.seen.close(end);
    }

    /// The word to sleep on, and its value now. To be read before looking.
    pub fn bell(&self) -> (FutexWord<'_>, u32) {
        let word = self.words.futex(self.base + at::BELL);
        // ORDERING: Acquire: who sees the bell sees the value.
        (word, word.load(Ordering::Acquire))
    }

    /// The page.
    pub fn words(&self) -> &W {
        &self.words
    }

    fn now(&self) -> u64 {
        // ORDERING: Acquire: who sees the point sees its error, and the work that it stands for.
        self.words.load_u64(self.base + at::VALUE, Ordering::Acquire)
    }
}
