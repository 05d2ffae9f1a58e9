//! What tells a buffer from all others.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a counter's next number, which it never gives again.
pub(crate) fn next_number(last: &AtomicU64) -> NonZeroU64 {
    // ORDERING: only uniqueness matters, and that is the read-modify-write's own.
    let previous = last.fetch_add(1, Ordering::Relaxed);
    // A counter of 64 bits does not come round: a million a second take 580 000 years.
    NonZeroU64::MIN.saturating_add(previous)
}

/// The number of a buffer: unique among all buffers this process ever has. Contract: B2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(NonZeroU64);

impl BufferId {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(next_number(&LAST))
    }
}

impl fmt::Display for BufferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
