//! The answer to each method of `dev.wharf.Broker`. What `GetState` answers is in [`state`](crate::state).

use serde::{Deserialize, Serialize};

use crate::{Incarnation, Policy, SessionId, SetId, Slot, StreamId, Token};

/// The answer of methods that have nothing to tell but that they succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct Done {}

/// Who the caller is to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct RegisterReply {
    /// The new session.
    pub session: SessionId,
    /// The caller's process, as the kernel told the broker.
    pub pid: u32,
    /// The caller's user, as the kernel told the broker. Quotas are counted for this user.
    pub uid: u32,
}

/// The new buffer set. Comes with `count` writable file descriptors, in buffer order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct AllocateBuffersReply {
    /// The set.
    pub set: SetId,
    /// The generation of its memory, from 1.
    pub generation: u64,
    /// The size of each buffer, in bytes, a multiple of the page size.
    pub size_bytes: u64,
}

/// The new stream. Comes with one read-only file descriptor, the status page; and if it is polled with the end of a doorbell that
/// the broker rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateStreamReply {
    /// The stream.
    pub stream: StreamId,
}

/// The token asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct IssueTokenReply {
    /// The token.
    pub token: Token,
}

/// The imported set. Comes with `count` read-only file descriptors, in buffer order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ImportBuffersReply {
    /// The set.
    pub set: SetId,
    /// The generation of its memory, from 1.
    pub generation: u64,
    /// The set's name, perhaps empty.
    pub name: String,
    /// The size of each buffer, in bytes, a multiple of the page size.
    pub size_bytes: u64,
    /// How many buffers the set has.
    pub count: u32,
    /// What the owner says about this generation; empty for the first.
    pub plan: String,
}

/// The joined stream. Comes with these file descriptors: ring page, status page, the producer's pidfd; if the caller polls, its
/// doorbell; if the producer polls, a doorbell of the producer for the caller to ring; then the `count` buffers in order. All pages
/// and buffers are read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct JoinStreamReply {
    /// The stream.
    pub stream: StreamId,
    /// The set of its buffers.
    pub set: SetId,
    /// The stream's name, perhaps empty.
    pub name: String,
    /// The caller's slot in the stream.
    pub slot: Slot,
    /// The caller's incarnation of that slot.
    pub incarnation: Incarnation,
    /// The generation of the buffers' memory, from 1.
    pub generation: u64,
    /// The size of each buffer, in bytes, a multiple of the page size.
    pub size_bytes: u64,
    /// How many buffers the stream uses.
    pub count: u32,
    /// What the producer says about this generation; empty for the first.
    pub plan: String,
    /// The producer's session label.
    pub producer_label: String,
    /// The producer's process.
    pub producer_pid: u32,
    /// Whether the producer waits with poll or epoll, so that the caller got a doorbell to ring.
    pub producer_polls: bool,
}

/// Who joined. Comes with file descriptors for each member, in the order of `joined`: its consumer page (read-only), its pidfd;
/// if it polls, its doorbell for the caller to ring; if the stream is polled, a doorbell that this member rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeChangesReply {
    /// The consumers that joined after the one given and have not left, in the order of joining.
    pub joined: Vec<Member>,
}

/// The pages of a stream. Comes with `2 + members` read-only file descriptors: ring page, status page, then the page of each
/// member in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct WatchStreamReply {
    /// The consumers, by ascending slot.
    pub members: Vec<Member>,
}

/// One consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct Member {
    /// Its slot.
    pub slot: Slot,
    /// Its incarnation of that slot.
    pub incarnation: Incarnation,
    /// Its session label.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// How many frames it may hold or have waiting at once.
    pub depth: u32,
    /// What happens to new frames while it has `depth` of them.
    pub policy: Policy,
    /// Whether it waits for frames with poll or epoll.
    pub polls: bool,
}
