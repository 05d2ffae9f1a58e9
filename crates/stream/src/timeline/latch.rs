//! What a reader of points has seen, for good.

use super::layout::MAX_POINT;
use super::reader::End;
// Not those of models: one reader is not what is modelled, and nothing is ordered by it there.
use std::sync::atomic::{AtomicU64, Ordering};
use wharf_core::{Errno, FenceStatus};

/// The highest point seen, and above it how the timeline ended. An end is final: nothing is seen any more.
#[derive(Debug, Default)]
pub(crate) struct Latch(AtomicU64);

/// The timeline is over.
const OVER: u64 = 1 << 63;
/// Because its owner died.
const DIED: u64 = 1 << 62;

const _: () = assert!(MAX_POINT < DIED);

impl Latch {
    /// The highest point seen.
    pub(crate) fn value(&self) -> u64 {
        // ORDERING: Acquire: who sees that a point was seen sees what came with it.
        self.0.load(Ordering::Acquire) & MAX_POINT
    }

    /// How the timeline ended.
    pub(crate) fn end(&self) -> Option<End> {
        // ORDERING: as in `raise`.
        let seen = self.0.load(Ordering::Acquire);
        match (seen & OVER != 0, seen & DIED != 0) {
            (false, _) => None,
            (true, false) => Some(End::Dropped),
            (true, true) => Some(End::OwnerDied),
        }
    }

    /// Takes note of `value`, if it is higher than all before and the timeline is not over; returns the highest.
    pub(crate) fn raise(&self, value: u64) -> u64 {
        let value = value.min(MAX_POINT);
        let raise = |seen: u64| (seen & OVER == 0 && value > seen).then_some(value);
        // ORDERING: Release passes on to who sees the point here what came with it; Acquire gets that of others.
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise) {
            Ok(_) => value,
            Err(seen) => seen & MAX_POINT,
        }
    }

    /// Takes note of the end. The first counts.
    pub(crate) fn close(&self, end: End) {
        let mark = match end {
            End::Dropped => OVER,
            End::OwnerDied => OVER | DIED,
        };
        let close = |seen: u64| (seen & OVER == 0).then_some(seen | mark);
        // ORDERING: as in `raise`.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, close);
    }

    /// How far `point` is: `now` reads the highest one, `error` the error of one that is reached.
    pub(crate) fn status(
        &self,
        point: u64,
        now: impl FnOnce() -> u64,
        error: impl FnOnce() -> Option<i32>,
    ) -> FenceStatus {
        if self.value() < point && self.raise(now()) < point {
            return self
                .end()
                .map_or(FenceStatus::Unsignaled, |end| FenceStatus::Failed(end.errno()));
        }
        error().map_or(FenceStatus::Signaled, |errno| {
            FenceStatus::Failed(Errno::new(errno))
        })
    }
}
