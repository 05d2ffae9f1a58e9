//! Conflicts: one for each way of combining alternatives that failed for a reason of its own.

use super::core::core_of;
use super::judging::{Counted, NOBODY, failure_of, judge, rank};
use super::members::the_system;
use super::shrink::shrink;
use crate::constraints::{Field, FormatKey, MergeKind, Value, merge};
use crate::negotiation::evaluate::{Budget, Failure, FailureKind};
use crate::negotiation::needs::{Need, Stated, Surroundings};
use crate::negotiation::{Conflict, FieldPath, LimitOrigin, Member, Policy};

/// A conflict with the needs that are in it.
pub(super) struct Found<'n> {
    pub(super) conflict: Conflict,
    pub(super) core: Vec<&'n Need>,
}

/// All conflicts behind combinations that failed, the simplest first.
pub(super) fn conflicts<'n>(
    surroundings: &Surroundings<'_>,
    failed: &[(Vec<&'n Need>, Failure)],
    budget: &mut Budget,
) -> Vec<Found<'n>> {
    let mut branches: Vec<&(Vec<&Need>, Failure)> = failed.iter().collect();
    branches.sort_by_cached_key(|(needs, failure)| {
        let who: Vec<_> = needs.iter().map(|need| (need.who, need.path.clone())).collect();
        (needs.len(), failure.path.clone(), who)
    });
    let mut all: Vec<Found<'n>> = Vec::new();
    for (needs, failure) in branches {
        let known = all.iter().any(|found| is_within(&found.core, needs));
        if !known {
            all.push(conflict(surroundings, needs, failure, budget));
        }
    }
    all.sort_by_cached_key(|found| {
        let who: Vec<_> = found
            .core
            .iter()
            .map(|need| (need.who, need.path.clone()))
            .collect();
        (found.core.len(), found.conflict.path.clone(), who)
    });
    all
}

/// Says whether a combination has all the needs of a conflict that is known: it failed for the same reason.
fn is_within(core: &[&Need], needs: &[&Need]) -> bool {
    core.iter().all(|one| {
        needs
            .iter()
            .any(|other| one.who == other.who && one.path == other.path)
    })
}

fn conflict<'n>(
    surroundings: &Surroundings<'_>,
    needs: &[&'n Need],
    failure: &Failure,
    budget: &mut Budget,
) -> Found<'n> {
    let mut conflicts = judge(Counted::Conflicts, surroundings, budget);
    let shrunk = core_of(needs, &failure.path, &rank(surroundings), &mut conflicts);
    drop(conflicts);
    // What no heap could mend comes first, but less than that may be more than any heap there is can do.
    let mut any = judge(Counted::All, surroundings, budget);
    let fewest = shrink(&shrunk.items, |some| Ok(any(some)?.is_some()));
    drop(any);
    let core = fewest.items;
    let failure = match failure_of(&core, surroundings, budget) {
        Ok(Some(failure)) => failure,
        Ok(None) | Err(_) => failure.clone(),
    };
    let path = failure.path;
    let limits = exceeded(surroundings, &core, budget);
    let told = without_presupposed(surroundings, &core, budget);
    let participants = told.iter().map(|need| Member::of(surroundings, need));
    let mut conflict = Conflict {
        unit: path.field.unit(),
        kind: path.field.merge_kind(),
        merged: merged(&core, &path),
        origin: match failure.kind {
            FailureKind::NoHeap(_) => LimitOrigin::Heap,
            _ => LimitOrigin::Participant,
        },
        minimal: shrunk.minimal && fewest.minimal,
        members: participants.collect(),
        path: *path,
    };
    if !limits.is_empty() {
        conflict.origin = LimitOrigin::System;
        conflict.members.extend(limits);
    }
    Found { conflict, core }
}

/// The needs without the lists of formats that they presuppose: who needs something of a format has it on the list. Where nothing
/// but these formats is listed, the rest says it all; that is tried, too.
fn without_presupposed<'n>(
    surroundings: &Surroundings<'_>,
    core: &[&'n Need],
    budget: &mut Budget,
) -> Vec<&'n Need> {
    let mut formats: Vec<FormatKey> = core.iter().filter_map(|need| need.path.format.clone()).collect();
    formats.sort_unstable();
    formats.dedup();
    let presupposed = |need: &&&Need| match &need.what {
        Stated::Formats(listed) => listed.iter().all(|format| formats.contains(format)),
        Stated::Value(_) | Stated::Extension(_) => false,
    };
    let rest: Vec<&Need> = core.iter().filter(|need| !presupposed(need)).copied().collect();
    if formats.is_empty() || rest.len() == core.len() {
        return core.to_vec();
    }
    let these = Need {
        who: NOBODY,
        path: Field::Format.into(),
        what: Stated::Formats(formats.clone()),
    };
    let mut fails = |left_out: Option<usize>| {
        let kept = rest
            .iter()
            .enumerate()
            .filter(|(number, _)| Some(*number) != left_out);
        let some: Vec<&Need> = kept.map(|(_, need)| *need).chain([&these]).collect();
        matches!(failure_of(&some, surroundings, budget), Ok(Some(_)))
    };
    let says_it_all = fails(None) && !(0..rest.len()).any(|number| fails(Some(number)));
    if says_it_all { rest } else { core.to_vec() }
}

/// What the values come to that are stated of the field in which it shows.
fn merged(core: &[&Need], path: &FieldPath) -> Option<Value> {
    let same = |need: &&&Need| need.path.field == path.field && need.path.extension == path.extension;
    let mut values = core.iter().filter(same).filter_map(|need| match &need.what {
        Stated::Value(value) => Some(value),
        Stated::Formats(_) | Stated::Extension(_) => None,
    });
    let first = values.next()?.clone();
    let mut several = false;
    let all = values.try_fold(first, |all, value| {
        several = true;
        merge(path.field, &all, value).ok()
    })?;
    (several || path.field.merge_kind() == MergeKind::Sum).then_some(all)
}

/// The system's limits without which the needs could be had: any one of them.
fn exceeded(surroundings: &Surroundings<'_>, core: &[&Need], budget: &mut Budget) -> Vec<Member> {
    let policy = surroundings.policy;
    let mut limits = Vec::new();
    let without: [(Field, Value, Policy); 3] = [
        (
            Field::MaxBuffers,
            Value::Buffers(policy.max_buffers.into()),
            Policy {
                max_buffers: u32::MAX,
                ..policy.clone()
            },
        ),
        (
            Field::MaxSize,
            Value::Bytes(policy.max_buffer_bytes),
            Policy {
                max_buffer_bytes: u64::MAX,
                ..policy.clone()
            },
        ),
        (
            Field::MaxTotal,
            Value::Bytes(policy.max_total_bytes),
            Policy {
                max_total_bytes: u64::MAX,
                ..policy.clone()
            },
        ),
    ];
    for (field, value, policy) in without {
        let surroundings = Surroundings {
            policy: &policy,
            ..*surroundings
        };
        if matches!(failure_of(core, &surroundings, budget), Ok(None)) {
            limits.push(Member {
                who: the_system(),
                path: field.into(),
                value,
            });
        }
    }
    limits
}
