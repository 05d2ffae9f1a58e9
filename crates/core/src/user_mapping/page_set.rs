//! Sets of page numbers.

use std::collections::BTreeMap;
use std::ops::Range;

const PAGES_PER_WORD: u64 = 64;

/// A set of page numbers that costs memory by what is in it and not by how large the numbers are.
///
/// # Invariants
/// No word is zero.
#[derive(Debug, Default)]
pub(super) struct PageSet {
    words: BTreeMap<u64, u64>,
}

impl PageSet {
    pub(super) fn contains(&self, page: u64) -> bool {
        let (word, bit) = place(page);
        self.words.get(&word).is_some_and(|bits| bits & bit != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn insert(&mut self, page: u64) {
        let (word, bit) = place(page);
        *self.words.entry(word).or_default() |= bit;
    }

    /// Takes out all pages of `pages`. Costs by what is there.
    pub(super) fn remove(&mut self, pages: &Range<u64>) {
        if pages.is_empty() {
            return;
        }
        let (first, last) = (pages.start / PAGES_PER_WORD, (pages.end - 1) / PAGES_PER_WORD);
        for (word, bits) in self.words.range_mut(first..=last) {
            *bits &= !mask(*word, pages);
        }
        for word in [first, last] {
            if self.words.get(&word) == Some(&0) {
                self.words.remove(&word);
            }
        }
        // Whole words between the ends are zero now.
        if last - first > 1 {
            self.words.retain(|_, bits| *bits != 0);
        }
    }

    /// Returns what is within `pages`, as runs of consecutive pages in ascending order.
    pub(super) fn runs(&self, pages: &Range<u64>) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        if pages.is_empty() {
            return runs;
        }
        let (first, last) = (pages.start / PAGES_PER_WORD, (pages.end - 1) / PAGES_PER_WORD);
        for (word, bits) in self.words.range(first..=last) {
            let mut bits = bits & mask(*word, pages);
            while bits != 0 {
                let start_bit = bits.trailing_zeros();
                let count = (bits >> start_bit).trailing_ones();
                let start = word * PAGES_PER_WORD + u64::from(start_bit);
                append(&mut runs, start..start + u64::from(count));
                // A run to the top of the word leaves nothing; shifting by all bits is not defined.
                bits &= u64::MAX.checked_shl(start_bit + count).unwrap_or(0);
            }
        }
        runs
    }
}

/// Adds a run, as part of the last one if it follows it.
fn append(runs: &mut Vec<Range<u64>>, run: Range<u64>) {
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    }
}

/// Which word a page is in, and its bit there.
fn place(page: u64) -> (u64, u64) {
    (page / PAGES_PER_WORD, 1 << (page % PAGES_PER_WORD))
}

/// The bits of a word that are pages of `pages`, which must reach into the word.
fn mask(word: u64, pages: &Range<u64>) -> u64 {
    let base = word * PAGES_PER_WORD;
    let from = pages.start.saturating_sub(base).min(PAGES_PER_WORD);
    let to = (pages.end - base).min(PAGES_PER_WORD);
    let below = |count: u64| {
        if count == PAGES_PER_WORD {
            u64::MAX
        } else {
            (1 << count) - 1
        }
    };
    below(to) & !below(from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Remove(Range<u64>),
        Runs(Range<u64>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let range = (0..300_u64, 0..300_u64).prop_map(|(a, b)| a.min(b)..a.max(b));
        let step = prop_oneof![
            3 => (0..300_u64).prop_map(Step::Insert),
            1 => range.clone().prop_map(Step::Remove),
            1 => range.prop_map(Step::Runs),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(steps in steps()) {
            let (mut set, mut model) = (PageSet::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(page) => {
                        set.insert(page);
                        model.insert(page);
                    }
                    Step::Remove(pages) => {
                        set.remove(&pages);
                        model.retain(|page| !pages.contains(page));
                    }
                    Step::Runs(pages) => {
                        let runs = set.runs(&pages);
                        prop_assert!(runs.iter().all(|run| !run.is_empty()));
                        prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
                        let seen: Vec<u64> = runs.into_iter().flatten().collect();
                        let expected: Vec<u64> = model.iter().copied().filter(|page| pages.contains(page)).collect();
                        prop_assert_eq!(seen, expected);
                    }
                }
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert!((0..300).all(|page| set.contains(page) == model.contains(&page)));
            }
        }
    }

    #[test]
    fn the_largest_page_numbers_cost_no_more_than_small_ones() {
        let mut set = PageSet::default();
        let last = u64::MAX / 4096;
        set.insert(last);
        set.insert(0);
        assert_eq!(set.runs(&(0..u64::MAX)), [0..1, last..last + 1]);
        set.remove(&(1..u64::MAX));
        assert_eq!(set.runs(&(0..u64::MAX)), vec![0..1]);
    }
}
