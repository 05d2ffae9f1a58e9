//! Counts bytes that go through views.
//!
//! Wharf claims to hand frames over without copying them. Because frame memory can only be reached through views, the
//! claim is checked by counting here: code that hands a frame over reads this counter before and after.

use std::cell::Cell;

thread_local! {
    static BYTES_MOVED: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many bytes the calling thread has copied through [`View`](crate::View) and [`ViewMut`](crate::ViewMut)
/// since it started: reads, writes and fills together. Wraps after 2^64 bytes.
#[inline]
pub fn bytes_moved() -> u64 {
    BYTES_MOVED.get()
}

#[cfg(not(any(loom, shuttle)))]
#[inline]
pub(crate) fn count(len_bytes: usize) {
    // CAST: usize is at most 64 bits wide on Linux.
    BYTES_MOVED.set(BYTES_MOVED.get().wrapping_add(len_bytes as u64));
}
