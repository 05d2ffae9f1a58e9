//! The number closest to one that does not work.

use super::super::blame::Ended;
use crate::constraints::{Field, MergeKind, Value};

/// How often an upper bound is doubled to find one that works.
const DOUBLINGS: u32 = 32;
/// How many divisors are tried.
const DIVISORS: u64 = 64;

/// The number closest to `from` that works for a field; `None` if there is none but to need nothing. `hints` are numbers of those
/// it conflicts with, which are likely to be right.
pub(super) fn number(
    field: Field,
    from: u64,
    hints: &[u64],
    works: &mut impl FnMut(Value) -> Result<bool, Ended>,
) -> Result<Option<Value>, Ended> {
    let value = |number: u64| Value::of_number(field, number);
    let mut works = |number: u64| match value(number) {
        Some(value) => works(value),
        None => Ok(false),
    };
    let found = match field.merge_kind() {
        MergeKind::Min => larger(from, hints, &mut works)?,
        MergeKind::And => masks(from, &mut works)?,
        MergeKind::Max if is_power_of_two(field) => halves(from, &mut works)?,
        MergeKind::Max | MergeKind::Sum => smaller(from, hints, &mut works)?,
        MergeKind::Lcm => divisors(from, &mut works)?,
        MergeKind::Intersection | MergeKind::Or | MergeKind::Equal | MergeKind::Union | MergeKind::Rules => {
            None
        }
    };
    Ok(found.and_then(value))
}

/// Alignments merged by taking the largest: of powers of two that is the least common multiple.
fn is_power_of_two(field: Field) -> bool {
    matches!(
        field,
        Field::BaseAlign | Field::SegmentAlign | Field::LengthGranule | Field::PageGranule | Field::MinChunk
    )
}

type Works<'w> = dyn FnMut(u64) -> Result<bool, Ended> + 'w;

fn larger(from: u64, hints: &[u64], works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    let mut fails = from;
    for hint in hints.iter().filter(|hint| **hint > from) {
        if works(*hint)? {
            return between(from, *hint, works).map(Some);
        }
    }
    for _ in 0..DOUBLINGS {
        let Some(next) = fails.max(1).checked_mul(2) else {
            return Ok(None);
        };
        if works(next)? {
            return between(fails, next, works).map(Some);
        }
        fails = next;
    }
    Ok(None)
}

/// A smaller one. None at all is as if nothing were needed, and not found here.
fn smaller(from: u64, hints: &[u64], works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    for hint in hints.iter().filter(|hint| **hint < from && **hint > 0) {
        if works(*hint)? {
            return between(from, *hint, works).map(Some);
        }
    }
    match from > 1 && works(1)? {
        true => between(from, 1, works).map(Some),
        false => Ok(None),
    }
}

/// The one closest to `fails` that works, where all beyond it work, too; `good` does.
fn between(mut fails: u64, mut good: u64, works: &mut Works<'_>) -> Result<u64, Ended> {
    if good.abs_diff(fails) > 1 {
        // Often the hint is it.
        let closer = if good > fails { good - 1 } else { good + 1 };
        if !works(closer)? {
            return Ok(good);
        }
        good = closer;
    }
    while good.abs_diff(fails) > 1 {
        let middle = fails.min(good) + good.abs_diff(fails) / 2;
        if works(middle)? {
            good = middle;
        } else {
            fails = middle;
        }
    }
    Ok(good)
}

fn masks(from: u64, works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    let larger = std::iter::successors(Some(from), |mask| mask.checked_mul(2)?.checked_add(1)).skip(1);
    first(larger, works)
}

fn halves(from: u64, works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    first(
        std::iter::successors(Some(from / 2), |half| Some(half / 2)).take_while(|half| *half > 1),
        works,
    )
}

fn divisors(from: u64, works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    let by = (2..=DIVISORS)
        .filter(|by| from.is_multiple_of(*by))
        .map(|by| from / by);
    first(by.filter(|divisor| *divisor > 1), works)
}

fn first(mut some: impl Iterator<Item = u64>, works: &mut Works<'_>) -> Result<Option<u64>, Ended> {
    some.find_map(|number| match works(number) {
        Ok(true) => Some(Ok(number)),
        Ok(false) => None,
        Err(ended) => Some(Err(ended)),
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closest number that works, and after how many tries.
    fn closest(field: Field, from: u64, hints: &[u64], works: impl Fn(u64) -> bool) -> (Option<u64>, usize) {
        let mut tries = 0;
        let found = number(field, from, hints, &mut |value: Value| {
            tries += 1;
            Ok(value.number().is_some_and(&works))
        });
        (found.expect("no budget").and_then(|value| value.number()), tries)
    }

    #[test]
    fn upper_bounds_grow_to_the_smallest_that_works() {
        for enough in [3, 4, 5, 17, 1000, 1 << 20] {
            let (found, tries) = closest(Field::MaxSegments, 2, &[], |number| number >= enough);
            assert_eq!(found, Some(enough));
            assert!(tries <= 45, "{tries} tries for {enough}");
        }
        assert_eq!(closest(Field::MaxSegments, 2, &[], |_| false).0, None);
    }

    #[test]
    fn a_hint_that_is_right_takes_two_tries() {
        let (found, tries) = closest(Field::MaxSize, 4096, &[3_133_440], |number| number >= 3_133_440);
        assert_eq!((found, tries), (Some(3_133_440), 2));
        let (found, tries) = closest(Field::MinSize, 8192, &[5000], |number| number <= 5000);
        assert_eq!((found, tries), (Some(5000), 2));
    }

    #[test]
    fn lower_bounds_and_shares_shrink_to_the_largest_that_works() {
        for most in [1, 2, 7, 38, 39] {
            assert_eq!(
                closest(Field::Camping, 40, &[], |number| number <= most).0,
                Some(most)
            );
            assert_eq!(
                closest(Field::MinSize, 40, &[64], |number| number <= most).0,
                Some(most)
            );
        }
        assert_eq!(closest(Field::Camping, 40, &[], |number| number == 0).0, None);
    }

    #[test]
    fn alignments_stay_what_they_have_to_be() {
        assert_eq!(
            closest(Field::BaseAlign, 1 << 20, &[], |number| number <= 5000).0,
            Some(4096)
        );
        assert_eq!(
            closest(Field::StrideAlign, 96, &[], |number| 64 % number == 0).0,
            Some(32)
        );
        assert_eq!(
            closest(Field::StrideAlign, 7, &[], |number| 64 % number == 0).0,
            None
        );
        assert_eq!(
            closest(Field::BoundaryMask, 0xffff, &[], |number| number >= 0x10_0000).0,
            Some(0x1f_ffff)
        );
    }
}
