//! Frame rates as exact fractions.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The fastest rate taken, in frames per second.
pub const MAX_FRAMES_PER_SECOND: u32 = 1000;

/// The slowest rate taken, in seconds per frame.
pub const MAX_SECONDS_PER_FRAME: u32 = 60;

/// Frames per second as the fraction `frames / seconds`, for example 30000/1001.
///
/// # Invariants
///
/// Both parts are non-zero; the rate is at most [`MAX_FRAMES_PER_SECOND`] and at least one frame per
/// [`MAX_SECONDS_PER_FRAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    frames: u32,
    seconds: u32,
}

impl FrameRate {
    /// Checks a rate of `frames` frames in `seconds` seconds.
    ///
    /// # Errors
    ///
    /// [`RateError`], each EINVAL: a part is zero, or the rate is outside the limits.
    pub fn new(frames: u32, seconds: u32) -> Result<Self, RateError> {
        if frames == 0 || seconds == 0 {
            return Err(RateError::Zero { frames, seconds });
        }
        if u64::from(frames) > u64::from(seconds) * u64::from(MAX_FRAMES_PER_SECOND) {
            return Err(RateError::TooFast { frames, seconds });
        }
        if u64::from(seconds) > u64::from(frames) * u64::from(MAX_SECONDS_PER_FRAME) {
            return Err(RateError::TooSlow { frames, seconds });
        }
        Ok(Self { frames, seconds })
    }

    /// When frame `index` (counted from 0) is due, measured from frame 0. Saturates at about 584 years.
    #[must_use]
    pub fn due(self, index: u64) -> Duration {
        let ns = u128::from(index) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.frames);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// How long one frame lasts, rounded down to nanoseconds; never zero.
    #[must_use]
    pub fn period(self) -> Duration {
        self.due(1)
    }

    /// Frames per second, rounded to the nearest whole number; at least 1.
    #[must_use]
    pub fn rounded_hz(self) -> u32 {
        let (frames, seconds) = (u64::from(self.frames), u64::from(self.seconds));
        u32::try_from(((2 * frames + seconds) / (2 * seconds)).max(1)).unwrap_or(u32::MAX)
    }

    /// Frames per second, for people and for settings that take a floating-point number.
    #[must_use]
    pub fn hz(self) -> f64 {
        f64::from(self.frames) / f64::from(self.seconds)
    }
}

impl Default for FrameRate {
    /// 30 frames per second.
    fn default() -> Self {
        Self {
            frames: 30,
            seconds: 1,
        }
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            1 => write!(f, "{}", self.frames),
            seconds => write!(f, "{}/{seconds}", self.frames),
        }
    }
}

impl FromStr for FrameRate {
    type Err = RateError;

    /// Parses a whole number (`30`) or a fraction (`30000/1001`).
    fn from_str(text: &str) -> Result<Self, RateError> {
        let malformed = || RateError::Malformed {
            text: text.escape_default().take(40).collect(),
        };
        let (frames, seconds) = text.split_once('/').unwrap_or((text, "1"));
        let part = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u32>().ok(),
            false => None,
        };
        Self::new(
            part(frames).ok_or_else(malformed)?,
            part(seconds).ok_or_else(malformed)?,
        )
    }
}

/// Why a frame rate is refused. The errno of each is EINVAL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// The text is neither a whole number nor a fraction of numbers that fit 32 bits.
    #[error("frame rate \"{text}\" is neither a whole number nor a fraction such as 30000/1001")]
    Malformed {
        /// What was given, escaped and cut to 40 characters.
        text: String,
    },
    /// A part of the fraction is zero.
    #[error("frame rate {frames}/{seconds} has a part that is zero")]
    Zero {
        /// Upper part of the fraction.
        frames: u32,
        /// Lower part of the fraction.
        seconds: u32,
    },
    /// The rate is above [`MAX_FRAMES_PER_SECOND`].
    #[error("frame rate {frames}/{seconds} is above the limit of {MAX_FRAMES_PER_SECOND} frames per second")]
    TooFast {
        /// Upper part of the fraction.
        frames: u32,
        /// Lower part of the fraction.
        seconds: u32,
    },
    /// The rate is below one frame per [`MAX_SECONDS_PER_FRAME`].
    #[error(
        "frame rate {frames}/{seconds} is below the limit of one frame in {MAX_SECONDS_PER_FRAME} seconds"
    )]
    TooSlow {
        /// Upper part of the fraction.
        frames: u32,
        /// Lower part of the fraction.
        seconds: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractional_rate_does_not_drift() {
        let rate: FrameRate = "30000/1001".parse().unwrap();
        assert_eq!(rate.due(30_000), Duration::from_secs(1001));
        assert_eq!(rate.due(0), Duration::ZERO);
        assert_eq!(rate.rounded_hz(), 30);
        assert_eq!(rate.to_string(), "30000/1001");
    }

    #[test]
    fn due_time_saturates_instead_of_overflowing() {
        let rate = FrameRate::new(1, 60).unwrap();
        assert_eq!(rate.due(u64::MAX), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn bad_rates_are_refused_by_rule() {
        let parse = |text: &str| text.parse::<FrameRate>().unwrap_err();
        for text in [
            "",
            "/",
            "30/",
            "/1",
            "-1",
            "+30",
            "3.5",
            "99999999999",
            "30/1/1",
            "a",
        ] {
            assert!(matches!(parse(text), RateError::Malformed { .. }), "{text}");
        }
        assert!(matches!(parse("0"), RateError::Zero { .. }));
        assert!(matches!(parse("30/0"), RateError::Zero { .. }));
        assert!(matches!(parse("1001"), RateError::TooFast { .. }));
        assert!(matches!(parse("4294967295/4294967"), RateError::TooFast { .. }));
        assert!(matches!(parse("1/61"), RateError::TooSlow { .. }));
        assert!(matches!(parse("1/4294967295"), RateError::TooSlow { .. }));
    }

    #[test]
    fn slow_rates_round_up_to_one_hertz() {
        assert_eq!(FrameRate::new(1, 60).unwrap().rounded_hz(), 1);
        assert_eq!(FrameRate::new(1000, 1).unwrap().rounded_hz(), 1000);
        assert_eq!(
            FrameRate::new(1000, 1).unwrap().period(),
            Duration::from_millis(1)
        );
    }
}
