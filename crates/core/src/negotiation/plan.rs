//! What everybody can work with: one point, not a range.

use serde::{Deserialize, Serialize};

use super::{Blame, Elimination, FieldPath, ParticipantId};
use crate::constraints::{FormatKey, Size, Value};

/// What was decided. Exactly one layout, one heap for each memory, one count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Who takes part, in the order of their numbers, with those that are dropped: what people call the numbers below.
    pub participants: Vec<Blame>,
    /// How the picture lies in the buffer; `None` if nobody said that there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImagePlan>,
    /// The memories of one buffer; one unless planes have their own.
    pub memories: Vec<MemoryPlan>,
    /// Who has how many of the buffers.
    pub ledger: Ledger,
    /// In which way each function works.
    pub choices: Vec<Choice>,
    /// Participants that the set has to do without.
    pub dropped: Vec<ParticipantId>,
    /// Who has to do what at hand-overs; empty if nobody has to.
    pub sync: Vec<SyncStep>,
    /// Who decided what: the needs that the plan would be another without, in the order of fields. Contract: N3.
    pub reasons: Vec<Reason>,
    /// Better choices that were removed, by whom and why. Contract: N3.
    pub eliminated: Vec<Elimination>,
    /// How many times records were merged to find it.
    pub merges: u64,
}

/// What several needs came to, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Which field.
    pub path: FieldPath,
    /// What it came to.
    pub value: Value,
    /// Who needs that much: without them it would be less.
    pub who: Vec<Blame>,
}

/// How the picture lies in a buffer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePlan {
    /// The format; both parts are said.
    pub format: FormatKey,
    /// The size there is room for, in pixels.
    pub size: Size,
    /// Sizes that were asked for; each has room.
    pub required: Vec<Size>,
    /// The planes, as the format has them.
    pub planes: Vec<PlanePlan>,
    /// The colour space, where participants stated any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_space: Option<Box<str>>,
    /// What alpha means, where a participant stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<Box<str>>,
}

/// Where one plane lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanePlan {
    /// Which of the buffer's memories it is in.
    pub memory: usize,
    /// Where it begins there, in bytes.
    pub offset_bytes: u64,
    /// From the start of one row to the start of the next, in bytes.
    pub stride_bytes: u64,
    /// Rows allocated, with those that only pad.
    pub rows: u64,
    /// Everything that belongs to it, in bytes, with what is left free behind it.
    pub size_bytes: u64,
}

/// One memory of a buffer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryPlan {
    /// Its size in bytes, in whole pages.
    pub size_bytes: u64,
    /// The length of chunks needed, in bytes; one page if nobody needs more.
    pub min_chunk_bytes: u64,
    /// How the CPU's mapping is cached; `None` if the CPU does not map it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_mode: Option<Box<str>>,
    /// The heaps that suit, in the order to ask them; the first is the choice.
    pub heaps: Vec<Box<str>>,
}

/// How the buffers of a set are shared out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// What each participant counts on: camping and dedicated slack.
    pub entries: Vec<LedgerEntry>,
    /// For whoever needs them first.
    pub shared_slack: u32,
    /// All buffers.
    pub total: u32,
}

/// What one participant counts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// Who.
    pub participant: ParticipantId,
    /// Buffers it holds for longer than a moment.
    pub camping: u32,
    /// Buffers beyond those, for itself.
    pub slack: u32,
}

/// In which way a function works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Whose.
    pub participant: ParticipantId,
    /// Which function.
    pub function: Box<str>,
    /// The label of the alternative.
    pub alternative: Box<str>,
}

/// What a participant has to do when a buffer goes from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncStep {
    /// Who had it.
    pub from: ParticipantId,
    /// Who gets it.
    pub to: ParticipantId,
    /// Whether the CPU's caches are written back to memory before the hand-over.
    pub clean: bool,
    /// Whether they forget what they have.
    pub invalidate: bool,
}

impl Plan {
    /// Returns the size of one buffer in bytes, all memories together.
    pub fn size_bytes(&self) -> u64 {
        self.memories.iter().map(|memory| memory.size_bytes).sum()
    }

    /// Returns how many buffers there are.
    pub fn count(&self) -> u32 {
        self.ledger.total
    }
}
