//! Heaps that fail when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use wharf_linux::{
    AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, RefusalReason, Residency,
};

/// What goes wrong with a [`FaultyHeap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeapFault {
    /// That many allocations succeed; all later ones are refused for want of memory.
    RefuseAfter(u32),
    /// The memory has only half the size asked for, rounded up to whole chunks, and the heap says nothing.
    HalfTheSize,
    /// The memory is in chunks of that many bytes only, and the heap says nothing.
    ChunksOf(u64),
    /// The memory is not locked, and the heap says nothing.
    NotLocked,
}

/// A heap that promises what another one promises, gives its memory, and fails as told.
#[derive(Debug)]
pub struct FaultyHeap {
    name: String,
    inner: Arc<dyn Heap>,
    fault: HeapFault,
    calls: AtomicU32,
}

impl FaultyHeap {
    /// A heap of its own name over `inner`.
    pub fn new(name: &str, inner: impl Heap + 'static, fault: HeapFault) -> Self {
        Self {
            name: name.to_owned(),
            inner: Arc::new(inner),
            fault,
            calls: AtomicU32::new(0),
        }
    }

    /// How many allocations it has been asked for.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The memory as the fault leaves it.
    fn spoil(&self, memory: HeapMemory) -> Result<HeapMemory, RefusalReason> {
        let chunk_bytes = memory.chunk_bytes();
        let (memfd, residency) = memory.into_parts();
        let spoiled = match self.fault {
            HeapFault::ChunksOf(fewer_bytes) => HeapMemory::new(memfd, fewer_bytes, residency),
            HeapFault::NotLocked => HeapMemory::new(memfd, chunk_bytes, Residency::Swappable),
            HeapFault::RefuseAfter(_) | HeapFault::HalfTheSize => {
                HeapMemory::new(memfd, chunk_bytes, residency)
            }
        };
        Ok(spoiled?)
    }
}

impl Heap for FaultyHeap {
    fn name(&self) -> &str {
        &self.name
    }

    fn guarantees(&self) -> HeapGuarantees {
        self.inner.guarantees()
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        let refusal = |reason| HeapRefusal::new(&self.name, request, reason);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut given = request.clone();
        match self.fault {
            HeapFault::RefuseAfter(count) if call >= count => {
                return Err(refusal(RefusalReason::NoMemory {
                    call: "memfd_create",
                    source: Errno::NOMEM,
                }));
            }
            HeapFault::HalfTheSize => given.size_bytes /= 2,
            _ => {}
        }
        let memory = self.inner.allocate(&given);
        let memory = memory.map_err(|inner| refusal(inner.reason))?;
        self.spoil(memory).map_err(refusal)
    }
}
