//! Caches: which mode the CPU's mapping has, and who cleans and invalidates at which hand-over.
//!
//! Only a cached mapping needs any of it, and only between somebody who uses the CPU and a device that does not see its caches:
//!
//! | From | To | At the hand-over |
//! |---|---|---|
//! | CPU that writes | device that does not see the caches | clean: what the CPU wrote reaches the memory |
//! | such a device that writes | CPU | invalidate: the CPU forgets what it has read before |
//!
//! Either of the two does it. Where both cannot, or the heap cannot, the mapping must not be cached.

use std::collections::BTreeSet;

use super::Failure;
use super::merged::{Merged, Role};
use crate::constraints::{CACHE_MODES, CpuUse, Field, Names, Value};
use crate::dma::Coherency;
use crate::negotiation::needs::Surroundings;
use crate::negotiation::{Guarantees, SyncStep};

/// What a hand-over needs if the mapping is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HandOver {
    clean: bool,
    invalidate: bool,
}

/// What hand-overs need if the mapping is cached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Maintenance {
    /// Some hand-over needs it.
    pub(super) is_needed: bool,
    /// Some hand-over needs it, and nobody at it can do it.
    pub(super) is_impossible: bool,
}

/// Who decides how the CPU's mapping is cached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caching<'a> {
    /// The modes that all can work with, if anybody says.
    pub(super) modes: Option<&'a Names>,
    pub(super) cpu: CpuUse,
    pub(super) maintenance: Maintenance,
}

impl HandOver {
    /// What is needed when a buffer goes from one to another; `None` if nothing.
    fn between(from: Role, to: Role) -> Option<Self> {
        let clean = from.uses_cpu && from.writes && to.needs_sync;
        let invalidate = from.needs_sync && from.writes && to.uses_cpu;
        (clean || invalidate).then_some(Self { clean, invalidate })
    }
}

impl Maintenance {
    pub(super) fn of(roles: &[Role]) -> Self {
        let kinds: BTreeSet<Role> = roles.iter().copied().collect();
        let mut all = Self::default();
        for &from in &kinds {
            for &to in &kinds {
                // A participant that uses both hands over to itself.
                if HandOver::between(from, to).is_some() {
                    all.is_needed = true;
                    all.is_impossible |= from.cannot_sync && to.cannot_sync;
                }
            }
        }
        all
    }
}

impl Caching<'_> {
    /// The mode that suits everybody best in memory of a heap; `None` if there is no mapping to be cached.
    ///
    /// # Errors
    /// The field that does not suit, with what the heap has and what is needed.
    pub(super) fn mode(
        &self,
        heap: &Guarantees,
    ) -> Result<Option<&'static str>, (Field, Option<Value>, Value)> {
        let is_used = self.cpu != CpuUse::Never;
        if heap.cache_modes.is_empty() || (!is_used && self.modes.is_none()) {
            return match is_used {
                true if heap.cache_modes.is_empty() => Err((Field::CpuAccess, None, Value::CpuUse(self.cpu))),
                _ => Ok(None),
            };
        }
        let prefers_cached = self.cpu == CpuUse::Often || !self.maintenance.is_needed;
        let order = if prefers_cached { [0, 1, 2] } else { [1, 2, 0] }.map(|index| CACHE_MODES[index]);
        let suits = |mode: &&str| {
            heap.cache_modes.contains(mode) && self.modes.is_none_or(|modes| modes.contains(mode))
        };
        let mut left = order.into_iter().filter(suits).peekable();
        if left.peek().is_none() {
            let have = Value::Names(heap.cache_modes.clone());
            let need = self.modes.cloned().unwrap_or_default();
            return Err((Field::CacheModes, Some(have), Value::Names(need)));
        }
        match left.find(|mode| self.can_be_kept_coherent(mode, heap)) {
            Some(mode) => Ok(Some(mode)),
            None if self.maintenance.is_impossible => Err((Field::NoSync, None, Value::Needed)),
            None => Err((Field::Coherency, None, Value::Coherency(Coherency::NeedsSync))),
        }
    }

    fn can_be_kept_coherent(&self, mode: &str, heap: &Guarantees) -> bool {
        let Maintenance {
            is_needed,
            is_impossible,
        } = self.maintenance;
        mode != CACHE_MODES[0] || !is_needed || (heap.can_sync && !is_impossible)
    }
}

/// Who has to do what at which hand-over, in memory that the CPU maps cached. Costs one merge for each.
pub(super) fn steps(
    merged: &Merged,
    surroundings: &Surroundings<'_>,
    budget: &mut super::Budget,
) -> Result<Vec<SyncStep>, Failure> {
    let has_part = |(_, role): &(usize, &Role)| role.uses_cpu || role.needs_sync;
    let roles: Vec<(usize, &Role)> = merged.roles.iter().enumerate().filter(has_part).collect();
    let mut steps = Vec::new();
    for (from, role) in &roles {
        for (to, other) in roles.iter().filter(|(to, _)| to != from) {
            let (Some(hand_over), Some(giver), Some(taker)) = (
                HandOver::between(**role, **other),
                surroundings.participants.get(*from),
                surroundings.participants.get(*to),
            ) else {
                continue;
            };
            budget.spend(1)?;
            steps.push(SyncStep {
                from: giver.id,
                to: taker.id,
                clean: hand_over.clean,
                invalidate: hand_over.invalidate,
            });
        }
    }
    Ok(steps)
}
