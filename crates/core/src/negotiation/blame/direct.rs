//! Conflicts that can be pointed at, without a search: two bounds that cross, two names that differ, shares that add up to too much.

use std::cmp::Reverse;

use super::core::Judge;
use crate::constraints::{Field, MergeKind, Unit};
use crate::negotiation::needs::{Need, Stated};

/// What adds up to the number of buffers.
const SHARES: [Field; 2] = [Field::Camping, Field::DedicatedSlack];

/// Lower and upper bounds of the same thing.
const BOUNDS: [(Field, Field); 5] = [
    (Field::MinSize, Field::MaxSize),
    (Field::MinWidth, Field::MaxWidth),
    (Field::MinHeight, Field::MaxHeight),
    (Field::MinStride, Field::MaxStride),
    (Field::MinBuffers, Field::MaxBuffers),
];

/// Needs that fail together, few of them and easy to find. They are tried; `None` if they do not explain it.
///
/// `needs` are in the order in which they are rather blamed.
pub(super) fn core<'n>(
    needs: &[&'n Need],
    field: Field,
    judge: &mut impl Judge<'n>,
) -> Option<Vec<&'n Need>> {
    let pair = match bounds_of(field) {
        Some((least, most)) => crossing(needs, least, most),
        None if field.merge_kind() == MergeKind::Equal => different(needs, field),
        None => None,
    };
    if let Some(pair) = pair.filter(|pair| matches!(judge(pair), Ok(Some(_)))) {
        return Some(pair);
    }
    match field.unit() {
        Unit::Buffers => shares(needs, judge),
        _ => None,
    }
}

fn bounds_of(field: Field) -> Option<(Field, Field)> {
    BOUNDS
        .into_iter()
        .find(|(least, most)| *least == field || *most == field)
}

/// What is stated of a field, as a number.
fn numbers<'a, 'n>(needs: &'a [&'n Need], field: Field) -> impl Iterator<Item = (u64, &'n Need)> + 'a {
    let stated = needs.iter().filter(move |need| need.path.field == field);
    stated.filter_map(|need| match &need.what {
        Stated::Value(value) => Some((value.number()?, *need)),
        Stated::Formats(_) | Stated::Extension(_) => None,
    })
}

/// The largest lower and the smallest upper bound; of equals, those that are rather blamed.
fn crossing<'n>(needs: &[&'n Need], least: Field, most: Field) -> Option<Vec<&'n Need>> {
    let lower = numbers(needs, least).min_by_key(|(number, _)| Reverse(*number))?;
    let upper = numbers(needs, most).min_by_key(|(number, _)| *number)?;
    Some(vec![lower.1, upper.1])
}

/// Two that state different names.
fn different<'n>(needs: &[&'n Need], field: Field) -> Option<Vec<&'n Need>> {
    let mut stated = needs.iter().filter(|need| need.path.field == field);
    let first = stated.next()?;
    let other = stated.find(|need| need.what != first.what)?;
    Some(vec![*first, *other])
}

/// The largest shares that are too many together, as few as are, with what limits the number of buffers.
fn shares<'n>(needs: &[&'n Need], judge: &mut impl Judge<'n>) -> Option<Vec<&'n Need>> {
    let mut sharing: Vec<(u64, &'n Need)> = SHARES.iter().flat_map(|share| numbers(needs, *share)).collect();
    sharing.sort_by_key(|(number, _)| Reverse(*number));
    let limit = numbers(needs, Field::MaxBuffers).min_by_key(|(number, _)| *number);
    let slack = numbers(needs, Field::SharedSlack).max_by_key(|(number, _)| *number);
    let first = |count: usize| -> Vec<&'n Need> {
        let shares = sharing[..count].iter().chain(&slack).chain(&limit);
        shares.map(|(_, need)| *need).collect()
    };
    // More shares are more buffers: the fewest that are too many are found by halving.
    let (mut too_few, mut enough) = (0, sharing.len());
    judge(&first(enough)).ok()??;
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        match judge(&first(middle)).ok()? {
            Some(_) => enough = middle,
            None => too_few = middle,
        }
    }
    Some(first(enough))
}
