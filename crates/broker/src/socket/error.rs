//! Why a broker could not take a socket path.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::error::ServeError;

/// Why [`crate::Server::bind`] failed. Nothing was changed in the file system, except that a stale socket may be gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another broker holds the lock of this path. → EADDRINUSE
    #[error("another broker{} already serves {}: stop it or choose another path", by_pid(*pid), path.display())]
    AlreadyServed {
        /// The socket path asked for.
        path: PathBuf,
        /// Process id the other broker wrote into its lock file, if it could be read.
        pid: Option<u32>,
    },
    /// A program that is not a broker of this kind accepts connections on the path. → EADDRINUSE
    #[error("a program without a lock on {} accepts connections there: stop it or choose another path", path.display())]
    InUse {
        /// The socket path asked for.
        path: PathBuf,
    },
    /// Something other than a socket has this path. It is left alone. → ENOTSOCK
    #[error("{} exists and is not a socket: remove it or choose another path", path.display())]
    NotASocket {
        /// The socket path asked for.
        path: PathBuf,
    },
    /// The socket or its lock file belongs to another user. It is left alone. → EACCES
    #[error("{} belongs to user {owner_uid}, not to this broker's user {own_uid}: choose another path", path.display())]
    Foreign {
        /// The socket or lock file.
        path: PathBuf,
        /// User id it belongs to.
        owner_uid: u32,
        /// User id of this process.
        own_uid: u32,
    },
    /// The path does not fit into a socket address. → ENAMETOOLONG
    #[error("socket path {} has {length_bytes} bytes, but a socket address holds at most {MAX_PATH_BYTES}: choose a shorter path", path.display())]
    PathTooLong {
        /// The socket path asked for.
        path: PathBuf,
        /// Its length in bytes.
        length_bytes: usize,
    },
    /// The broker could not be set up. → the system's own errno
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system refused a step. → the system's own errno
    #[error("cannot {action} {}: {errno}", path.display())]
    System {
        /// What was tried, such as "create the socket".
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the system said.
        errno: Errno,
    },
}

/// Longest path of a Unix socket address in bytes: `sun_path` without its final NUL.
pub(super) const MAX_PATH_BYTES: usize = 107;

impl BindError {
    /// The Linux error number for this cause.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::AlreadyServed { .. } | Self::InUse { .. } => Errno::ADDRINUSE,
            Self::NotASocket { .. } => Errno::NOTSOCK,
            Self::Foreign { .. } => Errno::ACCESS,
            Self::PathTooLong { .. } => Errno::NAMETOOLONG,
            Self::Serve(error) => error.errno(),
            Self::System { errno, .. } => *errno,
        }
    }
}

fn by_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
