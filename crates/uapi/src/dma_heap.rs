//! `/dev/dma_heap/*`: buffers from a heap.

use crate::ioctl::Ioctl;

argument! {
    /// What [`ALLOC`] is asked for, and the descriptor that comes back.
    pub struct AllocationData: 24 {
        /// The size, in bytes; whole pages are allocated.
        pub len: u64,
        /// 0 when asking; the new descriptor afterwards.
        pub fd: u32,
        /// Flags of the new descriptor, out of [`VALID_FD_FLAGS`].
        pub fd_flags: u32,
        /// Flags for the heap: there are none.
        pub heap_flags: u64,
    }
}

/// Allocates a buffer.
pub const ALLOC: Ioctl = Ioctl::read_write(b'H', 0, AllocationData::SIZE_BYTES);

/// Flags a new descriptor may have: `O_CLOEXEC` and `O_ACCMODE`, as numbered on x86, Arm and RISC-V.
pub const VALID_FD_FLAGS: u32 = 0o2_000_000 | 0o3;

/// Flags a heap may be given: none.
pub const VALID_HEAP_FLAGS: u64 = 0;
