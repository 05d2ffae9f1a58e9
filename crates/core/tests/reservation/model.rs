//! What reservations do, said again as simply as possible.

use wharf_core::Usage;

/// A fence of the model: the context it is of, its number there, and whether it is signaled. Fences are known by their place in a list.
#[derive(Clone, Copy)]
pub(crate) struct ModelFence {
    pub(crate) context: usize,
    pub(crate) seqno: u64,
    pub(crate) signaled: bool,
}

/// Fences by number, with their usage. Their order means nothing.
pub(crate) type Entries = Vec<(usize, Usage)>;

#[derive(Default, Clone)]
pub(crate) struct ModelReservation {
    pub(crate) entries: Entries,
    /// Slots left under the present lock; `None` while nobody holds it.
    pub(crate) slots: Option<usize>,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) fences: Vec<ModelFence>,
    pub(crate) reservations: [ModelReservation; 2],
}

impl Model {
    pub(crate) fn lock(&mut self, at: usize) {
        self.reservations[at].slots = Some(0);
    }

    pub(crate) fn unlock(&mut self, at: usize) {
        self.reservations[at].slots = None;
    }

    /// Says whether there are slots now.
    pub(crate) fn reserve(&mut self, at: usize, count: usize) -> bool {
        let slots = &mut self.reservations[at].slots;
        *slots = slots.map(|there_are| there_are.max(count));
        count > 0
    }

    /// Says whether there was a slot.
    pub(crate) fn add(&mut self, at: usize, fence: usize, usage: Usage) -> bool {
        let fences = &self.fences;
        let reservation = &mut self.reservations[at];
        let Some(left @ 1..) = reservation.slots else {
            return false;
        };
        reservation.slots = Some(left - 1);
        let new = fences[fence];
        let stands_for = |&(old, old_usage): &(usize, Usage)| {
            fences[old].context == new.context && fences[old].seqno <= new.seqno && old_usage >= usage
        };
        reservation.entries.retain(|old| !stands_for(old));
        reservation.entries.push((fence, usage));
        true
    }

    pub(crate) fn replace(&mut self, at: usize, context: usize, fence: usize, usage: Usage) {
        for entry in &mut self.reservations[at].entries {
            let old = self.fences[entry.0];
            if old.context == context && !old.signaled {
                *entry = (fence, usage);
            }
        }
    }

    pub(crate) fn copy(&mut self, to: usize, from: usize) {
        self.reservations[to].entries = self.pending(from, Usage::Bookkeep);
    }

    pub(crate) fn pending(&self, at: usize, usage: Usage) -> Entries {
        let is_meant = |&&(fence, its): &&(usize, Usage)| its <= usage && !self.fences[fence].signaled;
        let entries = self.reservations[at].entries.iter();
        let mut pending: Entries = entries.filter(is_meant).copied().collect();
        pending.sort_unstable();
        pending
    }
}
