//! What one combination of alternatives comes to.

use super::needs::{Need, Surroundings};
use super::{FieldPath, HeapMisfit, ImagePlan, Ledger, MemoryPlan, SyncStep};
use crate::constraints::ExtensionKey;

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
    pub(crate) path: FieldPath,
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
        Err(Failure {
            path: FieldPath::from(crate::constraints::Field::Size),
            kind: FailureKind::Budget,
        })
    }
}

/// Works out what needs come to. More needs never satisfy what fewer do not, but for
/// [`FailureKind::Underconstrained`].
///
/// Costs one merge.
pub(crate) fn evaluate(
    needs: &[&Need],
    surroundings: &Surroundings<'_>,
    budget: &mut Budget,
) -> Result<Point, Failure> {
    budget.spend(1)?;
    let _ = (needs, surroundings);
    unimplemented!()
}
