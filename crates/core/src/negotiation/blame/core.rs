//! The fewest needs that cannot be had together, out of all that cannot.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::direct;
use super::shrink::{Ended, Shrunk, shrink};
use crate::constraints::{Field, MergeKind, Scope, Value};
use crate::negotiation::FieldPath;
use crate::negotiation::needs::{Need, Speaker, Stated};

/// Says where needs fail that cannot be had together. `None`: they can be, or nobody says enough to tell.
pub(in crate::negotiation) trait Judge<'n>:
    FnMut(&[&'n Need]) -> Result<Option<FieldPath>, Ended>
{
}

impl<'n, F: FnMut(&[&'n Need]) -> Result<Option<FieldPath>, Ended>> Judge<'n> for F {}

/// How readily a participant is blamed: the lowest first. What it matters, and then the later ones before the earlier.
pub(in crate::negotiation) type Rank = (u64, Reverse<usize>);

/// Finds the fewest of `needs`, which fail at `path`, that do.
///
/// `rank` orders participants, by their place: of several cores, the one whose participants have the lowest ranks is found. The
/// order of the needs does not matter.
pub(in crate::negotiation) fn core_of<'n>(
    needs: &[&'n Need],
    path: &FieldPath,
    rank: &impl Fn(usize) -> Rank,
    judge: &mut impl Judge<'n>,
) -> Shrunk<&'n Need> {
    let mut needs = needs.to_vec();
    needs.sort_by_key(|need| {
        (
            !shows_in(need.path.field, path.field),
            rank(need.who.participant),
            need.who,
            &need.path,
        )
    });
    let suspects = match direct::core(&needs, path.field, judge) {
        Some(few) => few,
        None => {
            let different = different(&needs);
            if different.len() < needs.len() && matches!(judge(&different), Ok(Some(_))) {
                needs = different;
            }
            of_few_participants(&needs, rank, judge)
        }
    };
    let mut shrunk = shrink(&suspects, |some| Ok(judge(some)?.is_some()));
    shrunk.items.sort_by_key(|need| (need.who, &need.path));
    shrunk
}

/// Leaves out what several state alike but for the first who does: most of the needs of a crowd. What a device needs is left out only
/// where all of it is stated alike, as its fields depend on each other; shares add up, and what concerns caches concerns who states it.
fn different<'n>(needs: &[&'n Need]) -> Vec<&'n Need> {
    let mut devices: HashMap<Speaker, BTreeSet<(Field, &Value)>> = HashMap::new();
    for need in needs {
        if let (Stated::Value(value), Scope::Device) = (&need.what, need.path.field.scope()) {
            devices
                .entry(need.who)
                .or_default()
                .insert((need.path.field, value));
        }
    }
    let mut first: HashMap<&BTreeSet<(Field, &Value)>, Speaker> = HashMap::new();
    let mut seen: HashSet<(&FieldPath, &Value)> = HashSet::new();
    let is_first = |need: &&&'n Need| match (&need.what, need.path.field) {
        (Stated::Value(value), field) if field.scope() != Scope::Device => {
            let is_personal =
                field.merge_kind() == MergeKind::Sum || matches!(field, Field::CpuAccess | Field::NoSync);
            is_personal || seen.insert((&need.path, value))
        }
        (Stated::Value(_), _) => {
            let device = &devices[&need.who];
            let stated_sync = device.iter().any(|(field, _)| *field == Field::Coherency);
            stated_sync || *first.entry(device).or_insert(need.who) == need.who
        }
        _ => true,
    };
    needs.iter().filter(is_first).copied().collect()
}

/// Says whether what is stated of a field shows in another: how scattered memory may be is one question with several answers.
fn shows_in(stated: Field, failing: Field) -> bool {
    let scattering = [Field::Contiguous, Field::MaxSegments, Field::MinChunk];
    stated == failing || (scattering.contains(&stated) && scattering.contains(&failing))
}

/// The needs of the fewest participants whose needs fail together; all needs if that was not found.
fn of_few_participants<'n>(
    needs: &[&'n Need],
    rank: &impl Fn(usize) -> Rank,
    judge: &mut impl Judge<'n>,
) -> Vec<&'n Need> {
    let mut participants: Vec<(Rank, usize)> = needs
        .iter()
        .map(|need| (rank(need.who.participant), need.who.participant))
        .collect();
    participants.sort_unstable();
    participants.dedup();
    let of = |some: &[(Rank, usize)]| -> Vec<&'n Need> {
        let numbers: HashSet<usize> = some.iter().map(|(_, number)| *number).collect();
        let is_in = |need: &&&Need| numbers.contains(&need.who.participant);
        needs.iter().filter(is_in).copied().collect()
    };
    let few = shrink(&participants, |some| Ok(judge(&of(some))?.is_some()));
    of(&few.items)
}
