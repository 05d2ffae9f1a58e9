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
/// At most one entry for each context and usage. Readers have the entries of one moment: they are copied before they
/// change if anybody still reads them.
#[derive(Default)]
pub(super) struct FenceList {
    entries: Arc<Vec<Entry>>,
}

impl FenceList {
    /// Says whether there is room for `count` fences on top of those there are.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.entries.capacity() - self.entries.len() >= count
    }

    /// Puts `entries` in the place of those there are, with room for `count` more.
    pub(super) fn grow(&mut self, kept: Kept, count: usize) -> Result<(), ReserveError> {
        let mut entries = kept.0;
        entries
            .try_reserve(count)
            .map_err(|_| ReserveError::NoMemory { count })?;
        self.entries = Arc::new(entries);
        Ok(())
    }

    /// Adds a fence, for which there is room.
    pub(super) fn add(&mut self, fence: &Fence, usage: Usage) {
        let entry = Entry {
            context: fence.context(),
            usage,
            fence: fence.clone(),
        };
        let entries = Arc::make_mut(&mut self.entries);
        let replaced = entries
            .iter_mut()
            .find(|old| old.context == entry.context && old.usage >= usage && !is_later(&old.fence, fence));
        match replaced {
            Some(old) => *old = entry,
            None => entries.push(entry),
        }
    }

    /// Puts `fence` in the place of every fence of a context.
    pub(super) fn replace(&mut self, context: ContextId, fence: &Fence, usage: Usage) {
        for entry in Arc::make_mut(&mut self.entries) {
            if entry.context == context {
                *entry = Entry {
                    context: fence.context(),
                    usage,
                    fence: fence.clone(),
                };
            }
        }
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

/// Says whether `first`, of the same context, comes after `second`.
fn is_later(first: &Fence, second: &Fence) -> bool {
    first.seqno() > second.seqno()
}

/// The fences that a reservation had at one moment, in the order of adding.
pub struct Fences {
    entries: Arc<Vec<Entry>>,
    next: usize,
    usage: Usage,
    unsignaled_only: bool,
}

/// Entries that were still worth keeping when they were looked at.
pub(super) struct Kept(Vec<Entry>);

impl Fences {
    pub(super) fn unsignaled(self) -> Self {
        Self {
            unsignaled_only: true,
            ..self
        }
    }

    /// Returns what is not signaled yet. Looking at a fence can run foreign code, so this is not done while the list is locked.
    pub(super) fn into_unsignaled_entries(self) -> Kept {
        let entries = self.entries.iter().filter(|entry| !entry.fence.is_signaled());
        Kept(entries.cloned().collect())
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
