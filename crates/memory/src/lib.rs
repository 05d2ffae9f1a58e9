//! Shared memory for Wharf: the only crate of the house that says `unsafe`.
//!
//! Memory that another process can write is never a Rust slice (contract C7). It is reached in two ways only:
//!
//! * as bytes, through [`View`] and [`ViewMut`]: bounds-checked copies in and out that the compiler can neither
//!   split, merge nor assume stable;
//! * as words, through [`ReadWords`] and [`WriteWords`]: atomic loads and stores, and futex waits and wakes.
//!   Every shared page of Wharf has exactly one writing process (contract S3).
//!
//! | module | what it holds |
//! |---|---|
//! | `mapping` | [`Mapping`]: a sealed memfd or a dma-buf mapped shared, unmapped on drop |
//! | `object` | [`MapError`]: what a descriptor must be before it is mapped |
//! | `place` | addresses at which huge pages can be mapped |
//! | `prefetch` | cache lines fetched before they are needed |
//! | `residency` | locked pages, huge pages |
//! | `view` | [`View`], [`ViewMut`]: checked windows of bytes |
//! | `copy` | the raw copies under the views |
//! | `words` | [`ReadOnlyWords`], [`OwnedWords`], [`HeapWords`]: cells of a page as atomics |
//! | `futex` | [`wait_one`], [`wait_any`], [`wake`]: sleeping on words, value-compared so that no wake-up is lost |
//! | `fences` | [`fence_light`], [`fence_heavy`]: two fences of which one costs next to nothing |
//! | `clock` | [`now_ns`], [`Deadline`]: `CLOCK_MONOTONIC` |
//! | `mechanisms` | [`user_faults`], [`system_call_listener`]: whether the kernel has them |
//! | [`ioctl`] | calls on buffers, heaps and fences of the kernel, each with its own argument |
//! | `traffic` | [`bytes_moved`]: how many bytes went through views, so that "no copies" can be counted |
//!
//! Built with `--cfg loom` or `--cfg shuttle`, the words are those of that checker and the futex is a model of the kernel's, so that the
//! code above this crate is model-checked unchanged; mappings and views do not exist in such a build.

#[cfg(not(any(loom, shuttle)))]
mod blocks;
mod clock;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "copies to and from memory that other processes write")]
mod copy;
mod fences;
#[allow(unsafe_code, reason = "the half of a cell that the kernel compares")]
mod futex;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "ioctl, and descriptors that it makes")]
pub mod ioctl;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "munmap")]
mod mapping;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "calls that ask for mechanisms of the kernel")]
mod mechanisms;
#[cfg(not(any(loom, shuttle)))]
mod object;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "mmap, and munmap of what did not come to be used")]
mod place;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "a hint to the processor")]
mod prefetch;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "madvise and mlock of a whole mapping")]
mod residency;
mod sync;
#[cfg(loom)]
#[allow(unsafe_code, reason = "an empty cell shared between modelled threads")]
mod tracked;
mod traffic;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "calls of the raw copies after the bounds check")]
mod view;
mod words;
#[cfg(not(any(loom, shuttle)))]
#[allow(unsafe_code, reason = "atomics at addresses inside a mapping")]
mod words_mapped;

#[cfg(not(any(loom, shuttle)))]
pub use blocks::Blocks;
pub use clock::{Deadline, now_ns};
#[cfg(any(loom, shuttle))]
pub use fences::forbid_asymmetric_fences;
pub use fences::{fence_heavy, fence_light, heavy_fences_reach_others, lighten_fences};
pub use futex::{FutexWord, WaitOutcome, wait_any, wait_one, wake};
#[cfg(not(any(loom, shuttle)))]
pub use mapping::{Access, Mapping};
#[cfg(not(any(loom, shuttle)))]
pub use mechanisms::{UserFaults, system_call_listener, user_faults};
#[cfg(not(any(loom, shuttle)))]
pub use object::{MapError, is_dma_buf};
pub use sync::{Ordering, fence, fence_after_update};
#[cfg(loom)]
pub use tracked::TrackedCell;
pub use traffic::bytes_moved;
#[cfg(not(any(loom, shuttle)))]
pub use view::{NotWritable, OutOfBounds, View, ViewMut};
pub use words::{HeapWords, ReadWords, WriteWords};
#[cfg(not(any(loom, shuttle)))]
pub use words_mapped::{OwnedWords, ReadOnlyWords, WordsError};

/// Size in bytes of one cell of a shared page: every word, 32- or 64-bit, has a cell of its own.
pub const CELL_BYTES: usize = 8;

/// Size in bytes of a huge page: mappings of a multiple of it start at a multiple of it.
pub const CHUNK_BYTES: usize = 2 << 20;
