//! What would help. Nothing is shown that was not put in and solved again, with everybody.

mod closest;
#[cfg(test)]
mod tests;

use super::blame::Ended;
use super::needs::{Need, Stated, Surroundings};
use super::{Blame, Presence, Relaxation};
use crate::constraints::{Field, FormatKey, MergeKind, Value};

/// How many ways out are shown.
const SHOWN: usize = 5;

/// What is put in for a need: another, or none.
pub(super) type Edit<'e> = dyn Fn(&Need) -> Option<Need> + 'e;

/// Says whether the whole problem can be solved with an edit made to every need.
pub(super) trait Solver: FnMut(&Edit<'_>) -> Result<bool, Ended> {}

impl<F: FnMut(&Edit<'_>) -> Result<bool, Ended>> Solver for F {}

/// Finds what would help against conflicts between `cores`: the cheapest for users first, a handful at most.
pub(super) fn relaxations(
    surroundings: &Surroundings<'_>,
    cores: &[Vec<&Need>],
    solver: &mut impl Solver,
) -> Vec<Relaxation> {
    let mut found: Vec<(u32, Relaxation)> = Vec::new();
    for core in cores {
        if of_core(surroundings, core, solver, &mut found).is_err() {
            break;
        }
    }
    found.sort_by_key(|(cost, _)| *cost);
    let mut shown: Vec<Relaxation> = Vec::new();
    for (_, relaxation) in found {
        if shown.len() < SHOWN && !shown.contains(&relaxation) {
            shown.push(relaxation);
        }
    }
    shown
}

fn of_core(
    surroundings: &Surroundings<'_>,
    core: &[&Need],
    solver: &mut impl Solver,
    found: &mut Vec<(u32, Relaxation)>,
) -> Result<(), Ended> {
    let before = found.len();
    for need in core {
        let who = Blame::speaker(surroundings, need.who);
        let path = need.path.clone();
        let is_it = |other: &Need| other.who == need.who && other.path == need.path;
        // If it does not help to need nothing, it does not help to need less.
        if !solver(&|other| (!is_it(other)).then(|| other.clone()))? {
            continue;
        }
        let mut works = |what: &Stated| {
            solver(&|other| {
                let changed = is_it(other).then(|| Need {
                    what: what.clone(),
                    ..other.clone()
                });
                Some(changed.unwrap_or_else(|| other.clone()))
            })
        };
        let from = need.what.value();
        match change(need, core, &mut works)? {
            Some(to) => found.push((2, Relaxation::Change { who, path, from, to })),
            None => found.push((3, Relaxation::DropField { who, path })),
        }
    }
    let nothing_else = found.len() == before;
    without(surroundings, core, nothing_else, solver, found)
}

/// The participants without whom the others could have what they need: those that the set can do without, or any if there is no
/// other way out.
fn without(
    surroundings: &Surroundings<'_>,
    core: &[&Need],
    any: bool,
    solver: &mut impl Solver,
    found: &mut Vec<(u32, Relaxation)>,
) -> Result<(), Ended> {
    let mut participants: Vec<usize> = core.iter().map(|need| need.who.participant).collect();
    participants.sort_unstable();
    participants.dedup();
    for participant in participants {
        let presence = surroundings.participants.get(participant).map(|one| one.presence);
        let required = presence == Some(Presence::Required);
        if required && !any {
            continue;
        }
        if solver(&|other| (other.who.participant != participant).then(|| other.clone()))? {
            let cost = if required { 4 } else { 1 };
            let who = Blame::participant(surroundings, participant);
            found.push((cost, Relaxation::Without { who }));
        }
    }
    Ok(())
}

/// The value closest to what is needed that works; `None` if there is none but to need nothing.
fn change(
    need: &Need,
    core: &[&Need],
    works: &mut impl FnMut(&Stated) -> Result<bool, Ended>,
) -> Result<Option<Value>, Ended> {
    let others = core
        .iter()
        .filter(|other| other.who != need.who || other.path != need.path);
    match &need.what {
        Stated::Formats(mine) => {
            let theirs = others.filter_map(|other| match &other.what {
                Stated::Formats(formats) => Some(formats),
                Stated::Value(_) | Stated::Extension(_) => None,
            });
            one_more_format(mine, theirs.flatten(), works)
        }
        Stated::Value(value) => {
            let theirs: Vec<&Value> = others
                .filter_map(|other| match &other.what {
                    Stated::Value(value) => Some(value),
                    Stated::Formats(_) | Stated::Extension(_) => None,
                })
                .collect();
            let mut works = |value: Value| works(&Stated::Value(value));
            other_value(need.path.field, value, &theirs, &mut works)
        }
        Stated::Extension(_) => Ok(None),
    }
}

fn one_more_format<'a>(
    mine: &[FormatKey],
    theirs: impl Iterator<Item = &'a FormatKey>,
    works: &mut impl FnMut(&Stated) -> Result<bool, Ended>,
) -> Result<Option<Value>, Ended> {
    for format in theirs.filter(|format| !mine.contains(format)) {
        let more = Stated::Formats(mine.iter().chain([format]).cloned().collect());
        if works(&more)? {
            return Ok(Some(more.value()));
        }
    }
    Ok(None)
}

fn other_value(
    field: Field,
    from: &Value,
    theirs: &[&Value],
    works: &mut impl FnMut(Value) -> Result<bool, Ended>,
) -> Result<Option<Value>, Ended> {
    match (field.merge_kind(), from) {
        (_, Value::Names(mine)) => {
            let names = theirs.iter().filter_map(|value| match value {
                Value::Names(names) => Some(names),
                _ => None,
            });
            for name in names
                .flat_map(|names| names.iter())
                .filter(|name| !mine.contains(name))
            {
                let more = Value::Names(mine.iter().chain([name]).collect());
                if works(more.clone())? {
                    return Ok(Some(more));
                }
            }
            Ok(None)
        }
        (MergeKind::Equal, _) => {
            for value in theirs
                .iter()
                .filter(|value| value.value_type() == from.value_type())
            {
                if *value != from && works((*value).clone())? {
                    return Ok(Some((*value).clone()));
                }
            }
            Ok(None)
        }
        _ => {
            let hints: Vec<u64> = theirs.iter().filter_map(|value| value.number()).collect();
            match from.number() {
                Some(number) => closest::number(field, number, &hints, works),
                None => Ok(None),
            }
        }
    }
}
