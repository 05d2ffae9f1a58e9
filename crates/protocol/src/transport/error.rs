//! What can go wrong on the way between client and broker.

use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use crate::BrokerError;
use crate::codec::EncodeError;

/// Why no connection to a broker could be made. Each says how to get one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing has this path. `ENOENT`.
    #[error("no broker at {}: start one with `wharf serve`, or set WHARF_SOCKET to the path of a running one", path.display())]
    NotFound {
        /// The path tried.
        path: PathBuf,
    },
    /// The path exists, but nobody accepts connections on it. `ECONNREFUSED`.
    #[error("nobody listens on {}: it was left behind by a broker that is gone, or is no socket", path.display())]
    NobodyListens {
        /// The path tried.
        path: PathBuf,
    },
    /// The path is a socket, but no stream socket. `EPROTOTYPE`.
    #[error("{} is a socket of another kind, not a broker's", path.display())]
    Foreign {
        /// The path tried.
        path: PathBuf,
    },
    /// The caller may not connect to the path. `EACCES`.
    #[error("no permission to connect to {}: it belongs to another user's broker", path.display())]
    Forbidden {
        /// The path tried.
        path: PathBuf,
    },
    /// The path does not fit into a socket address. `ENAMETOOLONG`.
    #[error("socket path {} has {length_bytes} bytes, but a socket address holds at most 107", path.display())]
    PathTooLong {
        /// The path tried.
        path: PathBuf,
        /// Its length, in bytes.
        length_bytes: usize,
    },
    /// The broker did not accept the connection in time. `ETIMEDOUT`.
    #[error("the broker at {} did not accept a connection within {deadline:?}", path.display())]
    Timeout {
        /// The path tried.
        path: PathBuf,
        /// How long it was tried.
        deadline: Duration,
    },
    /// The system refused. The errno it gave.
    #[error("cannot connect to {}: {errno}", path.display())]
    Os {
        /// The path tried.
        path: PathBuf,
        /// What the system said.
        errno: Errno,
    },
}

impl ConnectError {
    /// Returns the Linux error number of this cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotFound { .. } => Errno::NOENT,
            Self::NobodyListens { .. } => Errno::CONNREFUSED,
            Self::Foreign { .. } => Errno::PROTOTYPE,
            Self::Forbidden { .. } => Errno::ACCESS,
            Self::PathTooLong { .. } => Errno::NAMETOOLONG,
            Self::Timeout { .. } => Errno::TIMEDOUT,
            Self::Os { errno, .. } => *errno,
        }
    }
}

/// Why one read or write on a socket did nothing, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// There is nothing to read, or no room to write. Try again when the socket is ready. `EAGAIN`.
    #[error("the socket is not ready")]
    WouldBlock,
    /// The peer hung up. `EPIPE`.
    #[error("the peer hung up")]
    Disconnected,
    /// Descriptors that came with the data could not be received, because there were more than expected or because
    /// this process has too many open. Those that could were closed again. `EMFILE`.
    #[error(
        "file descriptors of the peer were lost: more came than were expected, or this process has too many open"
    )]
    DescriptorsLost {
        /// How many bytes were read nevertheless.
        bytes: usize,
    },
    /// The system refused. The errno it gave.
    #[error("the socket failed: {0}")]
    Os(Errno),
}

impl SocketError {
    /// Returns the Linux error number of this cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::WouldBlock => Errno::AGAIN,
            Self::Disconnected => Errno::PIPE,
            Self::DescriptorsLost { .. } => Errno::MFILE,
            Self::Os(errno) => *errno,
        }
    }
}

impl From<Errno> for SocketError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Disconnected,
            other => Self::Os(other),
        }
    }
}

/// Why a call to the broker gave no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The broker refused the call. [That error's errno](BrokerError::errno).
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker did not answer in time. It may still carry out the call; later calls work as usual. `ETIMEDOUT`.
    #[error("the broker did not answer {method} within {deadline:?}")]
    Timeout {
        /// The method called.
        method: &'static str,
        /// How long the caller was willing to wait.
        deadline: Duration,
    },
    /// The broker hung up or died, or the connection broke before. Every later call fails the same way. `EPIPE`.
    #[error("the broker is gone, {method} was not answered; memory already mapped stays valid")]
    BrokerGone {
        /// The method called.
        method: &'static str,
    },
    /// What came is not a broker's answer to this call. `EPROTO`.
    #[error("the answer to {method} cannot be used: {reason}; is this really a broker of this version?")]
    Protocol {
        /// The method called.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// File descriptors of the answer could not be received: this process has too many open. The broker carried
    /// out the call. `EMFILE`.
    #[error(
        "file descriptors of the answer to {method} were lost: this process has too many open (ulimit -n)"
    )]
    DescriptorsLost {
        /// The method called.
        method: &'static str,
        /// The answer, to be read with [`decode_reply`](crate::codec::decode_reply): what the broker granted can be given back.
        reply: Vec<u8>,
    },
    /// The call cannot be sent. `EMSGSIZE`.
    #[error("{method} cannot be sent")]
    Unsendable {
        /// The method called.
        method: &'static str,
        /// Why.
        source: EncodeError,
    },
    /// The system refused. The errno it gave.
    #[error("cannot talk to the broker, {method} failed: {errno}")]
    Os {
        /// The method called.
        method: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

impl CallError {
    /// Returns the Linux error number of this cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Broker(error) => error.errno(),
            Self::Timeout { .. } => Errno::TIMEDOUT,
            Self::BrokerGone { .. } => Errno::PIPE,
            Self::Protocol { .. } => Errno::PROTO,
            Self::DescriptorsLost { .. } => Errno::MFILE,
            Self::Unsendable { .. } => Errno::MSGSIZE,
            Self::Os { errno, .. } => *errno,
        }
    }
}
