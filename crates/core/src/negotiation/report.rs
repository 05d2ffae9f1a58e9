//! Why there is no plan: typed, not text.

use serde::{Deserialize, Serialize};

use super::{Participant, ParticipantId};
use crate::Errno;
use crate::constraints::{ExtensionKey, Field, FormatKey, MergeKind, Unit, Value};

/// Why participants cannot have what they need. Contract: N2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What is the matter.
    pub kind: ReportKind,
    /// What would help; each was tried.
    pub relaxations: Vec<Relaxation>,
    /// Which formats were removed, by whom and why.
    pub eliminated: Vec<Elimination>,
    /// How many times records were merged to find it.
    pub merges: u64,
}

/// What is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReportKind {
    /// A participant's needs make no sense by themselves. EINVAL.
    Invalid {
        /// Who.
        who: Blame,
        /// What is wrong.
        reason: Box<str>,
    },
    /// Needs that cannot be had together: one conflict for each way of combining alternatives that failed for a reason of its own,
    /// the simplest first. EOPNOTSUPP; EBUSY once there is memory.
    Conflict {
        /// Up to 8 of them.
        conflicts: Vec<Conflict>,
        /// How many there are.
        total: usize,
    },
    /// Nobody says something that somebody has to say. EINVAL.
    Underconstrained {
        /// What nobody says.
        field: Field,
    },
    /// No heap promises what is needed. ENODEV.
    NoHeap {
        /// Why each does not.
        heaps: Vec<HeapMisfit>,
    },
    /// The heaps that suit have no memory. ENOMEM.
    NoMemory {
        /// What each of those asked said, in order, and why the others were not asked.
        trail: Vec<HeapAnswer>,
    },
    /// The account that pays has not enough left. EDQUOT.
    Quota {
        /// Whose account.
        account: Box<str>,
        /// What of.
        resource: Box<str>,
        /// What it may have.
        limit: u64,
        /// What it has.
        used: u64,
        /// What it needs besides.
        requested: u64,
    },
    /// It is possible, but not as long as others hold the memory as it is. EBUSY.
    Busy {
        /// Who holds it.
        blockers: Vec<Blocker>,
        /// What the memory there is does not suit.
        misfit: Box<Misfit>,
    },
    /// There are too many combinations to try. E2BIG.
    Budget {
        /// How many merges there may be.
        limit: u64,
    },
    /// Participants that were expected have said nothing in time. ETIMEDOUT.
    Stalled {
        /// The labels they were expected by.
        missing: Vec<Box<str>>,
    },
    /// The caller may not do this. EACCES.
    Denied {
        /// What it lacks.
        reason: Box<str>,
    },
    /// Whoever provides the memory has to understand an extension and does not. EOPNOTSUPP.
    NotUnderstood {
        /// Who states it.
        who: Blame,
        /// Which.
        key: ExtensionKey,
    },
}

/// Who states something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blame {
    /// The participant; `None` for a heap or the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<ParticipantId>,
    /// What people call it.
    pub label: Box<str>,
    /// Its process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The device it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<str>>,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Box<str>>,
    /// The alternative, where the function has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Box<str>>,
    /// Where it is described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
}

/// Where a field is stated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldPath {
    /// The field.
    pub field: Field,
    /// For which format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatKey>,
    /// For which plane, from 0; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plane: Option<usize>,
    /// For which extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<ExtensionKey>,
}

/// One participant's part in a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Who.
    pub who: Blame,
    /// Which field.
    pub path: FieldPath,
    /// What it states.
    pub value: Value,
}

/// Who set a limit that needs exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOrigin {
    /// Another participant.
    Participant,
    /// A heap.
    Heap,
    /// The system's own limits.
    System,
}

/// Needs that nothing satisfies together.
///
/// # Invariants
/// The members cannot be satisfied, and without any one of them the others can: both were tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// Where it shows.
    pub path: FieldPath,
    /// What the numbers count.
    pub unit: Unit,
    /// How the values would become one.
    pub kind: MergeKind,
    /// Who states what.
    pub members: Vec<Member>,
    /// What the values come to, where they come to something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Value>,
    /// Who set the limit.
    pub origin: LimitOrigin,
    /// Whether leaving out any member resolves it; `false` only when the budget ended first.
    pub minimal: bool,
}

/// What would help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relaxation {
    /// If a participant did not state a field.
    DropField {
        /// Who.
        who: Blame,
        /// Which field.
        path: FieldPath,
    },
    /// If a participant stated another value.
    Change {
        /// Who.
        who: Blame,
        /// Which field.
        path: FieldPath,
        /// What it states.
        from: Value,
        /// What would do: the closest that does.
        to: Value,
    },
    /// If the set did without a participant.
    Without {
        /// Whom.
        who: Blame,
    },
    /// If a function worked in another way than declared as its best.
    UseAlternative {
        /// Whose, and which.
        who: Blame,
    },
}

/// Something that was possible until somebody removed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elimination {
    /// What: a format, an alternative, or a heap.
    pub what: Eliminated,
    /// Where it failed.
    pub path: FieldPath,
    /// Between whom: the fewest that remove it.
    pub members: Vec<Member>,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eliminated {
    /// A format.
    Format(FormatKey),
    /// A way in which a function could have worked.
    Alternative {
        /// Whose, and which.
        who: Blame,
    },
    /// A heap.
    Heap(Box<str>),
    /// An optional participant.
    Participant {
        /// Who.
        who: Blame,
    },
}

/// Why a heap does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeapMisfit {
    /// Which heap.
    pub heap: Box<str>,
    /// The field in which it does not.
    pub field: Field,
    /// What it promises; `None` if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<Value>,
    /// What is needed.
    pub need: Value,
    /// Who needs it.
    pub who: Vec<Blame>,
}

/// What a heap answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeapAnswer {
    /// It does not suit.
    Unsuitable(HeapMisfit),
    /// It was asked and has not enough.
    Refused {
        /// Which heap.
        heap: Box<str>,
        /// What it was asked for, in bytes.
        requested_bytes: u64,
        /// What it said.
        errno: Errno,
        /// In its words.
        reason: Box<str>,
    },
}

/// Who holds memory in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocker {
    /// Who.
    pub who: Blame,
    /// Why it does: pinned, mapped, a fence, or no buffer to spare.
    pub reason: Box<str>,
}

/// What memory there is does not suit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misfit {
    /// Whom.
    pub who: Blame,
    /// In which field.
    pub path: FieldPath,
    /// What there is.
    pub have: Value,
    /// What is needed.
    pub need: Value,
}

impl From<ReportKind> for Report {
    /// A report of which there is no more to say.
    fn from(kind: ReportKind) -> Self {
        Self {
            kind,
            relaxations: Vec::new(),
            eliminated: Vec::new(),
            merges: 0,
        }
    }
}

impl From<&Participant> for Blame {
    /// Blames a participant as such, for none of its functions in particular.
    fn from(participant: &Participant) -> Self {
        Self {
            participant: Some(participant.id),
            label: participant.label.clone(),
            pid: participant.pid,
            device: participant.device.clone(),
            function: None,
            alternative: None,
            source: participant.source.clone(),
        }
    }
}

impl Report {
    /// Returns the error number: EINVAL, EOPNOTSUPP, ENODEV, ENOMEM, EDQUOT, EBUSY, E2BIG, ETIMEDOUT or EACCES, as
    /// [`ReportKind`] says. A conflict with memory that is there already is EBUSY to the kernel's callers; that is up to who
    /// answers them.
    pub fn errno(&self) -> Errno {
        match self.kind {
            ReportKind::Invalid { .. } | ReportKind::Underconstrained { .. } => Errno::EINVAL,
            ReportKind::Conflict { .. } | ReportKind::NotUnderstood { .. } => Errno::EOPNOTSUPP,
            ReportKind::NoHeap { .. } => Errno::ENODEV,
            ReportKind::NoMemory { .. } => Errno::ENOMEM,
            ReportKind::Quota { .. } => Errno::EDQUOT,
            ReportKind::Busy { .. } => Errno::EBUSY,
            ReportKind::Budget { .. } => Errno::E2BIG,
            ReportKind::Stalled { .. } => Errno::ETIMEDOUT,
            ReportKind::Denied { .. } => Errno::EACCES,
        }
    }
}
