//! What can go wrong, by family of operations.

use crate::socket_path::NoSocketPath;
use rustix::io::Errno;
use std::fmt;
use std::time::Duration;
use wharf_core::negotiation::Report;
use wharf_linux::{HeapError, MemfdError, NotAPidFd};
use wharf_memory::{MapError, WordsError};
use wharf_protocol::BrokerError;
use wharf_protocol::transport::{CallError, ConnectError};
use wharf_stream::{Corrupt, TooMuchUserData};

/// Why something could not be had from the broker: a session, buffers, a stream, a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// It is not known where the broker is.
    #[error(transparent)]
    NoSocketPath(#[from] NoSocketPath),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refused, is gone, or did not answer in time.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The broker answered with another number of descriptors than it must. Blame: the broker.
    #[error("{method} brought {got} file descriptors, not {expected}: the broker speaks another protocol")]
    Descriptors {
        /// The method called.
        method: &'static str,
        /// Descriptors the reply must bring.
        expected: usize,
        /// Descriptors it brought.
        got: usize,
    },
    /// A shared page could not be made or mapped.
    #[error("cannot use the shared {page} page: {source}")]
    Page {
        /// Which page.
        page: &'static str,
        /// The cause.
        source: PageError,
    },
    /// A buffer could not be mapped or is not what was promised.
    #[error("cannot use buffer {index} of {name}: {source}")]
    Buffer {
        /// The set's or stream's name.
        name: String,
        /// Which buffer of it, from 0.
        index: usize,
        /// The cause.
        source: BufferError,
    },
    /// The stream's or timeline's pages follow another layout than this library: its producer is of another version.
    #[error("{stream} is produced by an incompatible version of wharf: its pages are laid out differently")]
    Incompatible {
        /// The stream or timeline.
        stream: String,
    },
    /// What an event loop waits for could not be set up.
    #[error("cannot watch a stream with epoll: {0}")]
    Watch(#[from] Errno),
    /// The buffers given to a stream are not writable here: they were imported.
    #[error("a stream needs buffers that this process allocated; {name} was imported and is read-only")]
    NotWritable {
        /// The set's name.
        name: String,
    },
}

/// Why a buffer the broker sent could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// Its memory could not be taken over.
    #[error(transparent)]
    Memory(#[from] HeapError),
    /// It is not as large as the broker said. Blame: the broker.
    #[error("it has {actual_bytes} bytes, not the {size_bytes} the broker promised")]
    Size {
        /// Bytes it has.
        actual_bytes: u64,
        /// Bytes promised.
        size_bytes: u64,
    },
}

impl BufferError {
    fn errno(&self) -> Errno {
        match self {
            Self::Memory(error) => error.errno(),
            Self::Size { .. } => Errno::PROTO,
        }
    }
}

/// Why a shared page could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The broker did not send it.
    #[error("the broker sent no descriptor for it")]
    Missing,
    /// The memory file could not be created or sealed.
    #[error(transparent)]
    Memfd(#[from] MemfdError),
    /// It could not be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It is too short for its layout.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// What the broker passed on as a process is none.
    #[error(transparent)]
    PidFd(#[from] NotAPidFd),
}

impl SessionError {
    /// The report of why memory does not suit, if that is the reason.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Call(CallError::Broker(BrokerError::Refused { report, .. })) => Some(&report.0),
            _ => None,
        }
    }

    /// The error number for the cause: the broker's own, that of the failed system call, or `EPROTO` when the broker
    /// broke the protocol.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoSocketPath(_) => Errno::NOENT,
            Self::Connect(error) => error.errno(),
            Self::Call(error) => error.errno(),
            Self::Descriptors { .. } | Self::Incompatible { .. } => Errno::PROTO,
            Self::Page { source, .. } => source.errno(),
            Self::Buffer { source, .. } => source.errno(),
            Self::Watch(errno) => *errno,
            Self::NotWritable { .. } => Errno::ACCESS,
        }
    }
}

impl PageError {
    fn errno(&self) -> Errno {
        match self {
            Self::Memfd(error) => error.errno(),
            Self::Missing => Errno::PROTO,
            Self::Map(error) => error.errno(),
            Self::Words(_) => Errno::PROTO,
            Self::PidFd(error) => error.errno(),
        }
    }
}

/// A consumer that keeps the producer waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockingConsumer {
    /// What it calls itself.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// Frames it has: queued for it, held by it, or lent by it and not done.
    pub frames: usize,
}

impl fmt::Display for BlockingConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}) has {}", self.label, self.pid, self.frames)
    }
}

fn list(consumers: &[BlockingConsumer]) -> String {
    if consumers.is_empty() {
        return "work of the producer itself goes on in them".to_owned();
    }
    consumers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why the producer got no buffer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Consumers had all buffers, or one that takes every frame had as many as it may, for the whole time.
    #[error("no free buffer in {stream} within {waited:?}: {}", list(.consumers))]
    TimedOut {
        /// The stream.
        stream: String,
        /// How long the call waited.
        waited: Duration,
        /// Who has frames; nobody if only work of this process goes on in the buffers.
        consumers: Vec<BlockingConsumer>,
    },
    /// Only the caller can end the wait: it has buffers in hand and consumers have none.
    #[error(
        "the producer itself has {in_hand} of the {count} buffers of {stream} in hand, as many as it may: publish or drop one"
    )]
    AllInHand {
        /// The stream.
        stream: String,
        /// Buffers acquired and not yet published.
        in_hand: usize,
        /// The stream's number of buffers.
        count: usize,
    },
    /// The async runtime does not watch the stream any more.
    #[error("the runtime stopped watching {stream}: {source}")]
    Runtime {
        /// The stream.
        stream: String,
        /// What the runtime says.
        source: std::io::Error,
    },
}

impl AcquireError {
    /// `EAGAIN` for a time-out, as a non-blocking `VIDIOC_DQBUF`; `EBUSY` when all buffers are in hand; what a runtime says, or `EIO`.
    pub fn errno(&self) -> Errno {
        match self {
            Self::TimedOut { .. } => Errno::AGAIN,
            Self::AllInHand { .. } => Errno::BUSY,
            Self::Runtime { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
        }
    }
}

/// Why the contents of a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadyError {
    /// They were not there within the time the caller gave. Wait again.
    #[error("the contents of frame {seq} were not there within {waited:?}")]
    TimedOut {
        /// The frame's number.
        seq: u64,
        /// How long the call waited.
        waited: Duration,
    },
    /// The producer's work on them failed, or it died before they were there. Blame: the producer, or its device.
    #[error("the contents of frame {seq} are bad: {errno}; drop it")]
    Bad {
        /// The frame's number.
        seq: u64,
        /// What the producer says; `EOWNERDEAD` if it died.
        errno: wharf_core::Errno,
    },
}

impl ReadyError {
    /// `ETIMEDOUT`, or what the producer says.
    pub fn errno(&self) -> Errno {
        match self {
            Self::TimedOut { .. } => Errno::TIMEDOUT,
            Self::Bad { errno, .. } => Errno::from_raw_os_error(errno.raw()),
        }
    }
}

/// Why a frame could not be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The frame was acquired from another stream.
    #[error("the frame belongs to another stream than {stream}")]
    ForeignFrame {
        /// The stream asked to publish it.
        stream: String,
    },
    /// The frame claims more bytes than its buffer has.
    #[error("the frame is said to use {used_bytes} bytes of a buffer of {size_bytes}")]
    UsedBytes {
        /// Bytes claimed.
        used_bytes: u64,
        /// Bytes there are.
        size_bytes: u64,
    },
    /// It is said to be complete, while somebody still works on the buffer it was acquired with.
    #[error(
        "{pending} fences of the frame's buffer are not signaled: wait, or publish it with a fence that comes after them"
    )]
    NotIdle {
        /// How many of [`FrameMut::release_fences`](crate::FrameMut::release_fences).
        pending: usize,
    },
    /// The layout does not fit the buffer.
    #[error(transparent)]
    Layout(#[from] wharf_core::layout::LayoutError),
    /// Too much user data.
    #[error(transparent)]
    UserData(#[from] TooMuchUserData),
}

impl PublishError {
    /// `EBUSY` for a buffer that is not idle, else `EINVAL`: the caller got it wrong.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotIdle { .. } => Errno::BUSY,
            _ => Errno::INVAL,
        }
    }
}

/// Why a consumer got no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// No frame came within the time the caller gave.
    #[error("no frame of {stream} within {waited:?}")]
    TimedOut {
        /// The stream.
        stream: String,
        /// How long the call waited.
        waited: Duration,
    },
    /// The producer ended the stream in order, and every frame was received.
    #[error("{stream} has ended")]
    Ended {
        /// The stream.
        stream: String,
    },
    /// The producer died, and every frame it had published was received.
    #[error("the producer of {stream}, {label} (pid {pid}), died: the stream is over")]
    ProducerDied {
        /// The stream.
        stream: String,
        /// What the producer called itself.
        label: String,
        /// Its process.
        pid: u32,
    },
    /// The broker died after it let this consumer in and before the producer heard of it: no frame will ever come.
    #[error(
        "the broker died before the producer of {stream} learned of this consumer: join again when a broker runs"
    )]
    Stranded {
        /// The stream.
        stream: String,
    },
    /// The broker no longer counts this consumer as a member.
    #[error("this consumer was cut off from {stream}")]
    CutOff {
        /// The stream.
        stream: String,
    },
    /// The caller holds as many frames as it asked for: it must drop one.
    #[error("{depth} frames of {stream} are held, as many as this consumer joined for: drop one first")]
    HoldsTooMany {
        /// The stream.
        stream: String,
        /// The depth it joined with.
        depth: usize,
    },
    /// The producer published something that makes no sense. Later frames may be fine.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The async runtime does not watch the stream any more.
    #[error("the runtime stopped watching {stream}: {source}")]
    Runtime {
        /// The stream.
        stream: String,
        /// What the runtime says.
        source: std::io::Error,
    },
}

impl ReceiveError {
    /// Whether no frame can come any more: the stream is over for this consumer.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Ended { .. }
                | Self::ProducerDied { .. }
                | Self::Stranded { .. }
                | Self::CutOff { .. }
                | Self::Runtime { .. }
        )
    }

    /// Whether asking again at once is of no use: who holds too many frames gets none however often it asks.
    pub(crate) fn stops_iteration(&self) -> bool {
        self.is_final() || matches!(self, Self::HoldsTooMany { .. })
    }

    /// `EAGAIN` for a time-out; `EPIPE` at the end; `EOWNERDEAD` when the producer died; `ECONNRESET` when cut off or stranded; `EBUSY` when too
    /// many frames are held; `EBADMSG` for nonsense; what a runtime says, or `EIO`.
    pub fn errno(&self) -> Errno {
        match self {
            Self::TimedOut { .. } => Errno::AGAIN,
            Self::Ended { .. } => Errno::PIPE,
            Self::ProducerDied { .. } => Errno::OWNERDEAD,
            Self::CutOff { .. } | Self::Stranded { .. } => Errno::CONNRESET,
            Self::HoldsTooMany { .. } => Errno::BUSY,
            Self::Corrupt(_) => Errno::BADMSG,
            Self::Runtime { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
        }
    }
}
