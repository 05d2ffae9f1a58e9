//! What a descriptor must be before it is mapped.

use rustix::fs::{SealFlags, Stat, fcntl_get_seals, fstat, fstatfs};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// `f_type` of the file system that memfds of huge pages are in (`include/uapi/linux/magic.h`).
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
/// `f_type` of the file system that dma-bufs are in (`include/uapi/linux/magic.h`).
const DMA_BUF_MAGIC: u64 = 0x444d_4142;
/// The unit of `st_blocks`.
const BLOCK_BYTES: u64 = 512;

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
    /// The descriptor is no dma-buf of the kernel.
    #[error("the descriptor is not a dma-buf of the kernel: it is in a file system of type {file_system:#x}")]
    NotDmaBuf {
        /// The type of the file system it is in.
        file_system: u64,
    },
    /// The memfd can shrink, and a later touch of the mapping would be a SIGBUS.
    #[error("the memfd is not sealed against shrinking: its owner must add F_SEAL_SHRINK before sharing it")]
    NotSealed,
    /// Huge pages come from a pool: as long as somebody can punch a hole, a later touch can be a SIGBUS.
    #[error(
        "the memfd is of huge pages that can be taken away: its only writer must map it first and add F_SEAL_FUTURE_WRITE"
    )]
    HugePages,
    /// Some of the huge pages are not there: a touch would be a SIGBUS if the pool is empty then.
    #[error(
        "only {present_bytes} of the {size_bytes} bytes of a memfd of huge pages are allocated: its creator must allocate all"
    )]
    HolesInHugePages {
        /// Bytes that have pages.
        present_bytes: u64,
        /// Bytes the memfd has.
        size_bytes: u64,
    },
    /// Huge pages can only be mapped whole.
    #[error(
        "cannot map {wanted_bytes} bytes of a memfd whose pages have {page_bytes} bytes: map whole pages"
    )]
    PartOfHugePage {
        /// Bytes asked for.
        wanted_bytes: usize,
        /// Size of its pages in bytes.
        page_bytes: u64,
    },
    /// The object is smaller than the mapping asked for (contract C1).
    #[error("cannot map {wanted_bytes} bytes of memory of {size_bytes} bytes")]
    TooShort {
        /// Bytes asked for.
        wanted_bytes: usize,
        /// Bytes there are.
        size_bytes: u64,
    },
    /// A system call failed: `EACCES` and `EPERM` mean a writable mapping of memory shared read-only.
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
            Self::Os { errno, .. } => *errno,
            _ => Errno::INVAL,
        }
    }
}

/// A memfd whose first `len_bytes` bytes can be mapped, and will still be part of it later.
#[derive(Debug)]
pub(crate) struct Object<'fd> {
    fd: BorrowedFd<'fd>,
    len_bytes: usize,
    is_hugetlb: bool,
}

impl<'fd> Object<'fd> {
    /// Checks that `fd` is a memfd that cannot shrink and has `len_bytes` bytes.
    pub(crate) fn check(fd: BorrowedFd<'fd>, len_bytes: usize) -> Result<Self, MapError> {
        if len_bytes == 0 {
            return Err(MapError::Empty);
        }
        let seals = fcntl_get_seals(fd).map_err(MapError::NotMemfd)?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(MapError::NotSealed);
        }
        let object = Self {
            fd,
            len_bytes,
            is_hugetlb: file_system(fd).map_err(os_error("fstatfs", len_bytes))? == HUGETLBFS_MAGIC,
        };
        object.check_length()?;
        Ok(object)
    }

    /// Checks that `fd` is a dma-buf of the kernel, which cannot shrink, and has `len_bytes` bytes.
    pub(crate) fn check_dma_buf(fd: BorrowedFd<'fd>, len_bytes: usize) -> Result<(), MapError> {
        if len_bytes == 0 {
            return Err(MapError::Empty);
        }
        match file_system(fd).map_err(os_error("fstatfs", len_bytes))? {
            DMA_BUF_MAGIC => {}
            file_system => return Err(MapError::NotDmaBuf { file_system }),
        }
        let object = Self {
            fd,
            len_bytes,
            is_hugetlb: false,
        };
        object.check_length()
    }

    /// Checks that all its pages will be there whenever they are touched.
    ///
    /// Ordinary pages always are. Huge ones are if all are there after new writers, and with them whoever punches holes,
    /// have been shut out by a seal: seals are read first, so that what is counted afterwards can only grow.
    pub(crate) fn check_presence(&self) -> Result<(), MapError> {
        if !self.is_hugetlb {
            return Ok(());
        }
        let seals = fcntl_get_seals(self.fd).map_err(MapError::NotMemfd)?;
        if !seals.contains(SealFlags::FUTURE_WRITE) {
            return Err(MapError::HugePages);
        }
        let stat = self.stat()?;
        let (size_bytes, present_bytes) = (bytes(stat.st_size), present_bytes(&stat));
        if present_bytes < size_bytes {
            return Err(MapError::HolesInHugePages {
                present_bytes,
                size_bytes,
            });
        }
        Ok(())
    }

    fn check_length(&self) -> Result<(), MapError> {
        let stat = self.stat()?;
        // CAST: usize is at most 64 bits wide on Linux.
        let (size_bytes, wanted_bytes) = (bytes(stat.st_size), self.len_bytes as u64);
        if size_bytes < wanted_bytes {
            return Err(MapError::TooShort {
                wanted_bytes: self.len_bytes,
                size_bytes,
            });
        }
        let page_bytes = bytes(stat.st_blksize);
        if self.is_hugetlb && (page_bytes == 0 || !wanted_bytes.is_multiple_of(page_bytes)) {
            return Err(MapError::PartOfHugePage {
                wanted_bytes: self.len_bytes,
                page_bytes,
            });
        }
        Ok(())
    }

    fn stat(&self) -> Result<Stat, MapError> {
        fstat(self.fd).map_err(os_error("fstat", self.len_bytes))
    }
}

/// The type of the file system that a descriptor is in.
fn file_system(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    // CAST: a magic number of 32 bits, whatever the type and sign of the field; the bits are meant.
    Ok(fstatfs(fd)?.f_type as u64 & 0xffff_ffff)
}

/// Whether the descriptor is a dma-buf of the kernel.
pub fn is_dma_buf(fd: impl AsFd) -> bool {
    file_system(fd.as_fd()) == Ok(DMA_BUF_MAGIC)
}

fn present_bytes(stat: &Stat) -> u64 {
    bytes(stat.st_blocks).saturating_mul(BLOCK_BYTES)
}

/// The kernel has no negative sizes; none is taken as nothing.
fn bytes(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(0)
}

pub(crate) fn os_error(call: &'static str, wanted_bytes: usize) -> impl Fn(Errno) -> MapError {
    move |errno| MapError::Os {
        call,
        wanted_bytes,
        errno,
    }
}
