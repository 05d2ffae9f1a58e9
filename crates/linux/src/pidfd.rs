//! Handles to processes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A handle to one process, which becomes readable for poll and epoll when that process has died.
///
/// Unlike a process number it never comes to mean another process.
///
/// # Pid re-use
/// Only [`PidFd::open`] trusts a number. Between learning it (`SO_PEERCRED` says who connected) and opening it,
/// that process may die and its number may be given to another. To close the gap, open the pidfd first and look at
/// the socket afterwards: if it has not hung up by then, the process that holds its other end was still alive, and
/// with it its number. What remains is a peer that passed its end on to another process before dying; such a session
/// still ends when the socket hangs up, so watch both.
///
/// # References
/// `pidfd_open(2)`.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
}

/// The reason why a process handle could not be opened or asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PidFdError {
    /// The process could not be opened; ESRCH when it does not exist (any more).
    #[error("pidfd_open of process {pid} failed: {source}")]
    Open {
        /// The process number.
        pid: i32,
        /// What the kernel answered.
        source: Errno,
    },
    /// The kernel could not say whether the process lives.
    #[error("poll of a process handle failed: {source}")]
    Poll {
        /// What the kernel answered.
        source: Errno,
    },
}

impl PidFdError {
    /// Returns the error number of the system call that failed.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Open { source, .. } | Self::Poll { source } => *source,
        }
    }
}

/// A descriptor that [`PidFd::from_fd`] refused because it is not a process handle.
#[derive(Debug, thiserror::Error)]
#[error("descriptor is not a process handle (waitid: {source}); the sender must pass a pidfd")]
pub struct NotAPidFd {
    source: Errno,
    fd: OwnedFd,
}

impl NotAPidFd {
    /// Returns EBADF, as the kernel does when something else is used as a pidfd.
    pub fn errno(&self) -> Errno {
        Errno::BADF
    }

    /// Gives the refused descriptor back.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl PidFd {
    /// Opens the process with number `pid`; mind the race described at [`PidFd`].
    ///
    /// # Errors
    /// [`PidFdError::Open`]: ESRCH when there is no such process, EMFILE when out of descriptors.
    pub fn open(pid: Pid) -> Result<Self, PidFdError> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Self { fd }),
            Err(source) => Err(PidFdError::Open {
                pid: pid.as_raw_nonzero().get(),
                source,
            }),
        }
    }

    /// Takes over a process handle that came from elsewhere.
    ///
    /// # Errors
    /// [`NotAPidFd`] (EBADF) gives the descriptor back if it is anything else.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, NotAPidFd> {
        // NOWAIT leaves a dead child's status in place for whoever reaps it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(fd.as_fd()), options) {
            // "Not your child" comes after the kernel has accepted the descriptor as a process handle.
            Ok(_) | Err(Errno::CHILD) => Ok(Self { fd }),
            Err(source) => Err(NotAPidFd { source, fd }),
        }
    }

    /// Says whether the process has died, reaped by its parent or not. Never blocks.
    ///
    /// # Errors
    /// [`PidFdError::Poll`]: ENOMEM when the kernel is out of memory.
    pub fn is_dead(&self) -> Result<bool, PidFdError> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&NO_WAIT)) {
                Ok(_) => return Ok(fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP)),
                Err(Errno::INTR) => {}
                Err(source) => return Err(PidFdError::Poll { source }),
            }
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PidFd> for OwnedFd {
    fn from(pidfd: PidFd) -> Self {
        pidfd.fd
    }
}
