//! What is asked of a heap, and what heaps promise.

use super::RefusalReason;
use super::refusal::PromiseField;

/// What one buffer needs of its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// What people see in refusals and in `/proc`; at most 249 bytes without NUL.
    pub label: String,
    /// Bytes needed; heaps round up to whole chunks.
    pub size_bytes: u64,
    /// Size in bytes of the physically contiguous, naturally aligned pieces needed; `None` when any will do.
    pub min_chunk_bytes: Option<u64>,
    /// Whether the pages must stay in RAM.
    pub locked: bool,
    /// Whether only one mapping, made by [`MemfdExporter::map`](crate::MemfdExporter::map) or
    /// [`Mapping::map_as_last_writer`](wharf_memory::Mapping::map_as_last_writer), will ever write. Reserved huge pages
    /// can be had only then: others who may write could take them away.
    pub single_writer: bool,
}

impl AllocationRequest {
    /// A request for `size_bytes` of any memory, with any number of writers.
    pub fn new(label: impl Into<String>, size_bytes: u64) -> Self {
        Self {
            label: label.into(),
            size_bytes,
            min_chunk_bytes: None,
            locked: false,
            single_writer: false,
        }
    }
}

/// What all memory of a heap has. Physical addresses are not known of any heap here, so none is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapGuarantees {
    /// The memory is made of physically contiguous, naturally aligned pieces of this size in bytes; sizes are rounded up to it.
    pub chunk_bytes: u64,
    /// The pages stay in RAM if the request says so; [`HeapMemory::is_locked`](super::HeapMemory::is_locked) tells if they do.
    pub locked: bool,
    /// The pages exist when the allocation returns. Otherwise they come with the first touch, which may find no memory left
    /// and kill.
    pub committed: bool,
    /// The memory reads as zeroes at first, and holds nothing of earlier users.
    pub zeroed: bool,
    /// CPUs map it cached, write-back.
    pub cached: bool,
    /// The kernel's drivers can use it: the memory can be a dma-buf, see [`DMA_BUF`](super::DMA_BUF).
    pub dma_buf: bool,
    /// The largest buffer, in bytes.
    pub max_size_bytes: u64,
    /// How scarce it is: of heaps that will do, the one with the smallest cost is taken. Only the order means something.
    pub cost: u32,
    /// Bytes it could give now, if that is known; others may take them first.
    pub capacity_bytes: Option<u64>,
}

impl HeapGuarantees {
    /// Checks what the request asks against what the heap promises, before anything is allocated.
    pub(super) fn check(&self, request: &AllocationRequest) -> Result<(), RefusalReason> {
        RefusalReason::unless_enough(
            PromiseField::ChunkBytes,
            request.min_chunk_bytes.unwrap_or(0),
            self.chunk_bytes,
        )?;
        RefusalReason::unless_enough(
            PromiseField::Locked,
            u64::from(request.locked),
            u64::from(self.locked),
        )
    }
}
