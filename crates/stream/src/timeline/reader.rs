//! Everybody else's side of a timeline's words.

use super::layout::{MAX_POINT, decode_error, error_cell, point as at};
// Not loom's: one reader is not what is modelled, and nothing is ordered by it there.
use std::sync::atomic::{AtomicU64, Ordering as Latch};
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
    /// The highest point seen, and above it how the timeline ended. An end is final: the page is not read any more.
    seen: AtomicU64,
}

/// In `seen`: the timeline is over.
const OVER: u64 = 1 << 63;
/// In `seen`: because its owner died.
const DIED: u64 = 1 << 62;

const _: () = assert!(MAX_POINT < DIED);

impl<W: ReadWords> PointReader<W> {
    /// Reads the timeline whose cells begin at `base`.
    pub fn new(words: W, base: usize) -> Self {
        Self {
            words,
            base,
            seen: AtomicU64::new(0),
        }
    }

    /// The highest point signaled; 0 at first.
    pub fn value(&self) -> u64 {
        self.look() & MAX_POINT
    }

    /// How the timeline ended, if this reader was told.
    pub fn end(&self) -> Option<End> {
        // ORDERING: as in `look`.
        end(self.seen.load(Latch::Acquire))
    }

    /// How far `point` is. Point 0 is always signaled.
    pub fn status(&self, point: u64) -> FenceStatus {
        // ORDERING: Acquire: who sees that a point was seen sees what came with it.
        let mut seen = self.seen.load(Latch::Acquire);
        if seen & MAX_POINT < point {
            seen = self.look();
        }
        if seen & MAX_POINT < point {
            return end(seen).map_or(FenceStatus::Unsignaled, |end| FenceStatus::Failed(end.errno()));
        }
        // ORDERING: Relaxed; seeing the point acquired what was stored before it.
        let cell = self
            .words
            .load_u64(self.base + error_cell(point), Ordering::Relaxed);
        decode_error(cell, point).map_or(FenceStatus::Signaled, |errno| {
            FenceStatus::Failed(Errno::new(errno))
        })
    }

    /// Takes note that the timeline is over: points that are not signaled by now have failed for good. The first end counts.
    pub fn close(&self, end: End) {
        self.look();
        let mark = match end {
            End::Dropped => OVER,
            End::OwnerDied => OVER | DIED,
        };
        // ORDERING: as in `look`.
        let _ = self.seen.fetch_update(Latch::AcqRel, Latch::Acquire, |seen| {
            (seen & OVER == 0).then_some(seen | mark)
        });
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

    /// Reads the value, unless the timeline is over, and keeps the highest; returns that.
    fn look(&self) -> u64 {
        // ORDERING: Acquire: who sees the point sees its error, and the work that it stands for.
        let value = self.words.load_u64(self.base + at::VALUE, Ordering::Acquire);
        let value = value.min(MAX_POINT);
        let raise = |seen: u64| (seen & OVER == 0 && value > seen).then_some(value);
        // ORDERING: Release passes on to who sees the point here what came with it; Acquire gets that of others.
        match self.seen.fetch_update(Latch::AcqRel, Latch::Acquire, raise) {
            Ok(_) => value,
            Err(seen) => seen,
        }
    }
}

fn end(seen: u64) -> Option<End> {
    match (seen & OVER != 0, seen & DIED != 0) {
        (false, _) => None,
        (true, false) => Some(End::Dropped),
        (true, true) => Some(End::OwnerDied),
    }
}
