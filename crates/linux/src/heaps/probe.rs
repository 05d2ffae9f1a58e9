//! Which heaps work here.

use std::sync::Arc;

use super::{AllocationRequest, Heap, HeapRefusal, Heaps, HugeHeap, LockedHeap, SystemHeap, UdmabufHeap};

/// What was found on this machine.
#[derive(Debug)]
pub struct MachineHeaps {
    /// The heaps that work, the least scarce first.
    pub heaps: Heaps,
    /// What the others said.
    pub absent: Vec<HeapRefusal>,
}

impl Heaps {
    /// Finds out which of the heaps of this crate work here and now, by allocating the least of each and freeing it.
    ///
    /// A heap that is absent now may work later, and one that works may refuse: memory comes and goes.
    ///
    /// # Blocking
    /// For a few milliseconds.
    pub fn of_this_machine() -> MachineHeaps {
        let mut found = MachineHeaps {
            heaps: Self::new(),
            absent: Vec::new(),
        };
        let candidates: [Arc<dyn Heap>; 4] = [
            Arc::new(SystemHeap),
            Arc::new(LockedHeap),
            Arc::new(HugeHeap),
            Arc::new(UdmabufHeap),
        ];
        let least = AllocationRequest::new("wharf-probe", 1);
        for heap in candidates {
            match heap.allocate(&least) {
                Ok(_) => found.heaps.heaps.push(heap),
                Err(refusal) => found.absent.push(refusal),
            }
        }
        found
    }
}
