//! When frames are due.

use std::time::Duration;

use wharf::now_ns;

use crate::control::Stop;
use crate::rate::FrameRate;

/// How long a camera sleeps at most before it looks whether there is something else to do.
const SLICE: Duration = Duration::from_millis(20);
/// How far a camera may fall behind its clock before it gives up catching up.
const MAX_LAG: Duration = Duration::from_millis(100);

/// A clock that says when each frame is due: at fixed distances from its start, so that nothing adds up.
#[derive(Debug)]
pub(super) struct Pace {
    start_ns: u64,
    rate: FrameRate,
}

impl Pace {
    /// Frame 0 is due now.
    pub(super) fn start(rate: FrameRate) -> Self {
        Self {
            start_ns: now_ns(),
            rate,
        }
    }

    /// When a frame is due, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn due_ns(&self, frame: u64) -> u64 {
        self.start_ns.saturating_add(nanoseconds(self.rate.due(frame)))
    }

    /// Waits until so much time has passed since frame 0 was due, doing something else again and again; tells whether to stop instead.
    pub(super) fn wait_until(&self, time: Duration, stop: &Stop, mut meanwhile: impl FnMut()) -> bool {
        let due_ns = self.start_ns.saturating_add(nanoseconds(time));
        loop {
            let ahead_ns = due_ns.saturating_sub(now_ns());
            if stop.is_raised() {
                return true;
            }
            if ahead_ns == 0 {
                return false;
            }
            stop.wait(Duration::from_nanos(ahead_ns).min(SLICE));
            meanwhile();
        }
    }

    /// Whether it is too late for a frame: a live camera leaves it out.
    pub(super) fn is_too_late(&self, frame: u64) -> bool {
        self.lag(frame) > self.rate.period().max(MAX_LAG)
    }

    /// Starts anew at a frame that comes too late, so that the frames after it come at their usual distance.
    pub(super) fn forgive(&mut self, frame: u64) {
        let lag = self.lag(frame);
        if lag > MAX_LAG {
            self.start_ns = self.start_ns.saturating_add(nanoseconds(lag));
        }
    }

    fn lag(&self, frame: u64) -> Duration {
        Duration::from_nanos(now_ns().saturating_sub(self.due_ns(frame)))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started_ago(ago: Duration) -> Pace {
        Pace {
            start_ns: now_ns() - nanoseconds(ago),
            rate: FrameRate::default(),
        }
    }

    #[test]
    fn frame_is_never_early() {
        let (pace, stop) = (Pace::start(FrameRate::default()), Stop::new().unwrap());
        for frame in 0..4 {
            assert!(!pace.wait_until(pace.rate.due(frame), &stop, || {}));
            assert!(now_ns() >= pace.due_ns(frame));
        }
        stop.raise();
        assert!(pace.wait_until(Duration::MAX, &stop, || {}));
    }

    #[test]
    fn long_waits_leave_time_for_other_things() {
        let (pace, stop) = (Pace::start(FrameRate::default()), Stop::new().unwrap());
        let mut times = 0;
        assert!(pace.wait_until(Duration::from_secs(1000), &stop, || {
            times += 1;
            if times == 3 {
                stop.raise();
            }
        }));
        assert_eq!(times, 3);
    }

    #[test]
    fn late_frames_are_left_out_and_no_others() {
        let pace = started_ago(Duration::from_secs(10));
        assert!(pace.is_too_late(200));
        assert!(!pace.is_too_late(300));
        assert!(!pace.is_too_late(u64::MAX));
    }

    #[test]
    fn forgiven_lag_does_not_come_back() {
        let mut pace = started_ago(Duration::from_secs(10));
        let before = pace.due_ns(7);
        pace.forgive(7);
        let shift_ns = pace.due_ns(7) - before;
        assert!(shift_ns > 9_000_000_000 && pace.due_ns(7) <= now_ns());
        assert_eq!(pace.due_ns(8) - pace.due_ns(7), 33_333_333);
    }
}
