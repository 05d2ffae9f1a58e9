//! Why a plan is as it is: whose needs decided.

use std::collections::BTreeSet;

use super::needs::{Need, Stated, Surroundings};
use super::{Blame, FieldPath, Reason};
use crate::constraints::{FormatKey, MergeKind, Value, merge};

/// Who takes part, by the names of reports, in the order of their numbers.
pub(super) fn participants(surroundings: &Surroundings<'_>) -> Vec<Blame> {
    let all = 0..surroundings.participants.len();
    all.map(|participant| Blame::participant(surroundings, participant))
        .collect()
}

/// What needs came to, field by field, and whose they are. Shares are told by the ledger and formats by what was removed.
pub(super) fn reasons(
    surroundings: &Surroundings<'_>,
    needs: &[&Need],
    format: Option<&FormatKey>,
) -> Vec<Reason> {
    let mut all: Vec<Reason> = Vec::new();
    let mut needs = needs.to_vec();
    needs.sort_by_key(|need| (need.path.field, need.path.plane, need.who));
    let groups =
        needs.chunk_by(|one, other| (one.path.field, one.path.plane) == (other.path.field, other.path.plane));
    for group in groups {
        let stated = group.iter().filter_map(|need| match &need.what {
            Stated::Value(Value::Translation(_)) => None,
            Stated::Value(value) if concerns(&need.path, format) => Some((*need, value)),
            _ => None,
        });
        all.extend(reason(surroundings, &stated.collect::<Vec<_>>()));
    }
    all
}

/// Says whether a need is one of the format chosen.
fn concerns(path: &FieldPath, format: Option<&FormatKey>) -> bool {
    match (&path.format, format) {
        (Some(stated), Some(chosen)) => stated.common(chosen).is_some(),
        (Some(_), None) => false,
        (None, _) => path.field.merge_kind() != MergeKind::Sum,
    }
}

fn reason(surroundings: &Surroundings<'_>, stated: &[(&Need, &Value)]) -> Option<Reason> {
    let (first, value) = stated.first()?;
    let field = first.path.field;
    let whole = stated[1..]
        .iter()
        .try_fold((*value).clone(), |all, (_, value)| merge(field, &all, value).ok())?;
    if field.identity().as_ref() == Some(&whole) {
        return None;
    }
    // Somebody who needs no more than another is no reason.
    let different: BTreeSet<&Value> = stated.iter().map(|(_, value)| *value).collect();
    let is_less = |value: &Value| {
        let more = |other: &Value| other != value && merge(field, value, other).ok().as_ref() == Some(other);
        different.iter().any(|other| more(other))
    };
    let less: BTreeSet<&Value> = different.iter().copied().filter(|value| is_less(value)).collect();
    let deciding = stated.iter().filter(|(_, value)| !less.contains(value));
    let mut who: Vec<Blame> = deciding
        .map(|(need, _)| Blame::speaker(surroundings, need.who))
        .collect();
    who.dedup();
    let path = FieldPath {
        format: None,
        ..first.path.clone()
    };
    Some(Reason {
        path,
        value: whole,
        who,
    })
}
