//! The fewest needs that cannot be had together, out of all that cannot.

use std::cmp::Reverse;

use super::direct;
use super::shrink::{Ended, Shrunk, shrink};
use crate::constraints::Field;
use crate::negotiation::FieldPath;
use crate::negotiation::needs::Need;

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
    let direct = direct::core(&needs, path.field, judge);
    let suspects = match direct {
        Some(few) => few,
        None => of_few_participants(&needs, rank, judge),
    };
    let mut shrunk = shrink(&suspects, |some| Ok(judge(some)?.is_some()));
    shrunk.items.sort_by_key(|need| (need.who, &need.path));
    shrunk
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
        let is_in = |need: &&&Need| some.iter().any(|(_, number)| *number == need.who.participant);
        needs.iter().filter(is_in).copied().collect()
    };
    let few = shrink(&participants, |some| Ok(judge(&of(some))?.is_some()));
    of(&few.items)
}
