//! Asks the solver whether needs can be had together.

use std::cmp::Reverse;

use super::core::Rank;
use super::shrink::Ended;
use crate::negotiation::evaluate::{Budget, Failure, FailureKind, evaluate};
use crate::negotiation::needs::{Need, Surroundings};
use crate::negotiation::{FieldPath, Presence};

/// Where needs fail, asked in an order of their own. Saying too little is no failure here: it is reported by itself.
pub(super) fn failure_of(
    needs: &[&Need],
    surroundings: &Surroundings<'_>,
    budget: &mut Budget,
) -> Result<Option<Failure>, Ended> {
    let mut needs = needs.to_vec();
    needs.sort_by_key(|need| (need.who, &need.path));
    match evaluate(&needs, surroundings, budget) {
        Ok(_) => Ok(None),
        Err(failure) => match failure.kind {
            FailureKind::Underconstrained => Ok(None),
            FailureKind::Budget => Err(Ended),
            _ => Ok(Some(failure)),
        },
    }
}

/// The same, without saying how.
pub(super) fn judge<'j, 'n: 'j>(
    surroundings: &'j Surroundings<'_>,
    budget: &'j mut Budget,
) -> impl FnMut(&[&'n Need]) -> Result<Option<FieldPath>, Ended> + 'j {
    |needs: &[&'n Need]| Ok(failure_of(needs, surroundings, budget)?.map(|failure| failure.path))
}

/// How readily participants are blamed: those that the set could do without first, then the latest.
pub(super) fn rank<'s>(surroundings: &'s Surroundings<'_>) -> impl Fn(usize) -> Rank + 's {
    |participant| {
        let matters = match surroundings.participants.get(participant).map(|one| one.presence) {
            None => 0,
            Some(Presence::Phantom) => 1,
            Some(Presence::Optional { priority }) => 2 + u64::from(priority),
            Some(Presence::Required) => u64::MAX,
        };
        (matters, Reverse(participant))
    }
}
