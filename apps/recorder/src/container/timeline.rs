//! From capture times to the time scale of a file.

use std::time::Duration;

use crate::rate::{FrameRate, MAX_SECONDS_PER_FRAME};

/// Ticks of a file per second. A multiple of the usual frame rates.
pub(super) const TICKS_PER_SECOND: u32 = 90_000;

/// Two frames may be this far apart. A longer gap is a broken clock: no rate allows it.
const MAX_GAP_NS: i128 = 2 * (MAX_SECONDS_PER_FRAME as i128) * NS_PER_SECOND;
const NS_PER_SECOND: i128 = 1_000_000_000;

/// Turns capture times into strictly increasing ticks from 0.
///
/// Capture times come from another process, so none is believed beyond measure: a time that goes back, stands
/// still or jumps by minutes counts as one frame period after the frame before it, and what follows is taken
/// in relation to it.
#[derive(Debug)]
pub(super) struct Timeline {
    period_ns: i128,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    captured_ns: i128,
    media_ns: i128,
    ticks: u64,
}

impl Timeline {
    pub(super) fn new(rate: FrameRate) -> Self {
        Self {
            period_ns: nanoseconds(rate.period()),
            last: None,
        }
    }

    /// The tick of the next frame, given its capture time since any fixed moment.
    pub(super) fn place(&mut self, captured: Duration) -> u64 {
        let captured_ns = nanoseconds(captured);
        let (media_ns, ticks) = match &self.last {
            None => (0, 0),
            Some(last) => {
                let gap = captured_ns - last.captured_ns;
                let believed = if (1..=MAX_GAP_NS).contains(&gap) {
                    gap
                } else {
                    self.period_ns
                };
                let media_ns = last.media_ns + believed;
                (media_ns, to_ticks(media_ns).max(last.ticks + 1))
            }
        };
        self.last = Some(Last {
            captured_ns,
            media_ns,
            ticks,
        });
        ticks
    }

    /// How many ticks the last frame of a file lasts, which no other frame ends.
    pub(super) fn period_ticks(&self) -> u32 {
        u32::try_from(to_ticks(self.period_ns)).unwrap_or(u32::MAX).max(1)
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Rounds to the nearest tick.
fn to_ticks(media_ns: i128) -> u64 {
    let ticks = (media_ns * i128::from(TICKS_PER_SECOND) + NS_PER_SECOND / 2) / NS_PER_SECOND;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timeline() -> Timeline {
        Timeline::new(FrameRate::new(30, 1).unwrap())
    }

    #[test]
    fn frames_keep_their_distance_without_drift() {
        let rate = FrameRate::new(30_000, 1001).unwrap();
        let mut timeline = Timeline::new(rate);
        let start = Duration::from_secs(86_400);
        let ticks: Vec<u64> = (0..=30_000)
            .map(|frame| timeline.place(start + rate.due(frame)))
            .collect();
        assert_eq!((ticks[0], ticks[1], ticks[30_000]), (0, 3003, 1001 * 90_000));
    }

    #[test]
    fn clock_that_jumps_counts_as_one_period() {
        let mut timeline = timeline();
        let at = |seconds| Duration::from_secs(seconds);
        assert_eq!(timeline.place(at(1000)), 0);
        assert_eq!(timeline.place(at(1001)), 90_000);
        assert_eq!(timeline.place(at(1)), 93_000, "back");
        assert_eq!(timeline.place(at(2)), 183_000, "on from there");
        assert_eq!(timeline.place(at(2)), 186_000, "still");
        assert_eq!(timeline.place(Duration::MAX), 189_000, "far ahead");
    }

    proptest! {
        #[test]
        fn ticks_always_increase_by_a_duration_that_fits_the_file(
            times in proptest::collection::vec(prop_oneof![0..10_u64, 0..1_000_000_000_000_u64, any::<u64>()], 1..100)
        ) {
            let mut timeline = timeline();
            let ticks: Vec<u64> = times.into_iter().map(|ns| timeline.place(Duration::from_nanos(ns))).collect();
            prop_assert_eq!(ticks[0], 0);
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1] && u32::try_from(pair[1] - pair[0]).is_ok()));
        }
    }
}
