//! The fences of a reservation, as data.

use std::sync::Arc;

use super::{ReserveError, Usage};
use crate::{ContextId, Fence};

/// One fence and what it means; its context is kept beside it so that looking for one does not touch the fences.
#[derive(Clone)]
struct Entry {
    context: ContextId,
    usage: Usage,
    fence: Fence,
}

/// # Invariants
/// Readers have the entries of one moment: they are copied before they change if anybody still reads them. Room that was made stays
/// room, also in the copy.
#[derive(Default)]
pub(super) struct FenceList {
    entries: Arc<Vec<Entry>>,
}

impl FenceList {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there is room for `count` fences on top of those there are.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.entries.capacity() - self.entries.len() >= count
    }

    /// Puts others in the place of those there are.
    pub(super) fn set(&mut self, kept: Kept) {
        self.entries = Arc::new(kept.0);
    }

    /// Adds a fence, for which there is room, in the place of the first that it stands for; the others of those go.
    pub(super) fn add(&mut self, fence: &Fence, usage: Usage) {
        let new = Entry::new(fence, usage);
        let mut is_placed = false;
        let entries = self.entries_mut();
        entries.retain_mut(|old| {
            if !old.gives_way_to(&new) {
                return true;
            }
            if !is_placed {
                *old = new.clone();
            }
            !std::mem::replace(&mut is_placed, true)
        });
        if !is_placed {
            entries.push(new);
        }
    }

    /// Puts `fence` in the place of every fence of a context that is not known to be signaled.
    pub(super) fn replace(&mut self, context: ContextId, fence: &Fence, usage: Usage) {
        if !self.entries.iter().any(|entry| entry.context == context) {
            return;
        }
        for entry in self.entries_mut() {
            if entry.context == context && !entry.fence.noticed_status().is_signaled() {
                *entry = Entry::new(fence, usage);
            }
        }
    }

    /// Returns the entries for changing them. Whoever reads them keeps what they were.
    fn entries_mut(&mut self) -> &mut Vec<Entry> {
        if Arc::get_mut(&mut self.entries).is_none() {
            // Not a plain clone, which would have no room left.
            let mut copy = Vec::with_capacity(self.entries.capacity());
            copy.extend_from_slice(&self.entries);
            self.entries = Arc::new(copy);
        }
        Arc::make_mut(&mut self.entries)
    }

    pub(super) fn snapshot(&self, usage: Usage) -> Fences {
        Fences {
            entries: Arc::clone(&self.entries),
            next: 0,
            usage,
            unsignaled_only: false,
        }
    }
}

impl Entry {
    fn new(fence: &Fence, usage: Usage) -> Self {
        Self {
            context: fence.context(),
            usage,
            fence: fence.clone(),
        }
    }

    /// Says whether `newer` stands for this one too: on the same timeline, not before it, and not weaker.
    fn gives_way_to(&self, newer: &Self) -> bool {
        self.context == newer.context
            && self.usage >= newer.usage
            && self.fence.seqno() <= newer.fence.seqno()
    }
}

/// The fences that a reservation had at one moment, in the order of adding.
pub struct Fences {
    entries: Arc<Vec<Entry>>,
    next: usize,
    usage: Usage,
    unsignaled_only: bool,
}

/// Entries that were still worth keeping when they were looked at, with room for more.
pub(super) struct Kept(Vec<Entry>);

impl Fences {
    pub(super) fn unsignaled(self) -> Self {
        Self {
            unsignaled_only: true,
            ..self
        }
    }

    /// Returns what is not signaled yet, with room for `count` more. Looking at a fence can run foreign code, so this is not done while
    /// the list is locked.
    pub(super) fn into_kept(self, count: usize) -> Result<Kept, ReserveError> {
        let mut kept = Vec::new();
        let no_memory = |_| ReserveError::NoMemory { count };
        for entry in self.entries.iter().filter(|entry| !entry.fence.is_signaled()) {
            kept.try_reserve(1).map_err(no_memory)?;
            kept.push(entry.clone());
        }
        // As much again as there is, so that all fences are looked at only after that many were added.
        kept.try_reserve(count.max(kept.len())).map_err(no_memory)?;
        Ok(Kept(kept))
    }
}

impl Iterator for Fences {
    type Item = (Fence, Usage);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.entries.get(self.next)?;
            self.next += 1;
            if entry.usage <= self.usage && !(self.unsignaled_only && entry.fence.is_signaled()) {
                return Some((entry.fence.clone(), entry.usage));
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::FenceContext;

    #[test]
    fn room_stays_room_while_others_read() {
        let mut list = FenceList::default();
        list.set(list.snapshot(Usage::Bookkeep).into_kept(8).unwrap());
        for left in (0..8).rev() {
            let reader = list.snapshot(Usage::Bookkeep);
            list.add(&FenceContext::new("test", "queue").fence(1).fence(), Usage::Read);
            assert!(list.has_room(left));
            assert_eq!(reader.count(), 7 - left);
        }
    }

    #[test]
    fn growing_makes_room_for_as_many_again() {
        let mut list = FenceList::default();
        let owners: Vec<_> = (0..10)
            .map(|_| FenceContext::new("test", "queue").fence(1))
            .collect();
        list.set(list.snapshot(Usage::Bookkeep).into_kept(10).unwrap());
        owners
            .iter()
            .for_each(|owner| list.add(&owner.fence(), Usage::Read));
        list.set(list.snapshot(Usage::Bookkeep).into_kept(1).unwrap());
        assert!(list.has_room(10));
    }
}
