//! What `GetState` answers: who is there, who holds what, and what each user may still have.

use serde::{Deserialize, Serialize};

use crate::{Member, SeatState, SessionId, SetId, SetStatus, StreamId, TimelineId};

/// Everything the caller may see. A caller that is neither root nor the broker's own user sees only the
/// sessions, sets, streams, timelines and usage of its own user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetStateReply {
    /// The broker itself.
    pub broker: BrokerState,
    /// The sessions, by ascending id.
    pub sessions: Vec<SessionState>,
    /// The buffer sets, by ascending id.
    pub sets: Vec<SetState>,
    /// The streams, by ascending id.
    pub streams: Vec<StreamState>,
    /// The timelines, by ascending id.
    #[serde(default)]
    pub timelines: Vec<TimelineState>,
    /// What each user has and may have, by ascending uid.
    pub users: Vec<UserState>,
    /// Everything together would be too long for a reply: of each list there are only the first entries.
    pub truncated: bool,
}

impl GetStateReply {
    /// Keeps the first half of each list, and says so.
    pub fn truncate(&mut self) {
        self.sessions.truncate(self.sessions.len() / 2);
        self.sets.truncate(self.sets.len() / 2);
        self.streams.truncate(self.streams.len() / 2);
        self.timelines.truncate(self.timelines.len() / 2);
        self.users.truncate(self.users.len() / 2);
        self.truncated = true;
    }
}

/// The broker itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct BrokerState {
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its version, as in the package.
    pub version: String,
}

/// One session and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct SessionState {
    /// The session.
    pub session: SessionId,
    /// Its label.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// The sets it allocated and has not freed.
    pub sets_owned: Vec<SetId>,
    /// The sets of others it imported.
    pub sets_imported: Vec<SetId>,
    /// The streams it produces.
    pub streams_produced: Vec<StreamId>,
    /// The streams it consumes.
    pub streams_joined: Vec<StreamId>,
    /// The sizes of the buffers of the sets it owns, in bytes.
    pub bytes: u64,
    /// The file descriptors the broker holds for it.
    pub fds: u64,
}

/// One buffer set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct SetState {
    /// The set.
    pub set: SetId,
    /// Its name, perhaps empty.
    pub name: String,
    /// The session that allocated it; of a negotiated set the one that writes it, or made it while there is no memory. 0 if that is
    /// gone.
    pub owner: SessionId,
    /// The user of that session.
    pub uid: u32,
    /// The generation of its memory, from 1; 0 while there is none, with sizes and counts of 0.
    pub generation: u64,
    /// The size of each buffer, in bytes.
    pub size_bytes: u64,
    /// How many buffers it has.
    pub count: u32,
    /// Whether new writable mappings are already refused by the kernel.
    pub sealed: bool,
    /// The sessions that imported it.
    pub importers: Vec<SessionId>,
    /// Where it is being moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<MoveState>,
    /// The memory it had before that somebody still keeps, oldest first.
    #[serde(default)]
    pub old: Vec<OldMemory>,
    /// The stream that uses it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// How its negotiation stands, if it is a negotiated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negotiation: Option<NegotiationState>,
}

/// How the negotiation of a set stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct NegotiationState {
    /// How far the set is.
    pub status: SetStatus,
    /// The heaps its memory came from, one for each memory of a buffer.
    pub heaps: Vec<String>,
    /// Those who are expected and have said nothing.
    pub missing: Vec<String>,
    /// Everybody who has or had a seat.
    pub seats: Vec<SeatState>,
}

/// A move of a set to other memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct MoveState {
    /// The generation it is moved to.
    pub generation: u64,
    /// The sessions whose turn it is to be ready for it, by ascending id.
    pub waits_for: Vec<SessionId>,
}

/// Memory of a set that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct OldMemory {
    /// Which generation it was.
    pub generation: u64,
    /// The size of all its buffers together, in bytes.
    pub bytes: u64,
    /// The sessions that have not released it, by ascending id.
    pub kept_by: Vec<SessionId>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct StreamState {
    /// The stream.
    pub stream: StreamId,
    /// Its name, perhaps empty.
    pub name: String,
    /// The session that produces it.
    pub producer: SessionId,
    /// The user of that session.
    pub uid: u32,
    /// The set its frames are in.
    pub set: SetId,
    /// How many consumers it may have at once.
    pub max_consumers: u32,
    /// Its consumers, by ascending slot.
    pub members: Vec<Member>,
    /// Whether somebody has left who may still read the memory in use: it is to move, and cannot yet.
    pub rotation_due: bool,
}

/// One timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct TimelineState {
    /// The timeline.
    pub timeline: TimelineId,
    /// Its name, perhaps empty.
    pub name: String,
    /// The session that signals it.
    pub owner: SessionId,
    /// The user of that session.
    pub uid: u32,
    /// The sessions that imported it, one entry for each import.
    pub importers: Vec<SessionId>,
}

/// What one user has and may have (Contract: P3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct UserState {
    /// The user.
    pub uid: u32,
    /// What it has now.
    pub used: Amounts,
    /// What it may have at most.
    pub limit: Amounts,
}

/// An amount of each resource that is counted per user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct Amounts {
    /// The sizes of buffers, in bytes. Freed buffers no longer count, though their memory is there until the last
    /// process has let go of it.
    pub bytes: u64,
    /// Buffers.
    pub buffers: u64,
    /// Sessions.
    pub sessions: u64,
    /// Streams.
    pub streams: u64,
    /// File descriptors held by the broker.
    pub fds: u64,
}
