//! Why the broker refuses a call.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use wharf_core::negotiation::Report;

use crate::{MoveBlocker, Object, ObjectKind, SeatRight, SessionId, SetId, StreamId, TimelineId};

mod vocabulary;

pub use vocabulary::{EndReason, Fault, Resource, Target};

/// An error the broker answers a call with.
///
/// On the wire it is `{"error": "dev.wharf.Broker.Name", "parameters": {…}}`; the last four variants belong to
/// `org.varlink.service`. Each variant has an [`errno`](BrokerError::errno), given in its description, and a
/// party to [blame](BrokerError::fault).
///
/// # Examples
///
/// ```
/// use rustix::io::Errno;
/// use wharf_protocol::{BrokerError, StreamId};
///
/// let error = BrokerError::NoSuchStream { id: StreamId(7) };
/// assert_eq!(error.errno(), Errno::NOENT);
/// assert_eq!(error.to_string(), "there is no stream 7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
#[cfg_attr(test, derive(zlink::introspect::ReplyError))]
#[non_exhaustive]
pub enum BrokerError {
    /// The caller has not introduced itself yet. `EPERM`.
    #[error("this connection is not registered; call Register first")]
    #[serde(rename = "dev.wharf.Broker.NotRegistered")]
    NotRegistered,

    /// The caller introduced itself twice. `EALREADY`.
    #[error("this connection is already registered as {session}")]
    #[serde(rename = "dev.wharf.Broker.AlreadyRegistered")]
    AlreadyRegistered {
        /// The session it has.
        session: SessionId,
    },

    /// A parameter has the wrong shape or is out of range. `EINVAL`.
    #[error("invalid argument {field}: {reason}")]
    #[serde(rename = "dev.wharf.Broker.InvalidArgument")]
    InvalidArgument {
        /// The parameter, or `parameters` where it is not known which.
        field: String,
        /// What was given and what is allowed.
        reason: String,
    },

    /// No buffer set of the caller's user has this id (any more). `ENOENT`.
    #[error("there is no {id}")]
    #[serde(rename = "dev.wharf.Broker.NoSuchSet")]
    NoSuchSet {
        /// The id asked for.
        id: SetId,
    },

    /// No stream of the caller's user has this id (any more), or the caller is not the consumer it says it is. `ENOENT`.
    #[error("there is no {id}")]
    #[serde(rename = "dev.wharf.Broker.NoSuchStream")]
    NoSuchStream {
        /// The id asked for.
        id: StreamId,
    },

    /// No timeline of the caller's user has this id (any more), or the caller has not made this import of it. `ENOENT`.
    #[error("there is no {id}")]
    #[serde(rename = "dev.wharf.Broker.NoSuchTimeline")]
    NoSuchTimeline {
        /// The id asked for.
        id: TimelineId,
    },

    /// The object belongs to another session of the caller's user. `EACCES`.
    #[error("{kind} {id} belongs to another session")]
    #[serde(rename = "dev.wharf.Broker.NotOwner")]
    NotOwner {
        /// What kind of object it is.
        kind: ObjectKind,
        /// Its number.
        id: u64,
    },

    /// The caller's user would have more than its share. `EDQUOT`.
    #[error(
        "quota exceeded: user {uid} uses {used} of {limit} {resource} and asked for {requested} more; \
         free some, or raise the broker's limit"
    )]
    #[serde(rename = "dev.wharf.Broker.QuotaExceeded")]
    QuotaExceeded {
        /// What ran out.
        resource: Resource,
        /// How much the user may have.
        limit: u64,
        /// How much it has.
        used: u64,
        /// How much more it asked for.
        requested: u64,
        /// The user.
        uid: u32,
    },

    /// The token was never issued, or what it was for is gone. `EACCES`.
    #[error("the token is unknown: it was never issued by this broker, or what it was for is gone")]
    #[serde(rename = "dev.wharf.Broker.TokenUnknown")]
    TokenUnknown,

    /// The token was used as often as it may be. `EACCES`.
    #[error("the token is used up; ask its issuer for a new one")]
    #[serde(rename = "dev.wharf.Broker.TokenUsedUp")]
    TokenUsedUp,

    /// The token is for something else. `EACCES`.
    #[error("the token is for {actual}, not for {expected}")]
    #[serde(rename = "dev.wharf.Broker.TokenForOther")]
    TokenForOther {
        /// What the call is about.
        expected: Target,
        /// What the token is for.
        actual: Target,
    },

    /// The stream has no free slot. `EUSERS`.
    #[error("the stream is full: it has {max} of {max} consumers")]
    #[serde(rename = "dev.wharf.Broker.StreamFull")]
    StreamFull {
        /// How many consumers it may have at once.
        max: u32,
    },

    /// The timeline was imported as often as it can be at a time. `EUSERS`.
    #[error("the timeline is full: it has {max} of {max} imports")]
    #[serde(rename = "dev.wharf.Broker.TimelineFull")]
    TimelineFull {
        /// How often it can be imported at a time.
        max: u32,
    },

    /// The stream has too few buffers for another consumer of this depth. `EBUSY`.
    #[error(
        "too few buffers: of {buffers}, {promised} are promised to consumers and 1 is being written, \
         so {requested} more do not fit; ask for a smaller depth or allocate more buffers"
    )]
    #[serde(rename = "dev.wharf.Broker.CountsExhausted")]
    CountsExhausted {
        /// How many buffers the stream has.
        buffers: u32,
        /// The sum of its consumers' depths.
        promised: u32,
        /// The depth asked for.
        requested: u32,
    },

    /// The shared page that came with the call cannot be used. `EINVAL`.
    #[error("the shared page sent with the call is unusable: {reason}")]
    #[serde(rename = "dev.wharf.Broker.BadPage")]
    BadPage {
        /// What is wrong with it.
        reason: String,
    },

    /// The set is part of a stream that runs, or that has ended and that consumers have not left yet. `EBUSY`.
    #[error("{set} is in use by {stream}; end the stream first, and let its consumers leave")]
    #[serde(rename = "dev.wharf.Broker.SetInUse")]
    SetInUse {
        /// The set.
        set: SetId,
        /// The stream that uses it.
        stream: StreamId,
    },

    /// The stream is over. `EPIPE`.
    #[error("the stream is over: {reason}")]
    #[serde(rename = "dev.wharf.Broker.StreamEnded")]
    StreamEnded {
        /// How it ended.
        reason: EndReason,
    },

    /// Somebody is in the way of a move of buffers, which stay as they are. `EBUSY`.
    #[error("{set} cannot be moved: {}", list(blockers))]
    #[serde(rename = "dev.wharf.Broker.MoveBusy")]
    MoveBusy {
        /// The set.
        set: SetId,
        /// Who is in the way, and why.
        blockers: Vec<MoveBlocker>,
    },

    /// Somebody could not use the new generation; the buffers stay as they are. `EIO`.
    #[error("{set} was not moved to generation {generation}: {label} (pid {pid}) could not use it: {reason}")]
    #[serde(rename = "dev.wharf.Broker.MoveFailed")]
    MoveFailed {
        /// The set.
        set: SetId,
        /// The generation that came to nothing.
        generation: u64,
        /// Who could not use it.
        label: String,
        /// Its process.
        pid: u32,
        /// What it said.
        reason: String,
    },

    /// The set is being moved already. `EALREADY`.
    #[error("{set} is being moved to generation {generation} already; wait until that is over")]
    #[serde(rename = "dev.wharf.Broker.MoveInProgress")]
    MoveInProgress {
        /// The set.
        set: SetId,
        /// Where to.
        generation: u64,
    },

    /// The generation is not, or not any more, one of the set's. `ESTALE`.
    #[error(
        "generation {generation} of the buffers is gone or never came to be; {current} is the current one"
    )]
    #[serde(rename = "dev.wharf.Broker.StaleGeneration")]
    StaleGeneration {
        /// The generation asked for.
        generation: u64,
        /// The one to use.
        current: u64,
    },

    /// There is no memory that suits, or not now. What the report says; `EBUSY` for a conflict with memory that is there.
    #[error("{}", .report.0)]
    #[serde(rename = "dev.wharf.Broker.Refused")]
    Refused {
        /// Who and what is in the way, and what would help.
        report: Object<Box<Report>>,
        /// The memory was there already.
        late: bool,
    },

    /// Others are expected in the set, and nobody has sealed it. `EAGAIN`.
    #[error("{set} waits for {}", missing_or_seal(missing))]
    #[serde(rename = "dev.wharf.Broker.SetWaiting")]
    SetWaiting {
        /// The set.
        set: SetId,
        /// What they are called; empty if somebody has to seal it.
        missing: Vec<String>,
    },

    /// The set's memory is being allocated or moved; try again. `EAGAIN`.
    #[error("the memory of {set} is being {doing}; try again when that is over")]
    #[serde(rename = "dev.wharf.Broker.SetSettling")]
    SetSettling {
        /// The set.
        set: SetId,
        /// Allocated, sealed or moved.
        doing: String,
    },

    /// The set is over, because somebody it cannot do without has died, or everybody has left. `ENODEV`.
    #[error("{set} is over: {reason}")]
    #[serde(rename = "dev.wharf.Broker.SetOver")]
    SetOver {
        /// The set.
        set: SetId,
        /// Why.
        reason: String,
    },

    /// It is too late for this: the set is sealed. `EBUSY`.
    #[error("{set} is sealed")]
    #[serde(rename = "dev.wharf.Broker.SetSealed")]
    SetSealed {
        /// The set.
        set: SetId,
    },

    /// The set is negotiated, and the call is not for such sets. `EOPNOTSUPP`.
    #[error(
        "{set} is negotiated: take part with a seat, and leave that; its memory moves for newcomers by itself"
    )]
    #[serde(rename = "dev.wharf.Broker.SetNegotiated")]
    SetNegotiated {
        /// The set.
        set: SetId,
    },

    /// The seat does not grant this. `EACCES`.
    #[error("the seat of '{label}' does not grant: {}; use one that does", words(lacks))]
    #[serde(rename = "dev.wharf.Broker.SeatDenied")]
    SeatDenied {
        /// What its holder is called.
        label: String,
        /// What is missing.
        lacks: Vec<SeatRight>,
    },

    /// The call is for participants, and the seat's holder is none. `EINVAL`.
    #[error("participant '{label}' takes no part in the set: it {reason}")]
    #[serde(rename = "dev.wharf.Broker.NoPart")]
    NoPart {
        /// What it is called.
        label: String,
        /// Why it takes none.
        reason: String,
    },

    /// The set has as many seats or participants as it can, or they declare too much. `ENOSPC`.
    #[error("the set has {most} {what} already, and cannot have more")]
    #[serde(rename = "dev.wharf.Broker.SetFull")]
    SetFull {
        /// Of what.
        what: String,
        /// How much there may be.
        most: u64,
    },

    /// The machine refused the memory or the file. The errno it gave.
    #[error("the broker could not allocate: {reason} (errno {errno})")]
    #[serde(rename = "dev.wharf.Broker.AllocationFailed")]
    AllocationFailed {
        /// The kernel's error number, 1 to 4095.
        errno: i32,
        /// What was tried.
        reason: String,
    },

    /// The broker has no file descriptor left. `EMFILE`.
    #[error("the broker is out of file descriptors; raise its limit (ulimit -n) or close other sessions")]
    #[serde(rename = "dev.wharf.Broker.OutOfDescriptors")]
    OutOfDescriptors,

    /// The message is longer than is accepted. `EMSGSIZE`.
    #[error("the message is longer than the limit of {limit_bytes} bytes")]
    #[serde(rename = "dev.wharf.Broker.MessageTooLarge")]
    MessageTooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },

    /// The caller does not speak the protocol. `EPROTO`.
    #[error("protocol violation by the caller: {reason}")]
    #[serde(rename = "dev.wharf.Broker.ProtocolViolation")]
    ProtocolViolation {
        /// What was wrong.
        reason: String,
    },

    /// The service does not speak this interface. `EOPNOTSUPP`.
    #[error("the service has no interface {interface}")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// The interface asked for.
        interface: String,
    },

    /// The interface has no such method. `EOPNOTSUPP`.
    #[error("the service has no method {method}")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// The method called.
        method: String,
    },

    /// The interface has this method, but the service does not answer it. `ENOSYS`.
    #[error("the service does not implement method {method}")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// The method called.
        method: String,
    },

    /// A parameter is not acceptable. `EINVAL`.
    #[error("the service does not accept parameter {parameter}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// The parameter's name.
        parameter: String,
    },
}

impl BrokerError {
    /// Makes an [`InvalidArgument`](BrokerError::InvalidArgument).
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidArgument {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// Returns the error number Linux gives for the same misuse or shortage.
    ///
    /// An [`AllocationFailed`](BrokerError::AllocationFailed) whose number is no Linux error number gives `EIO`.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotRegistered => Errno::PERM,
            Self::AlreadyRegistered { .. } => Errno::ALREADY,
            Self::InvalidArgument { .. } | Self::BadPage { .. } | Self::InvalidParameter { .. } => {
                Errno::INVAL
            }
            Self::NoSuchSet { .. } | Self::NoSuchStream { .. } | Self::NoSuchTimeline { .. } => Errno::NOENT,
            Self::NotOwner { .. } | Self::TokenUnknown | Self::TokenUsedUp | Self::TokenForOther { .. } => {
                Errno::ACCESS
            }
            Self::QuotaExceeded { .. } => Errno::DQUOT,
            Self::StreamFull { .. } | Self::TimelineFull { .. } => Errno::USERS,
            Self::CountsExhausted { .. } | Self::SetInUse { .. } | Self::MoveBusy { .. } => Errno::BUSY,
            Self::MoveFailed { .. } => Errno::IO,
            Self::MoveInProgress { .. } => Errno::ALREADY,
            Self::StaleGeneration { .. } => Errno::STALE,
            Self::StreamEnded { .. } => Errno::PIPE,
            Self::Refused { report, late } => match report.0.errno() {
                wharf_core::Errno::EOPNOTSUPP if *late => Errno::BUSY,
                errno => Errno::from_raw_os_error(errno.raw()),
            },
            Self::SetWaiting { .. } | Self::SetSettling { .. } => Errno::AGAIN,
            Self::SetOver { .. } => Errno::NODEV,
            Self::SetSealed { .. } => Errno::BUSY,
            Self::SetNegotiated { .. } => Errno::OPNOTSUPP,
            Self::SeatDenied { .. } => Errno::ACCESS,
            Self::NoPart { .. } => Errno::INVAL,
            Self::SetFull { .. } => Errno::NOSPC,
            Self::AllocationFailed { errno, .. } => errno_or_eio(*errno),
            Self::OutOfDescriptors => Errno::MFILE,
            Self::MessageTooLarge { .. } => Errno::MSGSIZE,
            Self::ProtocolViolation { .. } => Errno::PROTO,
            Self::InterfaceNotFound { .. } | Self::MethodNotFound { .. } => Errno::OPNOTSUPP,
            Self::MethodNotImplemented { .. } => Errno::NOSYS,
        }
    }

    /// Returns who is to blame, which decides what the broker does besides answering.
    pub fn fault(&self) -> Fault {
        match self {
            Self::MessageTooLarge { .. } | Self::ProtocolViolation { .. } => Fault::Peer,
            Self::AllocationFailed { .. } | Self::OutOfDescriptors => Fault::System,
            Self::MethodNotImplemented { .. } => Fault::Bug,
            _ => Fault::Caller,
        }
    }
}

fn list(blockers: &[MoveBlocker]) -> String {
    let blockers: Vec<String> = blockers.iter().map(MoveBlocker::to_string).collect();
    blockers.join(", ")
}

fn words(rights: &[SeatRight]) -> String {
    let words: Vec<String> = rights.iter().map(SeatRight::to_string).collect();
    words.join(", ")
}

fn missing_or_seal(missing: &[String]) -> String {
    match missing {
        [] => "somebody to seal it".to_owned(),
        missing => missing.join(", "),
    }
}

/// Linux error numbers are 1 to 4095; a peer can send anything.
fn errno_or_eio(raw: i32) -> Errno {
    if (1..4096).contains(&raw) {
        Errno::from_raw_os_error(raw)
    } else {
        Errno::IO
    }
}

#[cfg(test)]
mod tests;
