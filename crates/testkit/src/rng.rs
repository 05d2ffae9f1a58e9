//! Random numbers that can be had again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The environment variable that gives the seed of a run, as a number.
pub const SEED_ENV: &str = "WHARF_TEST_SEED";

/// A small deterministic source of random numbers (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Starts from `seed`; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Starts from `$WHARF_TEST_SEED`, or else from a new seed, and prints it to stderr with the name of what it is for, so that
    /// a failed run can be had again as far as chance and not the scheduler made it.
    pub fn from_env(what: &str) -> Self {
        let given = std::env::var(SEED_ENV).ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(what));
        eprintln!("{what}: {SEED_ENV}={seed}");
        Self::new(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // CAST: the high half of the product of two 64-bit numbers.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A time of up to `most`, in whole microseconds.
    pub fn duration_up_to(&mut self, most: Duration) -> Duration {
        let most_us = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(most_us.saturating_add(1)))
    }
}

/// Spreads the bits of a number over all of it, reversibly: different numbers stay different.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_numbers() {
        let (mut one, mut other) = (Rng::new(5), Rng::new(5));
        for _ in 0..100 {
            assert_eq!(one.next_u64(), other.next_u64());
        }
        assert_ne!(Rng::new(5).next_u64(), Rng::new(6).next_u64());
    }

    #[test]
    fn numbers_stay_below_the_bound_and_reach_all_below_it() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[usize::try_from(rng.below(6)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|times| *times > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn times_include_both_ends() {
        let mut rng = Rng::new(1);
        let most = Duration::from_micros(3);
        let times: Vec<_> = (0..200).map(|_| rng.duration_up_to(most)).collect();
        assert_eq!(times.iter().min(), Some(&Duration::ZERO));
        assert_eq!(times.iter().max(), Some(&most));
        assert_eq!(rng.duration_up_to(Duration::ZERO), Duration::ZERO);
    }
}
