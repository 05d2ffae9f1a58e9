//! `CLOCK_MONOTONIC` as plain nanoseconds, the same in every process of a machine.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

const NS_PER_S: u64 = 1_000_000_000;

/// Returns the time of `CLOCK_MONOTONIC` in nanoseconds. Comparable between processes; stops during suspend.
#[inline]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // CAST: CLOCK_MONOTONIC starts near zero at boot and its nanoseconds are below 10^9: both are non-negative.
    (now.tv_sec as u64)
        .saturating_mul(NS_PER_S)
        .saturating_add(now.tv_nsec as u64)
}

/// A point of `CLOCK_MONOTONIC` up to which a call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// The point `timeout` from now. A time-out beyond the clock's range means the end of the range.
    pub fn after(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self(now_ns().saturating_add(timeout_ns))
    }

    /// Whether the point has been reached.
    pub fn has_passed(self) -> bool {
        now_ns() >= self.0
    }

    /// Whether the point is reached at the time `now_ns`, as [`now_ns`] gave it.
    pub fn is_reached_at(self, now_ns: u64) -> bool {
        now_ns >= self.0
    }

    /// Time left until the point; zero when it has passed.
    pub fn remaining(self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now_ns()))
    }

    /// The earlier of two points.
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    #[cfg_attr(
        any(loom, shuttle),
        allow(dead_code, reason = "the modelled futex has no time")
    )]
    pub(crate) fn to_timespec(self) -> Timespec {
        // CAST: 2^64 ns are 1.8 * 10^10 s, which fits i64; the remainder is below 10^9.
        Timespec {
            tv_sec: (self.0 / NS_PER_S) as i64,
            tv_nsec: (self.0 % NS_PER_S) as _,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn endless_timeout_saturates_instead_of_wrapping() {
        let deadline = Deadline::after(Duration::MAX);
        assert!(!deadline.has_passed());
        assert_eq!(deadline.to_timespec().tv_sec, (u64::MAX / NS_PER_S) as i64);
    }

    #[test]
    fn zero_timeout_has_passed_at_once() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }
}
