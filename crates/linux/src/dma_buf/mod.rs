//! Dma-bufs of the kernel, whoever exports them: a heap, udmabuf, a camera, a graphics driver.
//!
//! | file | what it holds |
//! |---|---|
//! | here | [`KernelBuffer`]: a descriptor that was found to be a dma-buf; its size, identity, names, mapping and fences |
//! | `bracket` | [`Bracket`]: access by the CPU that was begun and will be ended |
//! | `fdinfo` | what `/proc` tells of it |
//! | `exporter` | [`ImportedBuffer`]: such a buffer as one of the framework |
//!
//! Reference: drivers/dma-buf/dma-buf.c, v6.12.

mod bracket;
mod exporter;
mod fdinfo;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;
use wharf_core::{AccessMode, BufferName, Usage};
use wharf_memory::{Access, MapError, Mapping, ioctl, is_dma_buf};
use wharf_uapi::dma_buf::{SYNC_READ, SYNC_WRITE};

pub use bracket::Bracket;
pub use exporter::{ImportBufferError, ImportedBuffer};
pub use fdinfo::KernelNames;

use crate::SealFlags;
use crate::kernel_error::{KernelError, WrongDescriptor};
use crate::sync_file::SyncFile;

/// A dma-buf of the kernel.
///
/// # Invariants
/// The descriptor is a dma-buf of the kernel; or one of `wharf run`, which is a memory file that cannot shrink. So its size is fixed for life. Contract: B1.
#[derive(Debug)]
pub struct KernelBuffer {
    fd: OwnedFd,
    size_bytes: u64,
    access: AccessMode,
    id: KernelBufferId,
    is_emulated: bool,
}

/// The identity of a dma-buf: equal for all descriptors of the same buffer, and for no others while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelBufferId {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it; the kernel never gives one twice.
    pub inode: u64,
}

impl KernelBuffer {
    /// Takes over a descriptor that may be a dma-buf.
    ///
    /// # Errors
    /// [`WrongDescriptor`] (EINVAL, as the kernel answers importers; EBADF for one opened with `O_PATH`) gives it back if it is anything else.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, WrongDescriptor> {
        match examine(fd.as_fd()) {
            Ok((size_bytes, access, id, is_emulated)) => Ok(Self {
                fd,
                size_bytes,
                access,
                id,
                is_emulated,
            }),
            Err(source) => Err(WrongDescriptor {
                wanted: "dma-buf",
                source,
                fd,
            }),
        }
    }

    /// Its size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What all its descriptors allow: they are one open file description.
    pub fn access(&self) -> AccessMode {
        self.access
    }

    /// Which buffer it is.
    pub fn id(&self) -> KernelBufferId {
        self.id
    }

    /// Whether `wharf run` stands in for the kernel here.
    pub fn is_emulated(&self) -> bool {
        self.is_emulated
    }

    /// Another descriptor of the same buffer.
    ///
    /// # Errors
    /// [`KernelError`]: EMFILE.
    pub fn try_clone(&self) -> Result<Self, KernelError> {
        let fd =
            rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).map_err(self.failed("fcntl(F_DUPFD_CLOEXEC)"))?;
        Ok(Self { fd, ..*self })
    }

    /// What `/proc` tells of it: who exported it, what it is called, and how many references there are.
    ///
    /// # Errors
    /// [`KernelError`]: ENOENT where `/proc` is not to be had; EOPNOTSUPP for a buffer of `wharf run`, of which it does not tell.
    pub fn names(&self) -> Result<KernelNames, KernelError> {
        fdinfo::read(self.fd.as_fd()).map_err(self.failed("reading fdinfo"))
    }

    /// Gives it a name, for everybody who has it.
    ///
    /// # Errors
    /// [`KernelError`]: what the kernel answers.
    pub fn set_name(&self, name: &BufferName) -> Result<(), KernelError> {
        // A name of a buffer has no zero in it.
        let text = CString::new(name.as_str()).map_err(|_| self.failed("DMA_BUF_SET_NAME")(Errno::INVAL))?;
        ioctl::set_name(&self.fd, &text).map_err(self.failed("DMA_BUF_SET_NAME"))
    }

    /// Maps all of it into this process. See [`Mapping::map_dma_buf`] for what can be said of its pages.
    ///
    /// # Errors
    /// [`MapError`]: EACCES for writing where [`KernelBuffer::access`] says no, EINVAL when its exporter maps nothing, ENOMEM.
    pub fn map(&self, access: AccessMode) -> Result<Mapping, MapError> {
        let len_bytes = usize::try_from(self.size_bytes).map_err(|_| MapError::Os {
            call: "mmap",
            wanted_bytes: usize::MAX,
            errno: Errno::NOMEM,
        })?;
        let access = match access {
            AccessMode::ReadOnly => Access::ReadOnly,
            AccessMode::ReadWrite => Access::ReadWrite,
        };
        if self.is_emulated {
            return Mapping::map(&self.fd, len_bytes, access);
        }
        Mapping::map_dma_buf(&self.fd, len_bytes, access)
    }

    /// The fences that an access has to wait for now: [`Usage::Write`] gives those of writers, whom readers wait for; [`Usage::Read`] those of
    /// readers too, whom writers wait for.
    ///
    /// # Errors
    /// [`KernelError`]: EMFILE, ENOMEM; ENOTTY before v6.0; EINVAL for other usages, which the kernel does not tell of.
    pub fn fences(&self, usage: Usage) -> Result<SyncFile, KernelError> {
        let flags = match usage {
            Usage::Write => SYNC_READ,
            Usage::Read => SYNC_WRITE,
            _ => return Err(self.failed("DMA_BUF_IOCTL_EXPORT_SYNC_FILE")(Errno::INVAL)),
        };
        let fd =
            ioctl::take_fences(&self.fd, flags).map_err(self.failed("DMA_BUF_IOCTL_EXPORT_SYNC_FILE"))?;
        SyncFile::from_fd(fd).map_err(|error| self.failed("DMA_BUF_IOCTL_EXPORT_SYNC_FILE")(error.errno()))
    }

    /// Whether no fence is pending, as far as one cheap look tells. No says nothing: the kernel answers one who polls at a time.
    pub(crate) fn is_idle(&self) -> bool {
        if self.is_emulated {
            return false;
        }
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        let seen = poll(&mut fds, Some(&Timespec::default()));
        seen.is_ok() && fds[0].revents() == PollFlags::OUT
    }

    /// Has everybody who accesses the buffer later wait for `fences`, of the kernel's devices too: as for a writer ([`Usage::Write`]) or a
    /// reader ([`Usage::Read`]).
    ///
    /// # Errors
    /// [`KernelError`]: ENOMEM; ENOTTY before v6.0; EINVAL for other usages.
    pub fn add_fences(&self, fences: &SyncFile, usage: Usage) -> Result<(), KernelError> {
        let failed = self.failed("DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
        let flags = match usage {
            Usage::Write => SYNC_WRITE,
            Usage::Read => SYNC_READ,
            _ => return Err(failed(Errno::INVAL)),
        };
        ioctl::add_fences(&self.fd, flags, fences).map_err(failed)
    }

    pub(crate) fn failed(&self, call: &'static str) -> impl Fn(Errno) -> KernelError + use<> {
        let (inode, size_bytes) = (self.id.inode, self.size_bytes);
        move |source| {
            KernelError::new(
                call,
                format!("dma-buf inode {inode} ({size_bytes} bytes)"),
                source,
            )
        }
    }
}

impl AsFd for KernelBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<KernelBuffer> for OwnedFd {
    fn from(buffer: KernelBuffer) -> Self {
        buffer.fd
    }
}

type Examined = (u64, AccessMode, KernelBufferId, bool);

/// Finds out whether it is a dma-buf, and what the kernel says about it.
fn examine(fd: BorrowedFd<'_>) -> Result<Examined, Errno> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    if flags.contains(OFlags::PATH) {
        return Err(Errno::BADF);
    }
    let access = match flags & OFlags::ACCMODE {
        OFlags::RDWR => AccessMode::ReadWrite,
        _ => AccessMode::ReadOnly,
    };
    let is_emulated = !is_dma_buf(fd);
    if is_emulated && !is_answered_for(fd) {
        return Err(Errno::INVAL);
    }
    let stat = rustix::fs::fstat(fd)?;
    let id = KernelBufferId {
        device: stat.st_dev,
        inode: stat.st_ino,
    };
    Ok((rustix::fs::seek(fd, SeekFrom::End(0))?, access, id, is_emulated))
}

/// Whether somebody answers for a memory file as for a dma-buf, as `wharf run` does. The kernel itself knows no call on memory files.
fn is_answered_for(fd: BorrowedFd<'_>) -> bool {
    let seals = rustix::fs::fcntl_get_seals(fd);
    let cannot_shrink = seals.is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
    // Flags that mean nothing are refused by a dma-buf and change nothing.
    cannot_shrink && ioctl::begin_or_end_access(fd, 0) == Err(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memfd;

    fn refusal(fd: impl Into<OwnedFd>) -> WrongDescriptor {
        KernelBuffer::from_fd(fd.into()).unwrap_err()
    }

    #[test]
    fn what_is_no_dma_buf_comes_back() {
        let memory = Memfd::create("memory", 4096).unwrap();
        let inode = memory.inspect().unwrap().id.inode;
        let refused = refusal(memory);
        assert_eq!(refused.errno(), Errno::INVAL);
        assert!(refused.to_string().contains("no dma-buf"), "{refused}");
        let stat = rustix::fs::fstat(refused.into_fd()).unwrap();
        assert_eq!(stat.st_ino, inode);
        let (end, _other) = rustix::pipe::pipe().unwrap();
        assert_eq!(refusal(end).errno(), Errno::INVAL);
        assert_eq!(
            refusal(std::fs::File::open("/dev/null").unwrap()).errno(),
            Errno::INVAL
        );
    }

    #[test]
    fn descriptor_that_can_do_nothing_is_bad() {
        let path = rustix::fs::open(
            "/dev/null",
            OFlags::PATH | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        assert_eq!(refusal(path.unwrap()).errno(), Errno::BADF);
    }
}
