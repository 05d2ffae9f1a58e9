//! Small pages.

use super::refusal::RefusalReason;
use super::{AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, Residency};
use crate::Memfd;
use crate::sizes::{max_bytes, page_bytes, round_up};

/// The heap "memfd": memory files of ordinary pages, allocated and zeroed when first touched. Every machine has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHeap;

impl Heap for SystemHeap {
    fn name(&self) -> &str {
        "memfd"
    }

    fn guarantees(&self) -> HeapGuarantees {
        HeapGuarantees {
            chunk_bytes: page_bytes(),
            locked: false,
            committed: false,
            zeroed: true,
            cached: true,
            dma_buf: false,
            max_size_bytes: u64::MAX,
            cost: 0,
            capacity_bytes: None,
        }
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        let allocate = || {
            self.guarantees().check(request)?;
            let memfd = small_pages(request)?;
            Ok(HeapMemory::new(memfd, page_bytes(), Residency::Swappable)?)
        };
        allocate().map_err(|reason| HeapRefusal::new(self.name(), request, reason))
    }
}

/// A memory file of ordinary pages.
pub(super) fn small_pages(request: &AllocationRequest) -> Result<Memfd, RefusalReason> {
    let size_bytes = whole_chunks(request, page_bytes())?;
    Ok(Memfd::create(&request.label, size_bytes)?)
}

/// The size asked for, rounded up.
pub(super) fn whole_chunks(request: &AllocationRequest, chunk_bytes: u64) -> Result<u64, RefusalReason> {
    round_up(request.size_bytes, chunk_bytes).ok_or(RefusalReason::Size {
        max_bytes: max_bytes(chunk_bytes),
    })
}
