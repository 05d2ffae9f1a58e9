//! The words [`BrokerError`](super::BrokerError) speaks in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ObjectKind;

/// Who is to blame for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller asked for something it cannot have. It gets the answer, nothing else happens.
    Caller,
    /// The peer does not keep to the protocol. Its session ends (Contract: P4).
    Peer,
    /// The machine ran short of something. The caller gets the answer and the operator a log entry.
    System,
    /// The broker is wrong. The session ends, the broker goes on (Contract: P1).
    Bug,
}

/// Something that is counted per user (Contract: P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum Resource {
    /// Memory of buffers, in bytes.
    Bytes,
    /// Buffers.
    Buffers,
    /// Sessions.
    Sessions,
    /// Streams.
    Streams,
    /// File descriptors the broker holds for the user.
    Fds,
    /// Tokens that can still be used.
    Tokens,
    /// Negotiated sets.
    Sets,
    /// Timelines.
    Timelines,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Buffers => "buffers",
            Self::Sessions => "sessions",
            Self::Streams => "streams",
            Self::Fds => "file descriptors",
            Self::Tokens => "tokens",
            Self::Sets => "negotiated sets",
            Self::Timelines => "timelines",
        })
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum EndReason {
    /// Its producer ended it.
    Ended,
    /// Its producer died or hung up without ending it.
    ProducerDied,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "its producer ended it",
            Self::ProducerDied => "its producer died",
        })
    }
}

/// What a token is for, or was expected to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct Target {
    /// The kind of object.
    pub kind: ObjectKind,
    /// Its number; absent where any object of this kind would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "{} {id}", self.kind),
            None => write!(f, "a {}", self.kind),
        }
    }
}
