//! Doorbells: how one process makes another's descriptor readable, whatever that one does with it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Room in a bell, in bytes: the least there is. One byte is enough to be heard.
const ROOM_BYTES: usize = 4096;

/// One end of a doorbell.
///
/// A doorbell is a pipe. Each end is an open file description of its own, for reading and writing, that does not block. That makes it
/// safe between processes that do not trust each other:
/// - nobody can change the flags of another's end, so no call on it blocks;
/// - each end keeps the pipe open for both directions, so ringing never raises SIGPIPE, not even when everybody else is gone, and a
///   listener never sees a hang-up;
/// - a pipe carries no descriptors, so that silencing it closes nothing of a stranger's.
///
/// All that the holder of one end can do to the holder of the other is to ring without reason or to take a ring away. So a bell
/// has two parties, or three of which two are one side.
#[derive(Debug)]
pub struct BellEnd {
    fd: OwnedFd,
}

/// The reason why a doorbell could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed while making a doorbell: {source}")]
pub struct BellError {
    call: &'static str,
    source: Errno,
}

impl BellError {
    /// Returns the error number of the system call that failed.
    pub fn errno(&self) -> Errno {
        self.source
    }
}

impl BellEnd {
    /// Makes a doorbell with so many ends.
    ///
    /// # Errors
    /// [`BellError`]: EMFILE or ENFILE when out of descriptors, ENOENT where `/proc` is not to be had.
    pub fn make(ends: usize) -> Result<Vec<Self>, BellError> {
        let failed = |call| move |source| BellError { call, source };
        let (pipe, _other) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(failed("pipe2"))?;
        // What a pipe may take up counts for the user who made it. Where that user has too many, the kernel has made it small already.
        let _ = fcntl_setpipe_size(&pipe, ROOM_BYTES);
        let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = |_| rustix::fs::open(&path, flags, Mode::empty()).map_err(failed("open(/proc/self/fd)"));
        (0..ends).map(open).map(|fd| Ok(Self { fd: fd? })).collect()
    }

    /// Takes over an end that the broker sent.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Makes all ends readable, until somebody silences the bell. One system call; never blocks, never fails: a bell with no room
    /// has been rung.
    pub fn ring(&self) {
        let _ = retry_on_intr(|| rustix::io::write(&self.fd, &[0]));
    }

    /// Takes all rings back, or as many as fit into a new bell. Never blocks.
    pub fn silence(&self) {
        let mut rings = [0; ROOM_BYTES];
        let _ = retry_on_intr(|| rustix::io::read(&self.fd, &mut rings));
    }
}

impl AsFd for BellEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
