//! Why a memfd could not be made, checked or sealed.

use std::os::fd::OwnedFd;

use rustix::fs::SealFlags;
use rustix::io::Errno;

/// The reason why a memfd could not be created, imported, sealed or opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemfdError {
    /// The name is longer than the kernel takes, or contains a NUL byte.
    #[error(
        "memfd name is {len_bytes} bytes long or contains a NUL byte; use at most {max_bytes} bytes without NUL"
    )]
    Name {
        /// Length of the refused name in bytes.
        len_bytes: usize,
        /// The longest name allowed, in bytes.
        max_bytes: usize,
    },
    /// The size is zero, not a multiple of the page unit, or more than a file can have.
    #[error(
        "memfd '{memfd}' cannot have {size_bytes} bytes; use a multiple of {page_bytes} bytes from {page_bytes} to {max_bytes}"
    )]
    Size {
        /// Name of the memfd.
        memfd: String,
        /// The size asked for, in bytes.
        size_bytes: u64,
        /// The unit of sizes, in bytes.
        page_bytes: u64,
        /// The largest size, in bytes.
        max_bytes: u64,
    },
    /// The descriptor is not memory that can be sealed: a file on a disk, a pipe, a socket.
    #[error("descriptor '{object}' is not a memfd (F_GET_SEALS: {source}); the sender must pass a memfd")]
    NotAMemfd {
        /// What the descriptor is known as.
        object: String,
        /// What the kernel answered.
        source: Errno,
    },
    /// The descriptor cannot be read: it was opened with `O_PATH` or for writing only.
    #[error("memfd '{memfd}' cannot be read through its descriptor; the sender must open it for reading")]
    NotReadable {
        /// What the memfd is known as.
        memfd: String,
    },
    /// Seals are missing, so that the sender could change the memory under the receiver's feet.
    #[error("memfd '{memfd}' lacks the seals {missing:?}; the sender must add them before passing it on")]
    Unsealed {
        /// What the memfd is known as.
        memfd: String,
        /// The seals that are required and absent.
        missing: SealFlags,
    },
    /// A system call failed.
    #[error("{syscall} on memfd '{memfd}' failed: {source}")]
    System {
        /// The call that failed.
        syscall: &'static str,
        /// What the memfd is known as.
        memfd: String,
        /// What the kernel answered.
        source: Errno,
    },
}

impl MemfdError {
    /// Returns the error number that Linux gives for the same cause; for seals and foreign descriptors that is what
    /// udmabuf answers.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Name { .. } | Self::Size { .. } | Self::Unsealed { .. } => Errno::INVAL,
            Self::NotAMemfd { .. } => Errno::BADFD,
            Self::NotReadable { .. } => Errno::BADF,
            Self::System { source, .. } => *source,
        }
    }
}

/// A descriptor that [`Memfd::from_fd`](crate::Memfd::from_fd) refused, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ImportError {
    cause: MemfdError,
    fd: OwnedFd,
}

impl ImportError {
    pub(crate) fn new(cause: MemfdError, fd: OwnedFd) -> Self {
        Self { cause, fd }
    }

    /// Returns why the descriptor was refused.
    pub fn cause(&self) -> &MemfdError {
        &self.cause
    }

    /// Returns the error number of the cause.
    pub fn errno(&self) -> Errno {
        self.cause.errno()
    }

    /// Gives the refused descriptor back.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl From<ImportError> for MemfdError {
    fn from(refused: ImportError) -> Self {
        refused.cause
    }
}
