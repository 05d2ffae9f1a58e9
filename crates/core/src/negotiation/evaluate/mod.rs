//! What one combination of alternatives comes to.

mod caches;
mod counts;
mod fixed;
mod formats;
mod heaps;
mod memory;
mod merged;
mod misfits;
mod picture;

use std::collections::BTreeMap;

use self::counts::Counts;
pub(crate) use self::fixed::{Asked, Fixed, points};
pub(crate) use self::merged::Merged;
use super::needs::{Need, Speaker, Stated, Surroundings, work};
use super::{FieldPath, HeapMisfit, ImagePlan, Ledger, LedgerEntry, MemoryPlan, SyncStep};
use crate::constraints::{ExtensionKey, Field, FormatKey};

/// How much may still be tried.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limit: u64,
    spent: u64,
}

/// What needs come to: one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) image: Option<ImagePlan>,
    pub(crate) memories: Vec<MemoryPlan>,
    pub(crate) ledger: Ledger,
    pub(crate) sync: Vec<SyncStep>,
    /// How scarce the memory of the heaps is that are asked first, together.
    pub(crate) scarcity: u64,
    /// The bytes of all buffers.
    pub(crate) total_bytes: u64,
}

/// Where needs fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) path: Box<FieldPath>,
    pub(crate) kind: FailureKind,
}

/// How needs fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Nothing satisfies all.
    Conflict,
    /// What would is beyond 64 bits.
    Overflow,
    /// Nobody states the field.
    Underconstrained,
    /// No heap promises it: why each does not.
    NoHeap(Vec<HeapMisfit>),
    /// Some provider has to understand an extension, and no heap does.
    NotUnderstood(ExtensionKey),
    /// There was not enough left of the budget.
    Budget,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, spent: 0 }
    }

    /// Returns how much was spent: at most a little more than the limit.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes `merges` out of the budget.
    pub(crate) fn spend(&mut self, merges: u64) -> Result<(), Failure> {
        self.spent = self.spent.saturating_add(merges);
        if self.spent <= self.limit {
            return Ok(());
        }
        Err(Failure::new(FieldPath::from(Field::Size), FailureKind::Budget))
    }
}

/// Works out what needs come to. More needs never satisfy what fewer do not, but for
/// [`FailureKind::Underconstrained`].
///
/// Costs one merge, one more for every 256 values that are merged, one for every 64 formats or 512 sizes that are laid out, and one for
/// every step of maintenance that a success has.
pub(crate) fn evaluate(
    needs: &[&Need],
    surroundings: &Surroundings<'_>,
    budget: &mut Budget,
) -> Result<Point, Failure> {
    budget.spend(1 + work(needs.iter().copied()))?;
    let merged = merged(needs, surroundings)?;
    budget.spend(merged.work())?;
    let points = points(&merged, surroundings, Asked::Best)?;
    let best = declared_first(&points, needs);
    Ok(Point {
        image: best.image(),
        memories: best.memories(),
        ledger: ledger(needs, surroundings, best.counts),
        sync: if best.is_cached() {
            caches::steps(&merged, surroundings, budget)?
        } else {
            Vec::new()
        },
        scarcity: best.scarcity,
        total_bytes: best.total_bytes,
    })
}

fn merged(needs: &[&Need], surroundings: &Surroundings<'_>) -> Result<Merged, Failure> {
    let mut needs = needs.to_vec();
    needs.sort_by_key(|need| need.who);
    let mut merged = Merged::default();
    // The shortest lists first, for the least work.
    let is_list = |need: &&&Need| matches!(need.what, Stated::Formats(_));
    let mut lists: Vec<&Need> = needs.iter().filter(is_list).copied().collect();
    lists.sort_by_key(|need| match &need.what {
        Stated::Formats(list) => list.len(),
        _ => 0,
    });
    merged.add_formats(lists.into_iter())?;
    merged.drop_unsaid_formats();
    merged.add_fields(needs.iter().copied(), surroundings)?;
    Ok(merged)
}

/// Of the points that are equally good so far, the one that participants declare as better: the first in the order of their numbers
/// that does not like both alike decides.
fn declared_first<'p, 'a>(points: &'p [Fixed<'a>], needs: &[&Need]) -> &'p Fixed<'a> {
    let best = &points[0];
    let mut lists: Vec<(Speaker, &[FormatKey])> = needs
        .iter()
        .filter_map(|need| match &need.what {
            Stated::Formats(list) => Some((need.who, &list[..])),
            _ => None,
        })
        .collect();
    lists.sort_unstable_by_key(|(who, _)| *who);
    let equal = points
        .iter()
        .take_while(|point| (point.scarcity, point.total_bytes) == (best.scarcity, best.total_bytes));
    let ranks = |point: &&Fixed<'_>| -> Vec<Option<usize>> {
        let key = point.format();
        let rank =
            |list: &[FormatKey]| key.and_then(|key| list.iter().position(|one| one.common(key).is_some()));
        lists.iter().map(|(_, list)| rank(list)).collect()
    };
    equal.min_by_key(ranks).unwrap_or(best)
}

fn ledger(needs: &[&Need], surroundings: &Surroundings<'_>, counts: Counts) -> Ledger {
    let mut shares: BTreeMap<usize, [u32; 2]> = BTreeMap::new();
    for need in needs {
        let slot = match need.path.field {
            Field::Camping => 0,
            Field::DedicatedSlack if surroundings.policy.slack => 1,
            _ => continue,
        };
        if let Stated::Value(value) = &need.what {
            let more = value.number().and_then(|number| u32::try_from(number).ok());
            let share = &mut shares.entry(need.who.participant).or_default()[slot];
            *share = share.saturating_add(more.unwrap_or(u32::MAX));
        }
    }
    let entries = shares.into_iter().filter_map(|(participant, [camping, slack])| {
        let participant = surroundings.participants.get(participant)?.id;
        (camping > 0 || slack > 0).then_some(LedgerEntry {
            participant,
            camping,
            slack,
        })
    });
    Ledger {
        entries: entries.collect(),
        shared_slack: counts.shared_slack,
        total: counts.total,
    }
}

/// Says of each heap that does not suit who needs what it does not promise: `failure` itself does not.
pub(crate) fn with_names(mut failure: Failure, needs: &[&Need], surroundings: &Surroundings<'_>) -> Failure {
    if let FailureKind::NoHeap(misfits) = &mut failure.kind {
        for misfit in misfits {
            misfit.who = misfits::who(misfit, needs, surroundings);
        }
    }
    failure
}
