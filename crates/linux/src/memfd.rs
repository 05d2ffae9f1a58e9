//! Sealed memory files.
//!
//! A [`Memfd`] goes through three states; each only adds seals, none can be taken away again.
//!
//! | State | Seals | Who can write | Who can resize |
//! |---|---|---|---|
//! | created by [`Memfd::create`] | `SHRINK`, `GROW` | every holder of the descriptor | nobody |
//! | after [`Memfd::seal_future_writes`] | also `FUTURE_WRITE`, `SEAL` | mappings made before, nobody else, not even root | nobody |
//! | all mappings and descriptors gone | | the memory is freed, never handed to another user | |
//!
//! Opening it read-only ([`Memfd::reopen_read_only`]) protects nothing by itself: the receiver can open it
//! for writing again through `/proc`. Only the seal does. Contracts: B1, B3, B4, S5.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, retry_on_intr};
use wharf_core::{AccessMode, PAGE_BYTES};
use wharf_memory::CHUNK_BYTES;

use crate::{ImportError, MemfdError};

/// The longest name in bytes: `NAME_MAX` (255) less the "memfd:" that the kernel puts in front.
const MAX_NAME_BYTES: usize = 249;

/// The largest size in bytes: file sizes are signed 64-bit numbers, and sizes are whole pages.
const MAX_SIZE_BYTES: u64 = (u64::MAX >> 1) / PAGE_BYTES * PAGE_BYTES;

/// A sealed memory file.
///
/// # Invariants
/// The memory cannot shrink (`F_SEAL_SHRINK`), so that a mapping within its size never faults with SIGBUS.
///
/// # Examples
/// ```
/// use wharf_linux::Memfd;
/// use wharf_memory::{Access, Mapping};
///
/// let memfd = Memfd::create("frame", 4096)?;
/// let writer = Mapping::map(&memfd, 4096, Access::ReadWrite)?;
/// memfd.seal_future_writes()?;
/// assert!(Mapping::map(&memfd, 4096, Access::ReadWrite).is_err(), "only the earlier mapping can write");
/// let for_consumers = memfd.reopen_read_only()?;
/// assert!(Memfd::from_fd(for_consumers)?.inspect()?.require_seals(Memfd::WRITE_SEALED).is_ok());
/// # drop(writer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `memfd_create(2)`, `fcntl(2)` "File sealing".
#[derive(Debug)]
pub struct Memfd {
    fd: OwnedFd,
    /// What error texts call it: the name it was created with, or its inode. Never trusted.
    label: String,
}

/// The identity of a memory file: equal for all descriptors of the same memory, and for no others while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemfdId {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub inode: u64,
}

/// What the kernel says about a memory file; unlike its name, none of this can be forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemfdInfo {
    /// Size in bytes; final if `seals` contains `GROW`, a lower bound otherwise.
    pub size_bytes: u64,
    /// The seals at the time of asking; more can be added unless `SEAL` is among them.
    pub seals: SealFlags,
    /// Whether this descriptor was opened for writing.
    pub access: AccessMode,
    /// Which memory it is.
    pub id: MemfdId,
}

impl MemfdInfo {
    /// Checks that all of `required` are set.
    ///
    /// # Errors
    /// [`MemfdError::Unsealed`] (EINVAL) names the missing ones.
    pub fn require_seals(&self, required: SealFlags) -> Result<(), MemfdError> {
        let missing = required.difference(self.seals);
        if missing.is_empty() {
            return Ok(());
        }
        Err(MemfdError::Unsealed {
            memfd: inode_label(self.id.inode),
            missing,
        })
    }
}

impl Memfd {
    /// The seals of every memfd of ours: the size is fixed for life. Contract: B1.
    pub const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

    /// The seals of memory that only its earlier mappings can write, and that nobody can change further. Contract: S5.
    pub const WRITE_SEALED: SealFlags = Self::FIXED_SIZE
        .union(SealFlags::FUTURE_WRITE)
        .union(SealFlags::SEAL);

    /// Creates zeroed memory of `size_bytes` (a non-zero multiple of [`PAGE_BYTES`]) that cannot be resized.
    ///
    /// `name` (at most 249 bytes, no NUL) shows up in `/proc` for people to read; it need not be unique. The descriptor
    /// is closed on exec. Pages are allocated, zeroed, when first touched. Contract: B1, B3.
    ///
    /// # Errors
    /// [`MemfdError::Name`] and [`MemfdError::Size`]: EINVAL. [`MemfdError::System`]: EMFILE and ENFILE when out of
    /// descriptors, ENOMEM when out of memory.
    pub fn create(name: &str, size_bytes: u64) -> Result<Self, MemfdError> {
        let memfd = Self::create_empty(name, size_bytes, PAGE_BYTES, MemfdFlags::empty())?;
        memfd.add_seals(Self::FIXED_SIZE)?;
        Ok(memfd)
    }

    /// Creates zeroed memory of `size_bytes` (a non-zero multiple of 2 MiB) of huge pages, all of them taken from the pool now,
    /// that cannot be resized.
    ///
    /// # Errors
    /// As [`Memfd::create`]; [`MemfdError::System`] with ENOSPC when the pool has too few, ENOSYS or EINVAL when the kernel has
    /// no huge pages.
    pub(crate) fn create_huge(name: &str, size_bytes: u64) -> Result<Self, MemfdError> {
        let flags = MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
        // CAST: 2 MiB.
        let memfd = Self::create_empty(name, size_bytes, CHUNK_BYTES as u64, flags)?;
        // A page that is missing from the file and from the pool when it is touched would be a SIGBUS.
        retry_on_intr(|| rustix::fs::fallocate(&memfd.fd, FallocateFlags::empty(), 0, size_bytes))
            .map_err(system("fallocate", name))?;
        memfd.add_seals(Self::FIXED_SIZE)?;
        Ok(memfd)
    }

    /// Creates memory of `size_bytes`, a multiple of `unit_bytes`, without seals.
    fn create_empty(
        name: &str,
        size_bytes: u64,
        unit_bytes: u64,
        kind: MemfdFlags,
    ) -> Result<Self, MemfdError> {
        if name.len() > MAX_NAME_BYTES || name.contains('\0') {
            return Err(MemfdError::Name {
                len_bytes: name.len(),
                max_bytes: MAX_NAME_BYTES,
            });
        }
        if size_bytes == 0 || !size_bytes.is_multiple_of(unit_bytes) || size_bytes > MAX_SIZE_BYTES {
            return Err(MemfdError::Size {
                memfd: name.to_owned(),
                size_bytes,
                page_bytes: unit_bytes,
                max_bytes: MAX_SIZE_BYTES,
            });
        }
        let fd = create_sealable(|flags| rustix::fs::memfd_create(name, flags | kind))
            .map_err(system("memfd_create", name))?;
        rustix::fs::ftruncate(&fd, size_bytes).map_err(system("ftruncate", name))?;
        Ok(Self {
            fd,
            label: name.to_owned(),
        })
    }

    fn add_seals(&self, seals: SealFlags) -> Result<(), MemfdError> {
        rustix::fs::fcntl_add_seals(&self.fd, seals).map_err(system("fcntl(F_ADD_SEALS)", &self.label))
    }

    /// Takes over a descriptor that came from elsewhere, if it is readable memory that cannot shrink.
    ///
    /// Nothing else is promised about it: check size and seals with [`Memfd::inspect`].
    ///
    /// # Errors
    /// The descriptor comes back inside the error. [`MemfdError::NotAMemfd`]: EBADFD. [`MemfdError::NotReadable`]:
    /// EBADF. [`MemfdError::Unsealed`]: EINVAL, the sender could truncate the memory and so kill its readers with SIGBUS.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ImportError> {
        let label = "imported".to_owned();
        let mut memfd = Self { fd, label };
        // Asks nothing that the file system of a descriptor which is no memfd could take its time to answer.
        match memfd.inspect() {
            Ok(info) => {
                memfd.label = inode_label(info.id.inode);
                match info.require_seals(SealFlags::SHRINK) {
                    Ok(()) => Ok(memfd),
                    Err(cause) => Err(ImportError::new(cause, memfd.fd)),
                }
            }
            Err(cause) => Err(ImportError::new(cause, memfd.fd)),
        }
    }

    /// Asks the kernel for size, seals, access mode and identity.
    ///
    /// # Errors
    /// [`MemfdError::NotReadable`] (EBADF), [`MemfdError::NotAMemfd`] (EBADFD) or [`MemfdError::System`]; only the last
    /// can happen to a memfd that was created here.
    pub fn inspect(&self) -> Result<MemfdInfo, MemfdError> {
        let flags = rustix::fs::fcntl_getfl(&self.fd).map_err(system("fcntl(F_GETFL)", &self.label))?;
        let access = match flags & OFlags::ACCMODE {
            _ if flags.contains(OFlags::PATH) => None,
            OFlags::RDONLY => Some(AccessMode::ReadOnly),
            OFlags::RDWR => Some(AccessMode::ReadWrite),
            _ => None,
        };
        let access = access.ok_or_else(|| MemfdError::NotReadable {
            memfd: self.label.clone(),
        })?;
        // The seals are read before the size: once SHRINK is seen, the size read afterwards cannot go down any more. And no
        // file system but that of memfds gets to answer, while `fstat` of another may wait for whoever serves it.
        let seals = rustix::fs::fcntl_get_seals(&self.fd).map_err(|source| MemfdError::NotAMemfd {
            object: self.label.clone(),
            source,
        })?;
        let stat = rustix::fs::fstat(&self.fd).map_err(system("fstat", &self.label))?;
        Ok(MemfdInfo {
            // The kernel has no negative sizes; none is taken as nothing to map.
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            seals,
            access,
            id: MemfdId {
                device: stat.st_dev,
                inode: stat.st_ino,
            },
        })
    }

    /// Makes sure that from now on nobody, not even root, can write through anything but the writable mappings that
    /// exist already; and that no seal can be added any more.
    ///
    /// All writers must have mapped the memory before. Calling it again does nothing. Contract: S5.
    ///
    /// # Errors
    /// [`MemfdError::System`]: EPERM when the descriptor is read-only, or when another holder has forbidden further seals.
    pub fn seal_future_writes(&self) -> Result<(), MemfdError> {
        let wanted = SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        if self.inspect()?.seals.contains(wanted) {
            return Ok(());
        }
        self.add_seals(wanted)
    }

    /// Opens the same memory again, as a read-only description that is closed on exec.
    ///
    /// This is what consumers get; without [`Memfd::seal_future_writes`] they can undo it.
    ///
    /// # Errors
    /// [`MemfdError::System`]: ENOENT where `/proc` is not mounted, EACCES when the memory belongs to another user who
    /// allows no reading, EMFILE when out of descriptors, EAGAIN while somebody holds a write lease on it.
    pub fn reopen_read_only(&self) -> Result<OwnedFd, MemfdError> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        // NONBLOCK changes nothing about memory, but without it a lease that somebody holds on it makes us wait for them.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::open(path, flags, Mode::empty()).map_err(system("open(/proc/self/fd)", &self.label))
    }

    /// What error texts call it.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

impl AsFd for Memfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Memfd> for OwnedFd {
    fn from(memfd: Memfd) -> Self {
        memfd.fd
    }
}

/// Creates with `MFD_NOEXEC_SEAL`, or without it on kernels before 6.3, which do not know the flag.
fn create_sealable<T>(create: impl Fn(MemfdFlags) -> Result<T, Errno>) -> Result<T, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match create(flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => create(flags),
        created => created,
    }
}

fn inode_label(inode: u64) -> String {
    format!("inode {inode}")
}

fn system(syscall: &'static str, memfd: &str) -> impl FnOnce(Errno) -> MemfdError {
    move |source| MemfdError::System {
        syscall,
        memfd: memfd.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_without_noexec_seal_still_gives_a_memfd() {
        let made = create_sealable(|flags| {
            if flags.contains(MemfdFlags::NOEXEC_SEAL) {
                Err(Errno::INVAL)
            } else {
                Ok(flags)
            }
        });
        assert_eq!(made, Ok(MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING));
    }

    #[test]
    fn running_out_of_descriptors_is_not_mistaken_for_an_old_kernel() {
        let made: Result<(), Errno> = create_sealable(|_| Err(Errno::MFILE));
        assert_eq!(made, Err(Errno::MFILE));
    }
}
