//! The calls and replies of negotiated buffer sets, and the words they use. Contract: N.
//!
//! What each demands and does is written in the interface description,
//! [`INTERFACE_DESCRIPTION`](crate::INTERFACE_DESCRIPTION). Participants, plans and reports are those of
//! [`wharf_core::negotiation`].

use serde::{Deserialize, Serialize};
use wharf_core::negotiation::{Participant, Plan, Report};

use crate::{Object, SetId, Token};

mod words;

pub use words::{
    FailureDomain, FirstMap, LatePolicy, SeatRight, SeatState, SeatStatus, SetContents, SetStatus,
};

/// Makes a set whose memory is decided by what its participants need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateSet {
    /// The set's name: at most 31 bytes, no control characters; may be empty.
    pub name: String,
    /// What becomes of those who come late and whom the memory does not suit.
    pub late: LatePolicy,
    /// What becomes of the first participant that wants buffers while others are expected.
    pub first_map: FirstMap,
    /// What becomes of the contents when the buffers move.
    pub contents: SetContents,
    /// Whether the others wait for the caller's own seat.
    pub expected: bool,
    /// How long those who are expected may take, in milliseconds, 1 to 3600000; for ever if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// How long a move of the buffers may take, in milliseconds, 1 to 60000.
    pub move_deadline_ms: u64,
}

/// The new set, and the caller's own seat in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CreateSetReply {
    /// The set.
    pub set: SetId,
    /// The number the caller has as a participant, if it becomes one.
    pub participant: u64,
    /// The token of the caller's seat, from which others are issued.
    pub token: Token,
}

/// Asks for a token with which somebody can take part in a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct IssueSeat {
    /// The token of a seat that grants issuing others, and everything the new one is to grant.
    pub parent: Token,
    /// What people call whoever is to hold it: 1 to 63 bytes, no control characters.
    pub label: String,
    /// What it grants besides taking part for reading.
    pub rights: Vec<SeatRight>,
    /// Whom it harms when its holder dies.
    pub domain: FailureDomain,
    /// Whether no memory is allocated before it was taken or given up.
    pub expected: bool,
}

/// The token asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct IssueSeatReply {
    /// The token. It seats one participant, once.
    pub token: Token,
    /// The number its holder has as a participant.
    pub participant: u64,
}

/// Takes part in a set: says what the caller needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeSeat {
    /// The token of a seat nobody has taken.
    pub token: Token,
    /// What the caller needs, as `wharf_core::negotiation::Participant` is written. Its number and process are replaced by
    /// what the broker knows.
    pub participant: Object<Participant>,
}

/// The seat taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeSeatReply {
    /// The set.
    pub set: SetId,
    /// The caller's number in it.
    pub participant: u64,
}

/// Says that nobody else is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct SealSet {
    /// The set, in which the caller has a seat that grants this.
    pub set: SetId,
}

/// Asks for the buffers of a set, and waits for them a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct AwaitBuffers {
    /// The set.
    pub set: SetId,
    /// The caller's number in it.
    pub participant: u64,
    /// How long to wait, in milliseconds, 0 to 1000. No other call of the session is answered meanwhile.
    pub wait_ms: u64,
}

/// The buffers. Comes with `count` file descriptors, in buffer order: writable for the one who writes, else read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct AwaitBuffersReply {
    /// The set's name, perhaps empty.
    pub name: String,
    /// The generation of its memory, from 1.
    pub generation: u64,
    /// The size of each buffer, in bytes, a multiple of the page size.
    pub size_bytes: u64,
    /// How many there are.
    pub count: u32,
    /// Whether the caller is the one who writes: it maps the buffers and says ReadyGeneration as their owner.
    pub writable: bool,
    /// What was decided, as `wharf_core::negotiation::Plan` is written.
    pub plan: Object<Box<Plan>>,
    /// What everybody is told of the generation; see [`BufferPlan`](crate::BufferPlan).
    pub summary: String,
}

/// Gives a seat up in good order, taken or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct LeaveSeat {
    /// Its token.
    pub token: Token,
}

/// Asks how a set stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ExplainSet {
    /// The set, negotiated and of the caller's user, or one in which the caller has a seat.
    pub set: SetId,
}

/// How a set stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ExplainSetReply {
    /// The set's name, perhaps empty.
    pub name: String,
    /// How far it is.
    pub status: SetStatus,
    /// The generation of its memory; 0 without memory.
    pub generation: u64,
    /// The heaps its memory came from, one for each memory of a buffer.
    pub heaps: Vec<String>,
    /// Those who are expected and have said nothing.
    pub missing: Vec<String>,
    /// Everybody who has or had a seat.
    pub seats: Vec<SeatState>,
    /// What was decided for the memory there is, as `wharf_core::negotiation::Plan` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Object<Box<Plan>>>,
    /// Why it failed, or why the last one to come late was refused, as `wharf_core::negotiation::Report` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Object<Box<Report>>>,
    /// Why the set is over, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
}

/// Asks whether somebody could take part, without doing anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CheckSet {
    /// The set, as for [`ExplainSet`].
    pub set: SetId,
    /// What it would need, as `wharf_core::negotiation::Participant` is written.
    pub participant: Object<Participant>,
}

/// It could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct CheckSetReply {
    /// Whether the buffers there are would have to move.
    pub moves: bool,
    /// What would be decided anew, as `wharf_core::negotiation::Plan` is written; not given if the buffers there are suit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Object<Box<Plan>>>,
}
