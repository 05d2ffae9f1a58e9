//! Where in the address space memory is mapped.

use crate::CHUNK_BYTES;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::{NonNull, null_mut};

/// How often a place is looked for that another thread takes before it is used.
const ATTEMPTS: usize = 8;

/// Maps `len_bytes` bytes of `fd` shared: where one entry of the page table can stand for a huge page, if it is whole huge
/// pages and the address space has room; anywhere otherwise.
pub(crate) fn map_shared(
    fd: BorrowedFd<'_>,
    len_bytes: usize,
    protection: ProtFlags,
) -> Result<NonNull<u8>, Errno> {
    if len_bytes.is_multiple_of(CHUNK_BYTES) {
        for _ in 0..ATTEMPTS {
            let Ok(gap) = aligned_gap(len_bytes) else { break };
            let base = map_at(gap, fd, len_bytes, protection)?;
            if base.addr().get().is_multiple_of(CHUNK_BYTES) {
                return Ok(base);
            }
            // SAFETY:
            // * Mapped just above with this length, and nobody else knows of it.
            unsafe { munmap(base.as_ptr().cast(), len_bytes) }?;
        }
    }
    map_at(null_mut(), fd, len_bytes, protection)
}

fn map_at(
    hint: *mut c_void,
    fd: BorrowedFd<'_>,
    len_bytes: usize,
    protection: ProtFlags,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY:
    // * The address is a hint only (no MAP_FIXED), so the kernel picks a range that nothing else uses.
    let base = unsafe { mmap(hint, len_bytes, protection, MapFlags::SHARED, fd, 0) }?;
    NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)
}

/// Start of `len_bytes` bytes that are aligned to huge pages and were free just now.
fn aligned_gap(len_bytes: usize) -> Result<*mut c_void, Errno> {
    let room_bytes = len_bytes.checked_add(CHUNK_BYTES).ok_or(Errno::NOMEM)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY:
    // * The address hint is null, so the kernel picks a range that nothing else uses.
    let room = unsafe { mmap_anonymous(null_mut(), room_bytes, ProtFlags::empty(), flags) }?;
    // SAFETY:
    // * Mapped just above with this length, and nobody else knows of it.
    unsafe { munmap(room, room_bytes) }?;
    Ok(room.map_addr(|address| address.next_multiple_of(CHUNK_BYTES)))
}
