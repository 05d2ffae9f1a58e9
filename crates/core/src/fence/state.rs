//! The state of a fence in one word.

use crate::Errno;
use crate::sync::atomic::{AtomicU32, Ordering};

/// How far a fence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FenceStatus {
    /// The work is not over.
    Unsignaled,
    /// The work is over.
    Signaled,
    /// The work is over and went wrong: the fence is signaled all the same.
    Failed(Errno),
}

impl FenceStatus {
    /// Says whether the fence is signaled, with an error or without.
    pub const fn is_signaled(self) -> bool {
        !matches!(self, Self::Unsignaled)
    }

    /// Returns the error with which the fence was signaled.
    pub const fn error(self) -> Option<Errno> {
        match self {
            Self::Failed(errno) => Some(errno),
            Self::Unsignaled | Self::Signaled => None,
        }
    }
}

/// Never cleared again.
const SIGNALED: u32 = 1;
/// Whoever signals has to look under the lock: there are callbacks or ops.
const ATTENDED: u32 = 1 << 1;
/// Signaling was enabled: the ops were asked, or the members are watched.
const ENABLED: u32 = 1 << 2;
/// The error is above the flags; zero is none.
const ERRNO_SHIFT: u32 = 8;

/// Signaled or not, with which error, and what signaling has to do.
///
/// # Invariants
/// Once [`SIGNALED`] is set the error never changes.
pub(super) struct StateWord(AtomicU32);

impl StateWord {
    pub(super) fn unsignaled() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Not signaled, and whoever signals has to look under the lock.
    pub(super) fn attended() -> Self {
        Self(AtomicU32::new(ATTENDED))
    }

    pub(super) fn signaled() -> Self {
        Self(AtomicU32::new(SIGNALED))
    }

    pub(super) fn is_signaled(&self) -> bool {
        // ORDERING: Acquire pairs with the signaler's AcqRel: what it did before is seen by whoever sees the signal.
        self.0.load(Ordering::Acquire) & SIGNALED != 0
    }

    pub(super) fn status(&self) -> FenceStatus {
        // ORDERING: as in is_signaled.
        let word = self.0.load(Ordering::Acquire);
        // CAST: an errno is at most 4095 and was shifted in by signal().
        match (word & SIGNALED, (word >> ERRNO_SHIFT) as i32) {
            (0, _) => FenceStatus::Unsignaled,
            (_, 0) => FenceStatus::Signaled,
            (_, errno) => FenceStatus::Failed(Errno::new(errno)),
        }
    }

    /// Sets the signal and the error at once; `None` if it was set before, else whether somebody attends.
    pub(super) fn signal(&self, error: Option<Errno>) -> Option<bool> {
        // CAST: callers pass errors from 1 to 4095 only.
        let error = error.map_or(0, |errno| errno.raw() as u32);
        let mark = SIGNALED | error << ERRNO_SHIFT;
        // ORDERING: Release publishes the work before the signal, Acquire makes the callbacks' list visible.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                (word & SIGNALED == 0).then_some(word | mark)
            })
            .ok()
            .map(|word| word & ATTENDED != 0)
    }

    /// Makes the signaler look under the lock, which the caller holds; `false` if it is too late for that.
    pub(super) fn attend(&self) -> bool {
        // ORDERING: AcqRel on the same word as the signal: one of the two sees the other.
        self.0.fetch_or(ATTENDED, Ordering::AcqRel) & SIGNALED == 0
    }

    /// Marks signaling as enabled; `true` for the one caller that has to do it.
    pub(super) fn enable(&self) -> bool {
        // ORDERING: Acquire, to see the work of a signaler that was faster.
        self.0.fetch_or(ENABLED, Ordering::Acquire) & (ENABLED | SIGNALED) == 0
    }
}
