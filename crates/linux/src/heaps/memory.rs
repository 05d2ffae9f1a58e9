//! What a heap gave.

use super::LockedMapping;
use super::RefusalReason;
use super::refusal::PromiseField;
use super::request::AllocationRequest;
use crate::dma_buf::KernelBuffer;
use crate::{Memfd, MemfdError};

/// Memory of a heap: a memory file of fixed size, and what was verified of it.
#[derive(Debug)]
pub struct HeapMemory {
    memfd: Memfd,
    size_bytes: u64,
    chunk_bytes: u64,
    residency: Residency,
}

/// What keeps pages in RAM.
#[derive(Debug)]
#[non_exhaustive]
pub enum Residency {
    /// Nothing: they can be swapped out, after which huge pages may be in pieces.
    Swappable,
    /// They are reserved huge pages, which the kernel never swaps.
    Reserved,
    /// A dma-buf of the kernel pins them: for as long as it is kept.
    Pinned(KernelBuffer),
    /// A mapping of this process locks them: for as long as it is kept, whoever else maps the memory.
    Locked(LockedMapping),
}

impl HeapMemory {
    /// What a heap returns: `chunk_bytes` and `residency` as it found them to be, not as it hopes.
    ///
    /// # Errors
    /// [`MemfdError::Unsealed`] (EINVAL) when the memory can be resized.
    pub fn new(memfd: Memfd, chunk_bytes: u64, residency: Residency) -> Result<Self, MemfdError> {
        let info = memfd.inspect()?;
        info.require_seals(Memfd::FIXED_SIZE)?;
        Ok(Self {
            memfd,
            size_bytes: info.size_bytes,
            chunk_bytes,
            residency,
        })
    }

    /// The memory file.
    pub fn memfd(&self) -> &Memfd {
        &self.memfd
    }

    /// Its size in bytes, at least what was asked for.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Size in bytes of its physically contiguous, naturally aligned pieces.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// Whether its pages stay in RAM, as long as what [`HeapMemory::into_parts`] gives as second is kept.
    pub fn is_locked(&self) -> bool {
        !matches!(self.residency, Residency::Swappable)
    }

    /// Where its pages are kept.
    pub fn residency(&self) -> &Residency {
        &self.residency
    }

    /// The memory file, and what keeps its pages in RAM: to be dropped no sooner than the buffer.
    pub fn into_parts(self) -> (Memfd, Residency) {
        (self.memfd, self.residency)
    }

    /// Checks that it is what was asked for, whatever heap it came from.
    pub(super) fn check(&self, request: &AllocationRequest) -> Result<(), RefusalReason> {
        RefusalReason::unless_enough(PromiseField::SizeBytes, request.size_bytes, self.size_bytes)?;
        RefusalReason::unless_enough(
            PromiseField::ChunkBytes,
            request.min_chunk_bytes.unwrap_or(0),
            self.chunk_bytes,
        )?;
        RefusalReason::unless_enough(
            PromiseField::Locked,
            u64::from(request.locked),
            u64::from(self.is_locked()),
        )
    }
}
