//! The report on combinations that all failed.

use super::Ended;
use super::conflict::{Found, conflicts};
use super::core::core_of;
use super::eliminate::formats_removed;
use super::judging::{Counted, NOBODY, judge, rank};
use crate::negotiation::evaluate::{Budget, Failure, FailureKind};
use crate::negotiation::needs::{Need, Needs, Stated, Surroundings};
use crate::negotiation::relax::{Edit, relaxations};
use crate::negotiation::{Blame, Report, ReportKind};

/// How many conflicts are shown.
const SHOWN: usize = 8;
/// Which part of the merges that the policy allows may be spent to find blame, which to find ways out, and which to find what
/// was removed.
const SHARES: [u64; 3] = [4, 2, 8];

/// Solves a problem whose needs were edited, and says whether there is a plan. It spends from the budget.
pub(in crate::negotiation) trait Attempt:
    FnMut(&Needs, &mut Budget) -> Result<bool, Ended>
{
}

impl<F: FnMut(&Needs, &mut Budget) -> Result<bool, Ended>> Attempt for F {}

/// Says why all combinations `failed`, and what would help.
///
/// `spent` merges went into finding that out. `attempt` solves the whole problem again.
pub(in crate::negotiation) fn report(
    surroundings: &Surroundings<'_>,
    needs: &Needs,
    failed: &[(Vec<&Need>, Failure)],
    spent: u64,
    attempt: &mut impl Attempt,
) -> Report {
    let limit = surroundings.policy.max_merges;
    let [mut blaming, mut relaxing, mut removing] = SHARES.map(|share| Budget::new(limit / share));
    let (kind, cores) = kind(surroundings, failed, &mut blaming);
    let mut solver = |edit: &Edit<'_>| attempt(&needs.edited(edit), &mut relaxing);
    let relaxations = relaxations(surroundings, &cores, &mut solver);
    let eliminated = match failed.first() {
        Some((needs, _)) => formats_removed(surroundings, needs, &mut removing),
        None => Vec::new(),
    };
    Report {
        kind,
        relaxations,
        eliminated,
        merges: spent + blaming.spent() + relaxing.spent() + removing.spent(),
    }
}

/// What is the matter, and the needs that are to blame. What is closest to a plan is said: there are no heaps rather than there
/// could not be any.
fn kind<'n>(
    surroundings: &Surroundings<'_>,
    failed: &[(Vec<&'n Need>, Failure)],
    budget: &mut Budget,
) -> (ReportKind, Vec<Vec<&'n Need>>) {
    let of_kind = |wanted: fn(&FailureKind) -> bool| failed.iter().find(|(_, failure)| wanted(&failure.kind));
    if failed.is_empty() || of_kind(|kind| matches!(kind, FailureKind::Budget)).is_some() {
        let limit = surroundings.policy.max_merges;
        return (ReportKind::Budget { limit }, Vec::new());
    }
    if let Some((_, failure)) = of_kind(|kind| matches!(kind, FailureKind::Underconstrained)) {
        let field = failure.path.field;
        return (ReportKind::Underconstrained { field }, Vec::new());
    }
    for (needs, failure) in failed {
        if let FailureKind::NoHeap(heaps) = &failure.kind {
            let heaps = heaps.clone();
            let mut judge = judge(Counted::All, surroundings, budget);
            let core = core_of(needs, &failure.path, &rank(surroundings), &mut judge);
            return (ReportKind::NoHeap { heaps }, vec![core.items]);
        }
    }
    for (needs, failure) in failed {
        if let FailureKind::NotUnderstood(key) = &failure.kind {
            let insists = |need: &&&Need| matches!(&need.what, Stated::Extension(one) if one.must_understand && one.key == *key);
            let insisting: Vec<&Need> = needs.iter().filter(insists).take(1).copied().collect();
            let who = insisting.first().map_or(NOBODY, |need| need.who);
            let who = Blame::speaker(surroundings, who);
            let key = key.clone();
            return (ReportKind::NotUnderstood { who, key }, vec![insisting]);
        }
    }
    let found = conflicts(surroundings, failed, budget);
    let total = found.len();
    let cores = found.iter().take(SHOWN).map(|one| one.core.clone()).collect();
    let conflicts = found
        .into_iter()
        .take(SHOWN)
        .map(|Found { conflict, .. }| conflict);
    let conflicts = conflicts.collect();
    (ReportKind::Conflict { conflicts, total }, cores)
}
