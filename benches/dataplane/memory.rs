//! Shared memory for the peers made by hand: as bare as it gets, so that they are a floor and not Wharf's own code again.
//!
//! Both processes are this program and take turns; nothing here stands up to a peer that does not.

#![allow(
    unsafe_code,
    reason = "memory mapped by hand, without the checks that Wharf makes"
)]

use crate::Outcome;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes of a cache line: each cell has one of its own.
pub(crate) const LINE_BYTES: usize = 64;

/// A mapping, unmapped on drop.
///
/// # Invariants
///
/// `base` is the start of a live mapping of `len_bytes` bytes for reading and writing, of memory that does not shrink.
pub(crate) struct Shared {
    base: NonNull<u8>,
    len_bytes: usize,
}

/// Makes memory to map.
pub(crate) fn create(len_bytes: usize) -> Outcome<OwnedFd> {
    let memfd = memfd_create("bench", MemfdFlags::CLOEXEC)?;
    ftruncate(&memfd, len_bytes as u64)?;
    Ok(memfd)
}

impl Shared {
    /// Maps memory that [`create`] made at least as long.
    pub(crate) fn map(memfd: impl AsFd, len_bytes: usize) -> Outcome<Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY:
        // * A new mapping at an address that the kernel chooses touches no other memory.
        let base = unsafe { mmap(std::ptr::null_mut(), len_bytes, protection, flags, memfd, 0)? };
        let base = NonNull::new(base.cast()).ok_or("mapped at zero")?;
        Ok(Self { base, len_bytes })
    }

    /// The 64-bit word at the start of a cache line.
    pub(crate) fn word(&self, line: usize) -> &AtomicU64 {
        assert!(line < self.len_bytes / LINE_BYTES, "no line {line}");
        let word = self.base.as_ptr().wrapping_add(line * LINE_BYTES);
        // SAFETY:
        // * Inside the mapping, which lives as long as the reference, and aligned because mappings are.
        // * Any bits are a word, and all who share it reach it through atomics.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    /// The 32-bit word at the start of a cache line. A line is used through this or through [`Shared::word`], never both.
    pub(crate) fn half(&self, line: usize) -> &AtomicU32 {
        assert!(line < self.len_bytes / LINE_BYTES, "no line {line}");
        let half = self.base.as_ptr().wrapping_add(line * LINE_BYTES);
        // SAFETY:
        // * As for `word`.
        unsafe { AtomicU32::from_ptr(half.cast()) }
    }

    /// The bytes, to read a frame that the other process leaves alone meanwhile.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY:
        // * The whole mapping, which lives as long as the reference. Whoever holds a frame is alone with it, by the ring's rules.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len_bytes) }
    }

    /// The bytes, to fill a frame that nobody else has.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY:
        // * As for `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len_bytes) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY:
        // * By the invariant this range is ours and mapped, and nothing borrows from `self` any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) };
    }
}
