//! A sealed memfd, or a dma-buf of the kernel, mapped into this process.

use crate::object::{MapError, Object, os_error};
use crate::place::map_shared;
use crate::prefetch::prefetch;
use crate::view::{NotWritable, View, ViewMut};
use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::mm::{ProtFlags, munmap};
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

/// What a mapping may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Loads only; the kernel kills a process that stores through it.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
}

/// A shared mapping of the first bytes of a memfd or dma-buf, unmapped on drop.
///
/// # Invariants
///
/// * `base` is the start of a live `MAP_SHARED` mapping of `len_bytes` bytes that nothing else unmaps.
/// * The object behind it is sealed with `F_SEAL_SHRINK` and at least `len_bytes` long; if it is of huge pages, all of them
///   are there and `F_SEAL_FUTURE_WRITE` keeps them. So no access inside the mapping can raise SIGBUS for want of a page.
///   Or it is a dma-buf of the kernel at least `len_bytes` long, whose size is fixed for life; what else can be said of it depends on its
///   exporter, see [`Mapping::map_dma_buf`].
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
    /// [`MapError`]: `EINVAL` when the descriptor is no sealed memfd or is too short, or when its huge pages are not all there for
    /// good ([`MapError::HugePages`]); `EACCES` or `EPERM` when a writable mapping is asked of memory shared read-only; `ENOMEM` when the address space or the mapping limit is used up.
    ///
    /// # References
    ///
    /// `mmap(2)`, `memfd_create(2)`, `fcntl(2)` F_GET_SEALS. Contract: C1, S5.
    pub fn map(fd: impl AsFd, len_bytes: usize, access: Access) -> Result<Self, MapError> {
        // Asked for once: what is checked is what is mapped, whatever the type behind `fd` does.
        let fd = fd.as_fd();
        Object::check(fd, len_bytes)?.check_presence()?;
        Self::map_checked(fd, len_bytes, access)
    }

    /// Maps the first `len_bytes` bytes of `fd` for writing, and forbids all others to get write access from now on.
    ///
    /// This is how the only writer maps memory of huge pages: before the seal others could take its pages away. Contract: S5.
    ///
    /// # Errors
    ///
    /// [`MapError`] as from [`Mapping::map`]; also `EPERM` when further seals have been forbidden. The seal stays after an error.
    ///
    /// # References
    ///
    /// `fcntl(2)` F_SEAL_FUTURE_WRITE.
    pub fn map_as_last_writer(fd: impl AsFd, len_bytes: usize) -> Result<Self, MapError> {
        let fd = fd.as_fd();
        let object = Object::check(fd, len_bytes)?;
        let mapping = Self::map_checked(fd, len_bytes, Access::ReadWrite)?;
        fcntl_add_seals(fd, SealFlags::FUTURE_WRITE).map_err(os_error("fcntl(F_ADD_SEALS)", len_bytes))?;
        object.check_presence()?;
        Ok(mapping)
    }

    /// Maps the first `len_bytes` bytes of `fd`, which must be a dma-buf of the kernel.
    ///
    /// Its size never changes. Its pages are there for good with the exporters that own ordinary memory (dma-heaps, udmabuf, video
    /// capture); one whose memory is a device's can take it away, after which a touch is a SIGBUS, for this process as for any other that
    /// maps it. So buffers of strangers are to be mapped only from exporters that are known not to.
    ///
    /// # Errors
    ///
    /// [`MapError`]: `EINVAL` when the descriptor is no dma-buf, is too short, or its exporter maps nothing; `EACCES` when a writable mapping
    /// is asked of one that was opened for reading; `ENOMEM`.
    ///
    /// # References
    ///
    /// `dma_buf_mmap_internal` (drivers/dma-buf/dma-buf.c, v6.12). Contract: C1.
    pub fn map_dma_buf(fd: impl AsFd, len_bytes: usize, access: Access) -> Result<Self, MapError> {
        let fd = fd.as_fd();
        Object::check_dma_buf(fd, len_bytes)?;
        Self::map_checked(fd, len_bytes, access)
    }

    /// Maps what has been found to be long enough, for good.
    fn map_checked(fd: BorrowedFd<'_>, len_bytes: usize, access: Access) -> Result<Self, MapError> {
        let protection = match access {
            Access::ReadOnly => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        let base = map_shared(fd, len_bytes, protection).map_err(os_error("mmap", len_bytes))?;
        Ok(Self {
            base,
            len_bytes,
            access,
        })
    }

    /// Where the mapping starts in this process, to find it in `/proc/self/smaps`. A multiple of the page size, and of
    /// [`CHUNK_BYTES`](crate::CHUNK_BYTES) if the length is (unless the address space is too crowded).
    pub fn start_address(&self) -> usize {
        self.base.addr().get()
    }

    /// Length of the mapping in bytes; never zero.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// What the mapping may be used for.
    #[inline]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The whole mapping as a readable window.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::whole(self)
    }

    /// The whole mapping as a writable window.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] (`EACCES`) when the mapping is read-only.
    #[inline]
    pub fn view_mut(&self) -> Result<ViewMut<'_>, NotWritable> {
        ViewMut::whole(self)
    }

    /// Has its first cache line fetched, which is going to be read soon. A hint.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.base.as_ptr());
    }

    /// Start of the mapping; valid for `len_bytes` bytes while `self` lives.
    #[inline]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
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
