//! Fences of the kernel, as files.
//!
//! | file | what it holds |
//! |---|---|
//! | here | [`SyncFile`]: what it tells, waiting, merging |
//! | `bridge` | such a file as a fence of the framework, and back |
//! | `watch` | the one thread that waits for all of them |
//!
//! Reference: drivers/dma-buf/sync_file.c, v6.12.

mod bridge;
mod watch;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wharf_core::{Deadline, FenceStatus, WaitError};
use wharf_memory::{ioctl, now_ns};

pub use bridge::BridgeError;

use crate::kernel_error::{KernelError, WrongDescriptor};

/// How long a wait rests before it asks a kernel again that has no memory to answer.
const PAUSE: Duration = Duration::from_millis(1);

/// One or more fences of the kernel: readable for poll and epoll when all of them are signaled.
///
/// # Invariants
/// The descriptor answered as a file of fences. What it stands for never changes.
#[derive(Debug)]
pub struct SyncFile {
    fd: OwnedFd,
}

/// What the kernel tells of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncFileInfo {
    /// Its name: given by whoever merged it, or made of its fence.
    pub name: String,
    /// That of all fences together.
    pub status: FenceStatus,
    /// Each of its fences.
    pub fences: Vec<SyncFence>,
}

/// One fence of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncFence {
    /// Whose fence it is.
    pub driver: String,
    /// Of which timeline. Since v7.3 the kernel no longer tells either of a signaled fence.
    pub timeline: String,
    /// How far it is.
    pub status: FenceStatus,
    /// When it was signaled, in nanoseconds of `CLOCK_MONOTONIC`.
    pub signaled_at_ns: Option<u64>,
}

impl SyncFile {
    /// Takes over a descriptor that may be a file of fences.
    ///
    /// # Errors
    /// [`WrongDescriptor`] (EINVAL, EBADF) gives it back if it is anything else.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, WrongDescriptor> {
        match ioctl::ask(&fd) {
            Ok(_) => Ok(Self { fd }),
            Err(source) => Err(WrongDescriptor {
                wanted: "file of fences (sync_file)",
                source,
                fd,
            }),
        }
    }

    /// Another descriptor of the same file.
    ///
    /// # Errors
    /// [`KernelError`]: EMFILE.
    pub fn try_clone(&self) -> Result<Self, KernelError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))?;
        Ok(Self { fd })
    }

    /// What the kernel tells of it and of its fences.
    ///
    /// # Errors
    /// [`KernelError`]: ENOMEM.
    pub fn info(&self) -> Result<SyncFileInfo, KernelError> {
        let known = ioctl::ask(&self.fd).map_err(failed("SYNC_IOC_FILE_INFO"))?;
        let fence = |fence: &wharf_uapi::sync_file::FenceInfo| SyncFence {
            driver: text(&fence.driver_name),
            timeline: text(&fence.obj_name),
            status: status(fence.status),
            signaled_at_ns: (fence.status != 0).then_some(fence.timestamp_ns),
        };
        Ok(SyncFileInfo {
            name: text(&known.file.name),
            status: status(known.file.status),
            fences: known.fences.iter().map(fence).collect(),
        })
    }

    /// Makes a file of the fences of both: of each timeline the later one. `name` is cut to 31 bytes.
    ///
    /// # Errors
    /// [`KernelError`]: EMFILE, ENOMEM.
    pub fn merge(&self, other: &Self, name: &str) -> Result<Self, KernelError> {
        let mut bytes = [0; 32];
        let len_bytes = name.len().min(bytes.len() - 1);
        bytes[..len_bytes].copy_from_slice(&name.as_bytes()[..len_bytes]);
        let fd = ioctl::merge(&self.fd, &other.fd, bytes).map_err(failed("SYNC_IOC_MERGE"))?;
        Ok(Self { fd })
    }

    /// Whether all of its fences are signaled, with an error or without. Never blocks.
    pub fn is_signaled(&self) -> bool {
        // Without memory to ask there is nobody who could say that it is.
        matches!(self.poll(Some(Duration::ZERO)), Ok(true))
    }

    /// Waits until all of its fences are signaled. Who wants to be able to interrupt that waits for [`SyncFile::fence`].
    ///
    /// # Blocking
    /// Until `deadline`. Signals do not end it.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`]: ETIMEDOUT.
    pub fn wait(&self, deadline: Deadline) -> Result<(), WaitError> {
        loop {
            let left = match deadline {
                Deadline::Now => Some(Duration::ZERO),
                Deadline::At(moment) => Some(moment.saturating_duration_since(Instant::now())),
                Deadline::Never => None,
            };
            match self.poll(left) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Out of memory: for now.
                Err(_) => std::thread::sleep(PAUSE),
            }
            if left == Some(Duration::ZERO) {
                return Err(WaitError::TimedOut);
            }
        }
    }

    /// Tells the drivers until when the fences would best be signaled: a hint, which they may ignore.
    ///
    /// # Errors
    /// [`KernelError`]: ENOTTY before v6.6.
    pub fn set_deadline(&self, deadline: Instant) -> Result<(), KernelError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left_ns = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        ioctl::hint_deadline(&self.fd, now_ns().saturating_add(left_ns))
            .map_err(failed("SYNC_IOC_SET_DEADLINE"))
    }

    /// Whether it is over within `patience`: readable, or nobody is there any more who could make it so.
    fn poll(&self, patience: Option<Duration>) -> Result<bool, Errno> {
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok(!fds[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// With which error its work went wrong, once it is over.
    fn error(&self) -> Option<wharf_core::Errno> {
        match self.info() {
            Ok(info) => info.status.error(),
            // Readable or hung up, and nobody answers: whoever stood in for the kernel is gone.
            Err(_) => Some(wharf_core::Errno::EOWNERDEAD),
        }
    }
}

impl AsFd for SyncFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<SyncFile> for OwnedFd {
    fn from(file: SyncFile) -> Self {
        file.fd
    }
}

fn failed(call: &'static str) -> impl FnOnce(Errno) -> KernelError {
    move |source| KernelError::new(call, "a file of fences", source)
}

/// 0: pending, 1: signaled, below: an error.
fn status(raw: i32) -> FenceStatus {
    match raw {
        0 => FenceStatus::Unsignaled,
        1.. => FenceStatus::Signaled,
        _ => FenceStatus::Failed(wharf_core::Errno::new(raw.saturating_neg())),
    }
}

/// The text before the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_as_the_kernel_numbers_it() {
        assert_eq!(status(0), FenceStatus::Unsignaled);
        assert_eq!(status(1), FenceStatus::Signaled);
        assert_eq!(status(-5), FenceStatus::Failed(wharf_core::Errno::EIO));
    }

    #[test]
    fn texts_end_at_the_first_zero() {
        assert_eq!(text(b"vgem\0rest"), "vgem");
        assert_eq!(text(b"full"), "full");
    }

    #[test]
    fn what_is_no_file_of_fences_comes_back() {
        let (end, _other) = rustix::pipe::pipe().unwrap();
        let refused = SyncFile::from_fd(end).unwrap_err();
        assert_eq!(refused.errno(), Errno::INVAL);
        let memory = crate::Memfd::create("memory", 4096).unwrap();
        assert_eq!(
            SyncFile::from_fd(memory.into()).unwrap_err().errno(),
            Errno::INVAL
        );
    }
}
