//! How long to go on waiting.

use std::time::{Duration, Instant};

use rustix::time::Timespec;

/// A point in time to give up at. One too far away to be represented is never reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// The point `duration` from now.
    pub(super) fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// The time left, zero once the deadline has passed; `None` if there is no end to it.
    pub(super) fn remaining(self) -> Option<Duration> {
        self.0
            .map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// The time left, as `poll` wants it.
    pub(super) fn remaining_timespec(self) -> Option<Timespec> {
        Timespec::try_from(self.remaining()?).ok()
    }
}
