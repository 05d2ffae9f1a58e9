//! Buffers that were allocated together.

use crate::DmaBuf;
use crate::negotiation::Plan;

/// All buffers of a set, until it moves.
#[derive(Debug)]
pub struct Generation {
    pub(super) number: u64,
    pub(super) plan: Plan,
    pub(super) buffers: Vec<Vec<DmaBuf>>,
}

impl Generation {
    /// Returns its number: 1 for the first of a set.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns what the buffers are like.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns how many buffers there are.
    pub fn count(&self) -> usize {
        self.buffers.len()
    }

    /// Returns the memories of a buffer, in the order of the plan; `None` for a number that is too high.
    pub fn buffer(&self, index: usize) -> Option<&[DmaBuf]> {
        self.buffers.get(index).map(Vec::as_slice)
    }

    /// Returns all memories of all buffers.
    pub(super) fn memories(&self) -> impl Iterator<Item = &DmaBuf> {
        self.buffers.iter().flatten()
    }
}
