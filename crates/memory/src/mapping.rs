//! A sealed memfd mapped into this process.

use crate::view::{NotWritable, View, ViewMut};
use rustix::fs::{SealFlags, fcntl_get_seals, fstat, fstatfs};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

/// `f_type` of the file system that memfds of huge pages are in (`include/uapi/linux/magic.h`).
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// What a mapping may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Loads only; the kernel kills a process that stores through it.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
}

/// Why a descriptor could not be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Nothing to map.
    #[error("cannot map 0 bytes")]
    Empty,
    /// The descriptor has no seals: it is not a memfd.
    #[error("the descriptor is not a memfd ({0}): it has no seals that could promise its size")]
    NotMemfd(Errno),
    /// The memfd can shrink, and a later touch of the mapping would be a SIGBUS.
    #[error("the memfd is not sealed against shrinking: its owner must add F_SEAL_SHRINK before sharing it")]
    NotSealed,
    /// Huge pages come from a pool: once another process has punched a hole, a touch can be a SIGBUS.
    #[error(
        "the memfd is of huge pages, whose presence no seal can promise: it must be created without MFD_HUGETLB"
    )]
    HugePages,
    /// The object is smaller than the mapping asked for (contract C1).
    #[error("cannot map {wanted_bytes} bytes of a memfd of {size_bytes} bytes")]
    TooShort {
        /// Bytes asked for.
        wanted_bytes: usize,
        /// Bytes the memfd has.
        size_bytes: u64,
    },
    /// `fstat`, `fstatfs` or `mmap` failed: `EACCES` and `EPERM` mean a writable mapping of memory shared read-only.
    #[error("{call} of {wanted_bytes} bytes failed: {errno}")]
    Os {
        /// The system call.
        call: &'static str,
        /// Bytes asked for.
        wanted_bytes: usize,
        /// The kernel's answer.
        errno: Errno,
    },
}

impl MapError {
    /// The errno a kernel exporter would give for the same cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Empty | Self::NotMemfd(_) | Self::NotSealed | Self::HugePages | Self::TooShort { .. } => {
                Errno::INVAL
            }
            Self::Os { errno, .. } => *errno,
        }
    }
}

/// A shared mapping of the first bytes of a memfd, unmapped on drop.
///
/// # Invariants
///
/// * `base` is the start of a live `MAP_SHARED` mapping of `len_bytes` bytes that nothing else unmaps.
/// * The object behind it is sealed with `F_SEAL_SHRINK` and at least `len_bytes` long, so that no access inside the
///   mapping can raise SIGBUS for want of a page of the file.
/// * The mapping is writable if and only if `access` is [`Access::ReadWrite`].
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len_bytes: usize,
    access: Access,
}

// SAFETY:
// * The mapping belongs to the process, not to a thread, and is unmapped only by the one `Drop`.
unsafe impl Send for Mapping {}
// SAFETY:
// * `&Mapping` gives no Rust reference to the bytes: only raw copies (opaque to the compiler) and, through the
//   word types that own a `Mapping`, atomics. Concurrent use can mix bytes, never break memory safety.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len_bytes` bytes of `fd`, which must be a memfd sealed against shrinking.
    ///
    /// # Errors
    ///
    /// [`MapError`]: `EINVAL` when the descriptor is no sealed memfd of ordinary pages or is too short; `EACCES` or `EPERM` when a writable
    /// mapping is asked of memory shared read-only; `ENOMEM` when the address space or the mapping limit is used up.
    ///
    /// # References
    ///
    /// `mmap(2)`, `memfd_create(2)`, `fcntl(2)` F_GET_SEALS. Contract: C1, S5.
    pub fn map(fd: impl AsFd, len_bytes: usize, access: Access) -> Result<Self, MapError> {
        // Asked for once: what is checked is what is mapped, whatever the type behind `fd` does.
        let fd = fd.as_fd();
        check_object(fd, len_bytes)?;
        let protection = match access {
            Access::ReadOnly => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        let hint = std::ptr::null_mut();
        // SAFETY:
        // * The address hint is null, so the kernel picks a range that nothing else uses.
        let base = unsafe { mmap(hint, len_bytes, protection, MapFlags::SHARED, fd, 0) };
        let base = base.map_err(os_error("mmap", len_bytes))?;
        match NonNull::new(base.cast::<u8>()) {
            Some(base) => Ok(Self {
                base,
                len_bytes,
                access,
            }),
            None => Err(os_error("mmap", len_bytes)(Errno::NOMEM)),
        }
    }

    /// Length of the mapping in bytes; never zero.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// What the mapping may be used for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The whole mapping as a readable window.
    pub fn view(&self) -> View<'_> {
        View::whole(self)
    }

    /// The whole mapping as a writable window.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] (`EACCES`) when the mapping is read-only.
    pub fn view_mut(&self) -> Result<ViewMut<'_>, NotWritable> {
        ViewMut::whole(self)
    }

    /// Start of the mapping; valid for `len_bytes` bytes while `self` lives.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

/// Checks that the first `len_bytes` bytes of `fd` will stay where they are for as long as they are mapped.
fn check_object(fd: BorrowedFd<'_>, len_bytes: usize) -> Result<(), MapError> {
    if len_bytes == 0 {
        return Err(MapError::Empty);
    }
    let seals = fcntl_get_seals(fd).map_err(MapError::NotMemfd)?;
    if !seals.contains(SealFlags::SHRINK) {
        return Err(MapError::NotSealed);
    }
    let file_system = fstatfs(fd).map_err(os_error("fstatfs", len_bytes))?;
    // CAST: a magic number; the bits are meant.
    if file_system.f_type as u64 == HUGETLBFS_MAGIC {
        return Err(MapError::HugePages);
    }
    let size_bytes = fstat(fd).map_err(os_error("fstat", len_bytes))?.st_size;
    let size_bytes = u64::try_from(size_bytes).unwrap_or(0);
    // CAST: usize is at most 64 bits wide on Linux.
    if size_bytes < len_bytes as u64 {
        return Err(MapError::TooShort {
            wanted_bytes: len_bytes,
            size_bytes,
        });
    }
    Ok(())
}

fn os_error(call: &'static str, wanted_bytes: usize) -> impl Fn(Errno) -> MapError {
    move |errno| MapError::Os {
        call,
        wanted_bytes,
        errno,
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY:
        // * By the type's invariant this range is ours, still mapped, and nothing borrows from `self` any more.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of a live mapping failed: {unmapped:?}");
    }
}
