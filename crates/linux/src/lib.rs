//! Exporters and process handles on Linux.
//!
//! What it does:
//! - [`Memfd`]: shared memory with a fixed size, and the seals that make it unwritable for everybody who has
//!   not mapped it yet.
//! - [`MemfdHeap`] and [`MemfdExporter`]: buffers (`wharf_core::DmaBuf`) made of such memory.
//! - [`Heap`] and [`Heaps`]: heaps with honest guarantees (small pages, huge pages, locked pages, plug-ins), tried in turn.
//! - [`dma_heap`], [`udmabuf`], [`dma_buf`], [`sync_file`]: the kernel's own heaps, buffers and fences, where the machine has them.
//! - [`BellEnd`]: doorbells, with which one process wakes another from poll or epoll.
//! - [`PidFd`]: a process handle that says whether the process is dead.
//!
//! What it does not do: it reads and writes no memory (`wharf-memory` does) and passes no descriptors to other processes
//! (`wharf-protocol` does).

#![forbid(unsafe_code)]

mod bell;
pub mod dma_buf;
pub mod dma_heap;
mod heap;
mod heaps;
mod kernel_error;
mod memfd;
mod memfd_error;
mod pidfd;
mod proc_fields;
mod sizes;
pub mod sync_file;
pub mod udmabuf;

pub use bell::{BellEnd, BellError};
pub use heap::{HeapError, MemfdExporter, MemfdHeap};
pub use heaps::{
    AllocatedSet, AllocationRequest, DMA_BUF, DuplicateHeap, Heap, HeapGuarantees, HeapMemory, HeapRefusal,
    Heaps, HugeHeap, LockedHeap, LockedMapping, MachineHeaps, PromiseField, RefusalReason, Residency,
    SetRefusal, SystemHeap, UdmabufHeap, needs_dma_buf,
};
pub use kernel_error::{KernelError, WrongDescriptor};
pub use memfd::{Memfd, MemfdId, MemfdInfo};
pub use memfd_error::{ImportError, MemfdError};
pub use pidfd::{NotAPidFd, PidFd, PidFdError};
pub use proc_fields::available_memory_bytes;
pub use rustix::fs::SealFlags;
pub use rustix::process::Pid;
