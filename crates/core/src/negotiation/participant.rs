//! Who takes part, and what for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidParticipant;
use super::serial::Entry;
use crate::AccessMode;
use crate::attachment::Contract;
use crate::constraints::Constraints;

/// Identifies a participant of a set, for as long as the set lives. Ties are broken by it, so that the order of joining never
/// decides anything. Contract: N1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ParticipantId(pub u64);

/// What becomes of the set if a participant's needs cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Presence {
    /// There is no set without it.
    Required,
    /// The set does without it if it must. Of several, the one of the lowest priority goes first.
    Optional {
        /// How much it matters; more is more.
        priority: u32,
    },
    /// It is not there yet: room is made for it so that nothing has to move when it comes, as far as that is possible. Otherwise as
    /// optional with a priority of 0. Contract: N; reference 4.4.3.
    Phantom,
}

/// One way in which a function can work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// What people call it, such as `direct` or `copy`.
    pub label: Box<str>,
    /// What it costs, compared to other alternatives; the sum over all functions is made small.
    pub cost: u32,
    /// What it needs.
    pub constraints: Constraints,
}

/// What a participant does with a buffer, in one or several ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name, one of its kind in the participant.
    pub name: Box<str>,
    /// The ways, best first; at least one.
    pub alternatives: Vec<Alternative>,
}

/// Who takes part in a set.
///
/// # Examples
/// ```
/// use wharf_core::constraints::Constraints;
/// use wharf_core::negotiation::{Function, Participant, ParticipantId};
///
/// let viewer = Participant::new(ParticipantId(2), "viewer")
///     .function(Function::new("sample", Constraints::default()))
///     .pid(4711)
///     .checked()?;
/// assert_eq!(viewer.to_string(), "viewer");
/// # Ok::<(), wharf_core::negotiation::InvalidParticipant>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Entry", into = "Entry")]
pub struct Participant {
    /// Its number in the set.
    pub id: ParticipantId,
    /// What people call it.
    pub label: Box<str>,
    /// Its process, where it is known.
    pub pid: Option<u32>,
    /// The device it speaks for, where it does.
    pub device: Option<Box<str>>,
    /// Whether it writes.
    pub access: AccessMode,
    /// Whether it can be told that a buffer moves: a static one holds it in place, a revocable one can be cut off.
    pub contract: Contract,
    /// What becomes of the set if its needs cannot be met.
    pub presence: Presence,
    /// What it does, all of it together; at least one function.
    pub functions: Vec<Function>,
    /// Where it is described, for people: a file and line.
    pub source: Option<Box<str>>,
}

impl Function {
    /// The label of the way in which a function works that has only one.
    pub(super) const ONLY: &'static str = "only";

    /// Makes a function that works in one way.
    pub fn new(name: &str, constraints: Constraints) -> Self {
        Self {
            name: name.into(),
            alternatives: Vec::new(),
        }
        .or(Self::ONLY, 0, constraints)
    }

    /// Adds a way to fall back to.
    #[must_use]
    pub fn or(mut self, label: &str, cost: u32, constraints: Constraints) -> Self {
        self.alternatives.push(Alternative {
            label: label.into(),
            cost,
            constraints,
        });
        self
    }
}

impl Participant {
    /// Begins a required, dynamic participant that reads and writes and does nothing yet.
    pub fn new(id: ParticipantId, label: &str) -> Self {
        Self {
            id,
            label: label.into(),
            pid: None,
            device: None,
            access: AccessMode::ReadWrite,
            contract: Contract::Dynamic,
            presence: Presence::Required,
            functions: Vec::new(),
            source: None,
        }
    }

    /// Adds something it does.
    #[must_use]
    pub fn function(mut self, function: Function) -> Self {
        self.functions.push(function);
        self
    }

    /// Says which process it is.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    /// Says which device it speaks for.
    #[must_use]
    pub fn device(mut self, device: &str) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Says whether it can be told of moves.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = contract;
        self
    }

    /// Says what becomes of the set without it.
    #[must_use]
    pub fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// Says whether it writes.
    #[must_use]
    pub fn access(mut self, access: AccessMode) -> Self {
        self.access = access;
        self
    }

    /// Checks that it does something and that everything has a name.
    ///
    /// # Errors
    /// [`InvalidParticipant`], EINVAL.
    pub fn checked(self) -> Result<Self, InvalidParticipant> {
        super::validate::participant(&self)?;
        Ok(self)
    }
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}
