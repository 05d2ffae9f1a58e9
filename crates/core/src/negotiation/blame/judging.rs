//! Asks the solver whether needs can be had together.

use std::cmp::Reverse;

use super::core::Rank;
use super::shrink::Ended;
use crate::constraints::{Field, Value};
use crate::negotiation::evaluate::{Budget, Failure, FailureKind, evaluate};
use crate::negotiation::needs::{Need, Speaker, Stated, Surroundings};
use crate::negotiation::{FieldPath, Presence};

/// Who states what is only tried: nobody who could be blamed.
pub(super) const NOBODY: Speaker = Speaker {
    participant: usize::MAX,
    function: usize::MAX,
    alternative: usize::MAX,
};

/// Which failures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Those that no heap could mend.
    Conflicts,
    /// All.
    All,
}

/// Where needs fail, asked in an order of their own. Saying too little is no failure here: it is reported by itself.
pub(super) fn failure_of(
    needs: &[&Need],
    surroundings: &Surroundings<'_>,
    budget: &mut Budget,
) -> Result<Option<Failure>, Ended> {
    let mut needs = needs.to_vec();
    needs.sort_by_key(|need| (need.who, &need.path));
    // Whoever says how large the buffer is says at least this, so that it is no part of a conflict if that is too much.
    let size = Need {
        who: NOBODY,
        path: Field::MinSize.into(),
        what: Stated::Value(Value::Bytes(1)),
    };
    let failure = match evaluate(&needs, surroundings, budget) {
        Err(failure)
            if failure.kind == FailureKind::Underconstrained && failure.path.field == Field::MinSize =>
        {
            needs.push(&size);
            evaluate(&needs, surroundings, budget).err()
        }
        outcome => outcome.err(),
    };
    match failure {
        Some(failure) if failure.kind == FailureKind::Budget => Err(Ended),
        failure => Ok(failure.filter(|failure| failure.kind != FailureKind::Underconstrained)),
    }
}

/// The same, for the failures that count, and without saying how.
pub(super) fn judge<'j, 'n: 'j>(
    counted: Counted,
    surroundings: &'j Surroundings<'_>,
    budget: &'j mut Budget,
) -> impl FnMut(&[&'n Need]) -> Result<Option<FieldPath>, Ended> + 'j {
    move |needs: &[&'n Need]| {
        let counts = |failure: &Failure| match failure.kind {
            FailureKind::Conflict | FailureKind::Overflow => true,
            _ => counted == Counted::All,
        };
        let failure = failure_of(needs, surroundings, budget)?.filter(counts);
        Ok(failure.map(|failure| *failure.path))
    }
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
