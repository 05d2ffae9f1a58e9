//! Durations, counted by their order of magnitude.

/// Durations below this power of two (64 ns) share the first bucket.
const FIRST_OCTAVE: usize = 6;
/// Durations from this power of two on (17 s) share the last one.
const LAST_OCTAVE: usize = 34;
/// Buckets of each octave between: 2 to this power. A quantile is off by a quarter at most.
const STEP_BITS: usize = 2;
const STEPS: usize = 1 << STEP_BITS;

/// Buckets in all.
pub(crate) const BUCKETS: usize = 2 + (LAST_OCTAVE - FIRST_OCTAVE) * STEPS;

/// The bucket that counts a duration.
#[inline]
pub(crate) fn bucket_of(duration_ns: u64) -> usize {
    let Some(octave) = duration_ns.checked_ilog2() else {
        return 0;
    };
    // CAST: below 64.
    let octave = octave as usize;
    match octave {
        ..FIRST_OCTAVE => 0,
        LAST_OCTAVE.. => BUCKETS - 1,
        // CAST: masked to STEP_BITS bits.
        _ => 1 + (octave - FIRST_OCTAVE) * STEPS + (duration_ns >> (octave - STEP_BITS)) as usize % STEPS,
    }
}

/// The shortest duration of a bucket, in nanoseconds.
fn lowest(bucket: usize) -> u64 {
    match bucket.checked_sub(1) {
        None => 0,
        Some(beyond) => {
            let (octave, step) = (FIRST_OCTAVE + beyond / STEPS, beyond % STEPS);
            // CAST: below 2 * STEPS.
            ((STEPS + step) as u64) << (octave - STEP_BITS)
        }
    }
}

/// A share of all durations, at most so long as the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantile {
    /// Half of them.
    P50,
    /// 99 of 100.
    P99,
    /// 999 of 1000.
    P999,
}

impl Quantile {
    const fn per_mille(self) -> u128 {
        match self {
            Self::P50 => 500,
            Self::P99 => 990,
            Self::P999 => 999,
        }
    }
}

/// How many durations there were of each order of magnitude, from nanoseconds to seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
        }
    }
}

/// Counts durations in nanoseconds.
impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(durations_ns: I) -> Self {
        let mut histogram = Self::default();
        for duration_ns in durations_ns {
            let count = &mut histogram.buckets[bucket_of(duration_ns)];
            *count = count.saturating_add(1);
        }
        histogram
    }
}

impl Histogram {
    pub(crate) fn from_buckets(bucket: impl FnMut(usize) -> u64) -> Self {
        Self {
            buckets: std::array::from_fn(bucket),
        }
    }

    /// How many durations were counted. Stops at the largest number there is.
    pub fn count(&self) -> u64 {
        self.buckets.iter().copied().fold(0, u64::saturating_add)
    }

    /// What was counted since `earlier`. A bucket that went backwards, as only a peer's nonsense does, counts nothing.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self::from_buckets(|bucket| self.buckets[bucket].saturating_sub(earlier.buckets[bucket]))
    }

    /// What both counted together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::from_buckets(|bucket| self.buckets[bucket].saturating_add(other.buckets[bucket]))
    }

    /// The duration that no more than the quantile's share of all exceed, in nanoseconds; `None` if nothing was counted. Between
    /// the bounds of its bucket it is a guess, as if durations were spread evenly there; beyond 17 seconds it is the bound.
    pub fn quantile_ns(&self, quantile: Quantile) -> Option<u64> {
        let total: u128 = self.buckets.iter().map(|&count| u128::from(count)).sum();
        // Cannot overflow: there are far fewer buckets than 2^54.
        let mut rank = (total * quantile.per_mille()).div_ceil(1000);
        for (bucket, &count) in self.buckets.iter().enumerate() {
            let count = u128::from(count);
            if count > 0 && rank <= count {
                return Some(within(bucket, rank, count));
            }
            rank = rank.saturating_sub(count);
        }
        None
    }
}

/// The duration that is the `rank`-th of `count` in a bucket, counted from 1.
fn within(bucket: usize, rank: u128, count: u128) -> u64 {
    let low = lowest(bucket);
    if bucket == BUCKETS - 1 {
        return low;
    }
    let width = u128::from(lowest(bucket + 1) - low);
    // The middle of its share of the bucket. CAST: at most the width.
    low + (width * (2 * rank - 1) / (2 * count)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(durations_ns: impl IntoIterator<Item = u64>) -> Histogram {
        durations_ns.into_iter().collect()
    }

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        assert_eq!(bucket_of(0), 0);
        for bucket in 1..BUCKETS {
            let low = lowest(bucket);
            assert_eq!(
                (bucket_of(low - 1), bucket_of(low)),
                (bucket - 1, bucket),
                "{low}"
            );
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!((lowest(1), lowest(BUCKETS - 1)), (64, 1 << 34));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Histogram::default().quantile_ns(Quantile::P50), None);
        assert_eq!(Histogram::default().count(), 0);
    }

    #[test]
    fn rare_durations_show_in_high_quantiles_only() {
        let histogram = counted((0..1000).map(|n| if n < 5 { 1_000_000_000 } else { 1000 }));
        let quantile = |quantile| histogram.quantile_ns(quantile).unwrap();
        assert!((896..1152).contains(&quantile(Quantile::P50)));
        assert!((896..1152).contains(&quantile(Quantile::P99)));
        assert!((900_000_000..1_200_000_000).contains(&quantile(Quantile::P999)));
    }

    #[test]
    fn any_number_a_peer_may_write_is_survived() {
        let hostile = Histogram::from_buckets(|_| u64::MAX);
        assert_eq!(hostile.count(), u64::MAX);
        assert_eq!(hostile.plus(&hostile), hostile);
        assert!(hostile.quantile_ns(Quantile::P50).is_some());
        assert_eq!(hostile.quantile_ns(Quantile::P999), Some(1 << 34));
        assert_eq!(Histogram::default().since(&hostile), Histogram::default());
    }

    #[test]
    fn difference_is_what_came_since() {
        let (earlier, later) = (counted([100, 5000]), counted([100, 5000, 5000, 70]));
        assert_eq!(later.since(&earlier), counted([5000, 70]));
        assert_eq!(counted([5000, 70]).plus(&earlier), later);
    }

    proptest! {
        #[test]
        fn quantile_is_within_a_quarter_of_the_true_one(
            mut durations in proptest::collection::vec(64_u64..1 << 34, 1..300),
        ) {
            let histogram = counted(durations.iter().copied());
            durations.sort_unstable();
            for quantile in [Quantile::P50, Quantile::P99, Quantile::P999] {
                let rank = (durations.len() * quantile.per_mille() as usize).div_ceil(1000);
                let (truth, found) = (durations[rank - 1], histogram.quantile_ns(quantile).unwrap());
                prop_assert!(found.abs_diff(truth) <= truth / 4, "{found} for {truth}");
            }
        }
    }
}
