//! Calls that make buffers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_uapi::{dma_heap, udmabuf};

use super::raw::{call, create_list, new_descriptor};

/// A part of a memory file.
#[derive(Debug, Clone, Copy)]
pub struct MemoryPart<'fd> {
    /// The memory file.
    pub memory: BorrowedFd<'fd>,
    /// Where the part begins, in bytes, page-aligned.
    pub offset_bytes: u64,
    /// How long it is, in bytes, page-aligned.
    pub len_bytes: u64,
}

/// Allocates a buffer of at least `len_bytes` from a heap: an open file of `/dev/dma_heap`. The new descriptor has `access` and is closed
/// on exec.
///
/// # Blocking
/// While the kernel finds and zeroes pages.
///
/// # Errors
/// `EINVAL` for sizes that are none, `ENOMEM`, `EMFILE`, `EINTR` when the process is killed meanwhile; `ENOTTY` if it is no heap.
pub fn allocate(heap: impl AsFd, len_bytes: u64, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CLOEXEC | (access & OFlags::ACCMODE);
    let mut argument = dma_heap::AllocationData {
        len: len_bytes,
        fd_flags: flags.bits(),
        ..dma_heap::AllocationData::default()
    };
    call(heap.as_fd(), &mut argument)?;
    new_descriptor(i32::try_from(argument.fd).map_err(|_| Errno::BADF)?)
}

/// Makes a buffer of part of a memory file, through an open `/dev/udmabuf`. It is closed on exec.
///
/// # Errors
/// `EINVAL` for parts that are not whole pages, too large, or of memory that can shrink or is sealed against writing; `EBADFD` for what is no
/// memory file; `ENOMEM`, `EMFILE`; `ENOTTY` if the device is another.
pub fn make_of_part(device: impl AsFd, part: MemoryPart<'_>) -> Result<OwnedFd, Errno> {
    let mut argument = udmabuf::Create {
        memfd: number(part.memory),
        flags: udmabuf::FLAGS_CLOEXEC,
        offset: part.offset_bytes,
        size: part.len_bytes,
    };
    new_descriptor(call(device.as_fd(), &mut argument)?)
}

/// Makes one buffer of several parts, one behind the other. See [`make_of_part`].
///
/// # Errors
/// As [`make_of_part`]; `EINVAL` for too many parts or none.
pub fn make_of_parts(device: impl AsFd, parts: &[MemoryPart<'_>]) -> Result<OwnedFd, Errno> {
    let item = |part: &MemoryPart<'_>| udmabuf::CreateItem {
        memfd: number(part.memory),
        pad: 0,
        offset: part.offset_bytes,
        size: part.len_bytes,
    };
    let items: Vec<_> = parts.iter().map(item).collect();
    new_descriptor(create_list(device.as_fd(), udmabuf::FLAGS_CLOEXEC, &items)?)
}

/// CAST: descriptors that are open are not negative.
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}
