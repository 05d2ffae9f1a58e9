//! When to look whether those one waits for are still alive.

use std::time::Duration;
use wharf_memory::Deadline;

/// How often somebody who waits looks, in case the broker cannot say any more who died.
const INTERVAL: Duration = Duration::from_millis(100);

/// Comes due every 100 ms, however often the sleep in between is broken off.
#[derive(Debug)]
pub(crate) struct Liveness {
    next: Deadline,
}

impl Liveness {
    pub(crate) fn new() -> Self {
        Self {
            next: Deadline::after(INTERVAL),
        }
    }

    /// Whether it is time to look; if so, the next time is set.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.next.has_passed();
        if is_due {
            self.next = Deadline::after(INTERVAL);
        }
        is_due
    }

    /// How long to sleep at most: until the next look or the caller's deadline.
    pub(crate) fn until(&self, deadline: Option<Deadline>) -> Deadline {
        deadline.map_or(self.next, |deadline| deadline.min(self.next))
    }
}
