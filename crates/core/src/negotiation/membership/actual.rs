//! Buffers as they are.

use crate::constraints::{Constraints, CpuUse, Field, Value};
use crate::dma::{Coherency, Storage};
use crate::negotiation::{Guarantees, HeapOffer, ImagePlan, ParticipantId, Plan};

/// One of the equal buffers of a set, as it is, and what is left of the set.
#[derive(Debug, Clone)]
pub struct ActualBuffer<'a> {
    /// How the picture lies in it; `None` if it is not known that there is one.
    pub image: Option<&'a ImagePlan>,
    /// Its memories; planes say which they are in.
    pub memories: Vec<ActualMemory<'a>>,
    /// How many buffers there are.
    pub count: u32,
    /// How many of them nobody else counts on.
    pub free: u32,
    /// How many there are for whoever needs them first.
    pub shared_slack: u32,
    /// Whether slack is given at all; see [`Policy::slack`](crate::negotiation::Policy::slack).
    pub slack: bool,
    /// Who else uses it.
    pub neighbors: Vec<Neighbor>,
}

/// One memory of a buffer, as it is.
#[derive(Debug, Clone, Copy)]
pub struct ActualMemory<'a> {
    /// The heap it is from.
    pub heap: &'a str,
    /// What that promises.
    pub guarantees: &'a Guarantees,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Where it is, if that is known: promises do not matter then.
    pub storage: Option<&'a Storage>,
    /// How the CPU's mapping is cached; `None` if the CPU does not map it.
    pub cache_mode: Option<&'a str>,
}

/// How somebody uses a buffer, as far as others have to know for hand-overs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Neighbor {
    /// Whether it reads or writes with the CPU.
    pub uses_cpu: bool,
    /// Whether its devices see the CPU's caches.
    pub snoops: bool,
    /// Whether it can clean and invalidate at hand-overs.
    pub can_sync: bool,
}

impl<'a> ActualBuffer<'a> {
    /// Begins with buffers without a picture, of which nobody uses any.
    pub fn new(memories: Vec<ActualMemory<'a>>, count: u32) -> Self {
        Self {
            image: None,
            memories,
            count,
            free: count,
            shared_slack: 0,
            slack: true,
            neighbors: Vec::new(),
        }
    }

    /// Returns the buffers of a plan with memory of the heaps it would ask first, as one of its participants sees them; `None` if
    /// one of these heaps is not among `heaps`. What others do at hand-overs is left to the caller.
    pub fn planned(plan: &'a Plan, heaps: &'a [HeapOffer], who: ParticipantId) -> Option<Self> {
        let memories = plan.memories.iter().map(|memory| {
            let name = memory.heaps.first()?;
            let heap = heaps.iter().find(|heap| heap.name == *name)?;
            Some(ActualMemory {
                cache_mode: memory.cache_mode.as_deref(),
                ..ActualMemory::new(&heap.name, &heap.guarantees, memory.size_bytes)
            })
        });
        let others = plan
            .ledger
            .entries
            .iter()
            .filter(|entry| entry.participant != who);
        let counted_on = others.fold(plan.ledger.shared_slack, |sum, entry| {
            sum.saturating_add(entry.camping).saturating_add(entry.slack)
        });
        Some(Self {
            image: plan.image.as_ref(),
            free: plan.ledger.total.saturating_sub(counted_on),
            shared_slack: plan.ledger.shared_slack,
            ..Self::new(memories.collect::<Option<_>>()?, plan.ledger.total)
        })
    }

    /// Returns the size of one buffer in bytes, all memories together.
    pub fn size_bytes(&self) -> u64 {
        let sizes = self.memories.iter().map(|memory| memory.size_bytes);
        sizes.fold(0, u64::saturating_add)
    }
}

impl<'a> ActualMemory<'a> {
    /// Begins with memory of which only the heap is known.
    pub fn new(heap: &'a str, guarantees: &'a Guarantees, size_bytes: u64) -> Self {
        Self {
            heap,
            guarantees,
            size_bytes,
            storage: None,
            cache_mode: None,
        }
    }
}

impl Neighbor {
    /// Returns how somebody with these needs uses a buffer.
    pub fn of(constraints: &Constraints) -> Self {
        let cpu_use = constraints.memory().get(Field::CpuAccess);
        Self {
            uses_cpu: matches!(cpu_use, Some(Value::CpuUse(CpuUse::Rarely | CpuUse::Often))),
            snoops: constraints.dma().coherency() != Some(Coherency::NeedsSync),
            can_sync: !constraints.memory().needs(Field::NoSync),
        }
    }
}
