//! Getting memory for a plan: heap after heap, then plan after plan.

use super::{AllocationFailure, Order};
use crate::negotiation::{
    HeapAnswer, HeapOffer, MemoryPlan, Plan, Report, ReportKind, left_to_ask, no_memory,
};

/// Memory that has been asked for.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) generation: u64,
    pub(super) plan: Plan,
    /// Which heap is asked for each memory, as an index into those that suit it.
    asked: Vec<usize>,
    /// What was said so far, for earlier plans too.
    trail: Vec<HeapAnswer>,
}

impl Attempt {
    pub(super) fn new(generation: u64, plan: Plan) -> Self {
        Self {
            generation,
            asked: vec![0; plan.memories.len()],
            plan,
            trail: Vec::new(),
        }
    }

    /// Returns the heaps to ask, one for each memory; `None` if there is none left for one of them.
    pub(super) fn heaps(&self) -> Option<Vec<Box<str>>> {
        let memories = self.plan.memories.iter().zip(&self.asked);
        let heaps: Option<Vec<_>> = memories
            .map(|(memory, index)| memory.heaps.get(*index).cloned())
            .collect();
        heaps.filter(|heaps| !heaps.is_empty())
    }

    pub(super) fn order(&self) -> Option<Order> {
        self.heaps().map(|heaps| Order::Allocate {
            generation: self.generation,
            plan: Box::new(self.plan.clone()),
            heaps,
        })
    }

    /// Takes note of a failure and goes on to the next heap.
    ///
    /// # Errors
    /// The report, if no other heap can help.
    pub(super) fn failed(&mut self, failure: AllocationFailure, account: &str) -> Result<(), Box<Report>> {
        match failure {
            AllocationFailure::Quota {
                resource,
                limit,
                used,
                requested,
            } => Err(report(ReportKind::Quota {
                account: account.into(),
                resource,
                limit,
                used,
                requested,
            })),
            AllocationFailure::Heap {
                memory,
                errno,
                reason,
            } => {
                let memory = memory.min(self.asked.len().saturating_sub(1));
                if let Some((index, wanted)) = self.asked.get_mut(memory).zip(self.plan.memories.get(memory))
                    && let Some(heap) = wanted.heaps.get(*index)
                {
                    self.trail.push(HeapAnswer::Refused {
                        heap: heap.clone(),
                        requested_bytes: requested(wanted, self.plan.count()),
                        errno,
                        reason,
                    });
                    *index += 1;
                }
                Ok(())
            }
        }
    }

    /// Returns the heaps that have not said no.
    pub(super) fn heaps_left(&self, all: &[HeapOffer]) -> Vec<HeapOffer> {
        left_to_ask(all, &self.trail)
    }

    /// Goes on with another plan.
    pub(super) fn replan(&mut self, plan: Plan) {
        self.asked = vec![0; plan.memories.len()];
        self.plan = plan;
    }

    /// Returns the report of heaps that all have nothing; `cause` says why the others do not do.
    pub(super) fn no_memory(self, cause: Option<Box<Report>>) -> Box<Report> {
        report(no_memory(self.trail, cause.map(|report| report.kind)))
    }
}

fn requested(memory: &MemoryPlan, count: u32) -> u64 {
    memory.size_bytes.saturating_mul(count.into())
}

/// Makes a report that nothing relaxes.
pub(super) fn report(kind: ReportKind) -> Box<Report> {
    Box::new(kind.into())
}
