//! Where the memory of a set comes from.

use crate::negotiation::{HeapOffer, MemoryPlan};
use crate::{DmaBuf, Refusal};

/// Provides memory for sets. It is foreign code: what it gives is checked, and its panics are contained. Contract: B5, N4.
///
/// # Locking
/// No lock of the set is held during any method.
pub trait SetHeap: Send + Sync {
    /// Says what it has to offer now. Its name stays the same.
    fn offer(&self) -> HeapOffer;

    /// Allocates one memory of one buffer, all zero: of the size planned, and as its offer promises. To be copied from and to in moves it
    /// can be vmapped.
    ///
    /// # Blocking
    /// As long as it takes; who wants buffers waits.
    ///
    /// # Errors
    /// Any [`Refusal`], such as ENOMEM: the next heap is asked then.
    fn allocate(&self, memory: &MemoryPlan) -> Result<DmaBuf, Refusal>;
}
