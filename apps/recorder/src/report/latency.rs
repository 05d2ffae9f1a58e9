//! Hand-over latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency told apart from longer ones, in nanoseconds: a minute.
const MAX_NS: u64 = 60_000_000_000;
/// Decimal digits that are exact.
const DIGITS: u8 = 3;

/// Gathers latencies in bounded memory.
#[derive(Debug)]
pub struct LatencyRecorder {
    /// `None` cannot happen: the limits above are valid. It saves a panic.
    histogram: Option<Histogram<u64>>,
}

impl Default for LatencyRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyRecorder {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, MAX_NS, DIGITS).ok(),
        }
    }

    /// Adds one latency; more than a minute counts as a minute.
    pub fn record(&mut self, latency: Duration) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// What has been added so far.
    #[must_use]
    pub fn summary(&self) -> Latency {
        match &self.histogram {
            Some(histogram) if !histogram.is_empty() => Latency {
                count: histogram.len(),
                p50_ns: histogram.value_at_quantile(0.5),
                p99_ns: histogram.value_at_quantile(0.99),
                max_ns: histogram.max(),
            },
            _ => Latency::default(),
        }
    }
}

/// A summary of latencies; all zero if there were none. Exact to three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Half of them were at most this long, in nanoseconds.
    pub p50_ns: u64,
    /// Of a hundred, 99 were at most this long, in nanoseconds.
    pub p99_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut recorder = LatencyRecorder::new();
        assert_eq!(recorder.summary(), Latency::default());
        (1..=1000).for_each(|us| recorder.record(Duration::from_micros(us)));
        let latency = recorder.summary();
        let close = |ns: u64, expected: u64| ns.abs_diff(expected) <= expected / 1000;
        assert_eq!(latency.count, 1000);
        assert!(
            close(latency.p50_ns, 500_000)
                && close(latency.p99_ns, 990_000)
                && close(latency.max_ns, 1_000_000),
            "{latency:?}"
        );
    }

    #[test]
    fn absurd_latencies_are_counted_as_a_minute() {
        let mut recorder = LatencyRecorder::new();
        recorder.record(Duration::MAX);
        recorder.record(Duration::ZERO);
        let latency = recorder.summary();
        assert_eq!(latency.count, 2);
        assert!(latency.max_ns.abs_diff(MAX_NS) <= MAX_NS / 1000, "{latency:?}");
    }
}
