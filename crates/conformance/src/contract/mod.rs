//! The clauses of the contract that are about buffers. Contracts: B, A, L, C, and F and R where they meet buffers.
//!
//! What a system can do is split, so that one that is reached through descriptors, in another process or behind the kernel's own
//! interface implements what it has and no more. Refusals are compared by error number only.
//!
//! | Trait | A system that |
//! |---|---|
//! | [`BufferSut`] | has buffers |
//! | [`LifetimeSut`] | tells whether a buffer has been released |
//! | [`CpuSut`] | lets the CPU at the contents, in brackets |
//! | [`FencedSut`] | lets somebody work on a buffer, and waits for it |
//! | [`SharedFencesSut`] | has buffers with one list of fences for several |
//! | [`UserMappingSut`], [`RedirectSut`] | maps buffers for users |
//! | [`VmapSut`] | maps buffers within the process |
//! | [`DeviceSut`], [`DeferredSut`] | has devices, and memory that waits for them |
//! | [`CoherencySut`] | has caches, and notices who forgets them |
//! | [`ExporterSut`], [`PairingSut`] | has exporters that can be watched and told to fail, of all kinds |
//! | [`MoveSut`] | has buffers that move |
//! | [`LockSut`] | lets its user hold the lock of a buffer |

pub mod buffer;
pub mod coherency;
pub mod cpu;
pub mod deferred;
pub mod device;
pub mod fenced;
pub mod fenced_device;
pub mod hostile;
pub mod lifetime;
pub mod locking;
mod macros;
pub mod moves;
pub mod pairing;
pub mod redirect;
pub mod shared_fences;
pub mod tracked;
pub mod user_mapping;
pub mod vmap;

mod cpu_sut;
mod device_sut;
mod exporter_sut;

use wharf_core::Errno;
pub use wharf_core::dma::{DmaLimits, SgSegment};
pub use wharf_core::{AccessMode, Coherency, Contract, DataDirection, MismatchPolicy, PAGE_BYTES, Usage};

pub use cpu_sut::{CpuSut, FencedSut, RedirectSut, SharedFencesSut, UserMappingSut, VmapSut};
pub use device_sut::{CoherencySut, DeferredSut, DeviceSut, FencedDeviceSut, LockSut, MoveSut};
pub use exporter_sut::{Call, Called, ExporterSut, Fault, Kind, PairingSut};

/// A system with buffers.
pub trait BufferSut: Sync {
    /// A handle to a buffer, which keeps it.
    type Buffer: Send + Sync;

    /// Makes a buffer for reading and writing, without a name; all bytes are zero.
    fn create(&self, size_bytes: u64) -> Result<Self::Buffer, Errno>;

    /// Makes another handle to the same buffer, with the same access.
    fn another_handle(&self, buffer: &Self::Buffer) -> Self::Buffer;

    /// Makes another handle to the same buffer, through which it cannot be written.
    fn read_only(&self, buffer: &Self::Buffer) -> Result<Self::Buffer, Errno>;

    /// Returns the buffer's number.
    fn id(&self, buffer: &Self::Buffer) -> u64;

    /// Returns the buffer's size in bytes.
    fn size_bytes(&self, buffer: &Self::Buffer) -> u64;

    /// Returns the name of the buffer's exporter.
    fn exporter_name(&self, buffer: &Self::Buffer) -> String;

    /// Returns the buffer's name, if it has one.
    fn name(&self, buffer: &Self::Buffer) -> Option<String>;

    /// Gives the buffer a name.
    fn set_name(&self, buffer: &Self::Buffer, name: &str) -> Result<(), Errno>;

    /// Says whether two handles mean the same buffer.
    fn is_same(&self, left: &Self::Buffer, right: &Self::Buffer) -> bool;
}

/// A system that tells whether a buffer is still there.
pub trait LifetimeSut: BufferSut {
    /// Says whether the buffer with this number has not been released.
    fn is_alive(&self, id: u64) -> bool;
}

/// The size of most buffers here: some pages, of which the first and the last are not the only ones.
const SIZE: u64 = 4 * PAGE_BYTES;

/// Returns the answer of a step that has to work.
#[track_caller]
fn must<T>(answer: Result<T, Errno>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(errno) => panic!("refused with {errno}"),
    }
}

/// Checks that something was refused, and how.
#[track_caller]
fn refused<T>(answer: Result<T, Errno>, expected: Errno) {
    match answer {
        Ok(_) => panic!("not refused; {expected} was expected"),
        Err(errno) => assert_eq!(errno, expected, "refused with another error"),
    }
}

/// Makes a buffer for a case.
#[track_caller]
fn buffer<S: BufferSut>(sut: &S) -> S::Buffer {
    must(sut.create(SIZE))
}
