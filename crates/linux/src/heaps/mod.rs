//! Heaps with honest guarantees.
//!
//! | file | what it holds |
//! |---|---|
//! | `request` | [`AllocationRequest`], and the [`HeapGuarantees`] it is checked against |
//! | `memory` | [`HeapMemory`]: what was allocated and verified |
//! | `refusal` | [`HeapRefusal`]: why not, by whom, and what to do |
//! | `system` | [`SystemHeap`] "memfd": small pages |
//! | `huge` | [`HugeHeap`] "memfd-huge": chunks of 2 MiB, from the `pool` or put together and looked up in `smaps` |
//! | `locked` | [`LockedHeap`] "memfd-locked", and the [`LockedMapping`] that locks |
//! | `pinned` | [`UdmabufHeap`] "udmabuf": memory that the kernel's drivers can use, where the machine has `/dev/udmabuf` |
//! | `set` | [`Heaps`]: all buffers of a set or none, heap by heap |
//! | `offer` | the same guarantees in the words of negotiation |
//! | `probe` | which heaps work on this machine |

mod huge;
mod locked;
mod memory;
mod offer;
mod pinned;
mod pool;
mod probe;
mod refusal;
mod request;
mod set;
mod smaps;
mod system;

use std::fmt::Debug;

pub use huge::HugeHeap;
pub use locked::{LockedHeap, LockedMapping};
pub use memory::{HeapMemory, Residency};
pub use offer::{DMA_BUF, needs_dma_buf};
pub use pinned::UdmabufHeap;
pub use probe::MachineHeaps;
pub use refusal::{HeapRefusal, PromiseField, RefusalReason};
pub use request::{AllocationRequest, HeapGuarantees};
pub use set::{AllocatedSet, DuplicateHeap, Heaps, SetRefusal};
pub use system::SystemHeap;

/// A source of buffer memory with known properties. Anybody can write one.
///
/// A heap either keeps its promise or refuses; it never gives less in silence. [`Heaps`] checks what it gives anyway.
/// Contract: N4.
///
/// # Examples
/// ```
/// use wharf_linux::{AllocationRequest, Heap, SystemHeap};
///
/// let memory = SystemHeap.allocate(&AllocationRequest::new("preview", 10_000))?;
/// assert!(memory.size_bytes() >= 10_000);
/// assert!(memory.chunk_bytes() >= 4096);
/// # Ok::<(), wharf_linux::HeapRefusal>(())
/// ```
pub trait Heap: Send + Sync + Debug {
    /// What sets and reports call it, such as `memfd-huge`.
    fn name(&self) -> &str;

    /// What all of its memory has. `capacity_bytes` is of this moment, the rest does not change.
    ///
    /// # Blocking
    /// No, but it may read files of `/proc` and `/sys`.
    fn guarantees(&self) -> HeapGuarantees;

    /// Allocates zeroed memory of at least `request.size_bytes`, rounded up to whole chunks.
    ///
    /// # Blocking
    /// While the kernel finds and zeroes pages, where the heap does not leave that to the first touch.
    ///
    /// # Errors
    /// [`HeapRefusal`], with nothing left allocated; see [`RefusalReason`] for causes and error numbers.
    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal>;
}
