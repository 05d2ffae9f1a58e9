//! The parameters of each method of `dev.wharf.Broker`.
//!
//! A value of these types is an allegation: it proves that a message had the right shape, no more. Ranges are
//! checked in one place, [`Call::check`](crate::Call::check); what the numbers refer to only the broker knows.
//! What each method demands, does and answers is written in the interface description,
//! [`INTERFACE_DESCRIPTION`](crate::INTERFACE_DESCRIPTION).

use std::fmt;

use serde::{Deserialize, Serialize};
use wharf_core::negotiation::Participant;

use crate::moves::{MoveContract, Rotation};
use crate::{EndReason, Incarnation, Object, SetId, Slot, StreamId, Token};

/// Introduces the caller. Must come before every method that makes, shares or changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct Register {
    /// What people shall see in listings: 1 to 63 bytes, no control characters. Need not be unique.
    pub label: String,
}

/// Asks for a set of new, zeroed, writable buffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct AllocateBuffers {
    /// The set's name: at most 31 bytes, no control characters; may be empty.
    pub name: String,
    /// The size of each buffer, in bytes, at least 1; rounded up to whole pages.
    pub size_bytes: u64,
    /// How many buffers, 1 to 64 inclusive.
    pub count: u32,
}

/// Gives a buffer set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct FreeBuffers {
    /// The set, owned by the caller.
    pub set: SetId,
}

/// Makes a stream over a buffer set. Comes with one file descriptor: the ring page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateStream {
    /// The set, owned by the caller and not yet part of a stream.
    pub set: SetId,
    /// The stream's name: at most 31 bytes, no control characters; may be empty.
    pub name: String,
    /// How many consumers may be in the stream at once, 1 to 64 inclusive.
    pub max_consumers: u32,
    /// If given, the stream is moved to more buffers for a consumer that does not fit, which may take so long: 1 to 60000
    /// milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_ms: Option<u64>,
    /// Whether the caller waits for the stream with poll or epoll, and is to have doorbells; no if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<bool>,
    /// After whose departure the stream moves to other memory; [`Rotation::OtherUsers`] if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

/// Asks for a token that lets others join a stream or import a buffer set or timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct IssueToken {
    /// Whether `id` names a stream, a buffer set or a timeline.
    pub kind: ObjectKind,
    /// The number of the stream, set or timeline, owned by the caller.
    pub id: u64,
    /// How often the token can be used, 1 to 1000 inclusive.
    pub uses: u32,
}

/// Takes part in a buffer set for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ImportBuffers {
    /// A token for the set.
    pub token: Token,
    /// Whether the caller goes along when the set moves to other memory; movable if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<MoveContract>,
}

/// Gives an imported buffer set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ReleaseImport {
    /// The set, imported by the caller.
    pub set: SetId,
}

/// Joins a stream as a consumer. Comes with one file descriptor: the consumer page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct JoinStream {
    /// A token for the stream.
    pub token: Token,
    /// How many frames the consumer may hold or have waiting at once, 1 to 64 inclusive.
    pub depth: u32,
    /// What happens to new frames while the consumer has `depth` of them.
    pub policy: Policy,
    /// The stream the caller believes the token to be for; a token for another one is then refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// Whether the caller goes along when the stream's buffers move to other memory; movable if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<MoveContract>,
    /// What the caller needs of the buffers, as `wharf_core::negotiation::Participant` is written: only for streams over
    /// negotiated sets. Its contract counts and not the one above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Object<Participant>>,
    /// The caller's number as a participant of the negotiated set, if it has a seat there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<u64>,
    /// How long to wait while the buffers move for the caller, in milliseconds, 0 to 1000; 0 if not given. No other call of the
    /// session is answered meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Whether the caller waits for frames with poll or epoll, and is to have a doorbell; no if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<bool>,
}

impl JoinStream {
    /// Joins whatever stream the token is for, with no needs and without a seat; movable.
    pub fn new(token: Token, depth: u32, policy: Policy) -> Self {
        Self {
            token,
            depth,
            policy,
            stream: None,
            contract: None,
            needs: None,
            participant: None,
            wait_ms: None,
            polled: None,
        }
    }
}

/// Asks, as the producer, who joined after a given consumer. Asking again gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeChanges {
    /// The stream, produced by the caller.
    pub stream: StreamId,
    /// The newest consumer the caller knows: those that joined after it are told. 0 for all.
    pub after: Incarnation,
}

/// Leaves a stream as a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct LeaveStream {
    /// The stream.
    pub stream: StreamId,
    /// The caller's slot in it.
    pub slot: Slot,
    /// The caller's incarnation of that slot.
    pub incarnation: Incarnation,
}

/// Ends a stream, as its producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct EndStream {
    /// The stream, produced by the caller.
    pub stream: StreamId,
    /// What the consumers are told.
    pub reason: EndReason,
}

/// Asks for everything there is to see: sessions, buffer sets, streams, quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetState {}

/// Asks for the pages of a stream, to look at what its participants count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct WatchStream {
    /// The stream, which the caller may see.
    pub stream: StreamId,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum ObjectKind {
    /// A stream.
    Stream,
    /// A buffer set.
    Set,
    /// A timeline.
    Timeline,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Set => "buffer set",
            Self::Timeline => "timeline",
        })
    }
}

/// What happens to new frames while a consumer already has as many as its depth allows (Contract: S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum Policy {
    /// The producer waits: the consumer sees every frame.
    Block,
    /// The oldest waiting frame gives way: the consumer always finds the latest ones.
    Latest,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Block => "block",
            Self::Latest => "latest",
        })
    }
}
