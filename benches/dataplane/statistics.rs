//! Figures of one run, and of several.

use std::collections::BTreeMap;

/// What one run measured, by name.
pub(crate) type Figures = BTreeMap<String, f64>;

pub(crate) fn figures<const N: usize>(named: [(&str, f64); N]) -> Figures {
    named.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Median, 99th and 99.9th percentile of times in nanoseconds, in microseconds.
pub(crate) fn percentiles(mut times_ns: Vec<u32>) -> Figures {
    times_ns.sort_unstable();
    let percentile = |share: f64| {
        let index = (times_ns.len() as f64 * share) as usize;
        let time = times_ns.get(index.min(times_ns.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| f64::from(*time) / 1e3)
    };
    figures([
        ("p50_us", percentile(0.5)),
        ("p99_us", percentile(0.99)),
        ("p999_us", percentile(0.999)),
    ])
}

/// NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// Nanoseconds that fit; what took more than four seconds counts as that.
pub(crate) fn nanos(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// A generator of orders, the same for the same seed.
pub(crate) struct Shuffler(u64);

impl Shuffler {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.next() as usize % (last + 1));
        }
    }

    /// Xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
