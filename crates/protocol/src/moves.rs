//! The calls and replies of moving a buffer set to other memory, and the words they use. Contract: N5.
//!
//! How a move goes is written at `MoveBuffers` in the interface description,
//! [`INTERFACE_DESCRIPTION`](crate::INTERFACE_DESCRIPTION).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Incarnation, SetId, Slot};

/// Asks, as the owner, to move a set to other memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct MoveBuffers {
    /// The set, owned by the caller.
    pub set: SetId,
    /// The size of each new buffer, in bytes, at least 1; rounded up to whole pages.
    pub size_bytes: u64,
    /// How many buffers there are to be, 1 to 64 inclusive.
    pub count: u32,
    /// How long all of it may take, in milliseconds, 1 to 60000 inclusive.
    pub deadline_ms: u64,
    /// What everybody who has the set is told about the new buffers: at most 16384 bytes.
    pub plan: String,
}

/// The move has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct MoveBuffersReply {
    /// The generation the set is being moved to.
    pub generation: u64,
}

/// Asks, as the owner, how a move stands. A move that failed answers with the error it failed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetMove {
    /// The set, owned by the caller.
    pub set: SetId,
    /// The generation it was to be moved to.
    pub generation: u64,
}

/// How a move stands that has not failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetMoveReply {
    /// Whether it is over and the generation was made the current one; otherwise it is under way.
    pub committed: bool,
}

/// Takes the buffers of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeGeneration {
    /// The set.
    pub set: SetId,
    /// Which generation of it.
    pub generation: u64,
    /// In what capacity the caller has the set.
    pub role: Role,
    /// Which consumer the caller is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
}

/// The buffers of a generation. Comes with `count` file descriptors, in buffer order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct TakeGenerationReply {
    /// The size of each buffer, in bytes, a multiple of the page size.
    pub size_bytes: u64,
    /// How many there are.
    pub count: u32,
    /// What the owner says about this generation; empty for the first.
    pub plan: String,
}

/// Says that the caller is ready to use the generation being moved to, or why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ReadyGeneration {
    /// The set.
    pub set: SetId,
    /// The generation.
    pub generation: u64,
    /// In what capacity the caller has the set.
    pub role: Role,
    /// Which consumer the caller is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// Why it cannot use it, at most 255 bytes without control characters; the move has failed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Says that the caller needs a generation before the current one no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct ReleaseGeneration {
    /// The set.
    pub set: SetId,
    /// The generation.
    pub generation: u64,
    /// In what capacity the caller has the set.
    pub role: Role,
    /// Which consumer the caller is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
}

/// Asks which generation is current, and which one it is the caller's turn to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetGeneration {
    /// The set.
    pub set: SetId,
    /// In what capacity the caller has the set.
    pub role: Role,
    /// Which consumer the caller is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
}

/// Which generation is current, and which one it is the caller's turn to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::Type))]
pub struct GetGenerationReply {
    /// The generation in use.
    pub current: u64,
    /// The one the caller is to take and be ready for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<u64>,
}

/// What becomes of a participant when the buffers it has move to other memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum MoveContract {
    /// It goes along; a move fails if it does not in time.
    #[default]
    Movable,
    /// It is asked to go along, and cut off if it does not in time.
    Revocable,
    /// It never goes along: no move begins while it is there.
    Pinned,
}

/// After whose departure a stream moves to other memory, so that nobody reads frames who is not in the stream any more.
///
/// Who leaves, dies or is cut off may keep its mappings: the frames that lay there when the move was over it can read for ever, later
/// ones it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum Rotation {
    /// Nobody's.
    Never,
    /// That of a consumer of another user than the producer's.
    #[default]
    OtherUsers,
    /// Every consumer's.
    Always,
}

/// In what capacity somebody has a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum Role {
    /// It allocated the set.
    Owner,
    /// It imported the set.
    Importer,
    /// It joined a stream over the set.
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Importer => "importer",
            Self::Consumer => "consumer",
        })
    }
}

/// Which consumer of the set's stream is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct Seat {
    /// Its slot.
    pub slot: Slot,
    /// Its incarnation of that slot.
    pub incarnation: Incarnation,
}

/// Why somebody is in the way of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(zlink::introspect::CustomType), zlink(rename_all = "snake_case"))]
pub enum Hindrance {
    /// Its contract says that it never goes along.
    Pinned,
    /// It did not say in time that it has the new generation.
    Silent,
    /// It has not released a generation that was replaced long ago.
    KeepsOld,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "is pinned",
            Self::Silent => "did not answer in time",
            Self::KeepsOld => "keeps an old generation",
        })
    }
}

/// Somebody in the way of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(zlink::introspect::CustomType))]
pub struct MoveBlocker {
    /// What it calls itself.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// In what capacity it has the set.
    pub role: Role,
    /// Why it is in the way.
    pub reason: Hindrance,
}

impl fmt::Display for MoveBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            pid,
            role,
            reason,
        } = self;
        write!(f, "{label} (pid {pid}, {role}) {reason}")
    }
}
