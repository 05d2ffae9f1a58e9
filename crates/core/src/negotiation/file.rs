//! A set in a file: all that the outcome depends on, without a daemon.

use serde::{Deserialize, Serialize};

use super::serial::Entry;
use super::{
    HeapOffer, InvalidHeap, InvalidParticipant, Participant, ParticipantId, Policy, Problem, validate,
};
use crate::Errno;

/// A set of buffers to be negotiated, as a file describes it. The format is any that `serde` knows and that says of what type its
/// values are, such as TOML and JSON; the values are written as [`constraints`](crate::constraints) says.
///
/// Participants that have no `id` are numbered by their place, from 1 on.
///
/// # Invariants
/// No two participants have one number and no two heaps one name; each makes sense by itself.
///
/// # Examples
/// ```
/// use wharf_core::negotiation::SetFile;
///
/// let set: SetFile = serde_json::from_str(r#"{
///     "name": "preview",
///     "participants": [
///         {"label": "camera", "functions": [{"name": "capture", "contiguous": true, "camping": 4}]},
///         {"label": "viewer", "functions": [{"name": "sample"}]}
///     ],
///     "heaps": [{"name": "cma", "cost": 10, "guarantees": {"contiguous": true}}]
/// }"#)?;
/// assert_eq!(set.participants()[1].id.0, 2);
/// assert_eq!(set.problem().heaps.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SetFile {
    name: Box<str>,
    policy: Policy,
    participants: Vec<Participant>,
    heaps: Vec<HeapOffer>,
}

/// Why a file does not describe a set. Blame: who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSet {
    /// A participant makes no sense by itself, or has the number of another.
    #[error(transparent)]
    Participant(#[from] InvalidParticipant),
    /// A heap makes no sense by itself, or has the name of another.
    #[error(transparent)]
    Heap(#[from] InvalidHeap),
}

impl InvalidSet {
    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: Box<str>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    participants: Vec<Entry>,
    #[serde(default)]
    heaps: Vec<HeapOffer>,
}

impl SetFile {
    /// Checks a set.
    ///
    /// # Errors
    /// [`InvalidSet`], EINVAL: a participant or a heap makes no sense by itself, or two have one number or name.
    pub fn new(
        name: &str,
        policy: Policy,
        participants: Vec<Participant>,
        heaps: Vec<HeapOffer>,
    ) -> Result<Self, InvalidSet> {
        validate::name("the set", name)?;
        validate::participants(&participants)?;
        validate::heaps(&heaps)?;
        Ok(Self {
            name: name.into(),
            policy,
            participants,
            heaps,
        })
    }

    /// Returns what people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the provider of the memory allows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns who takes part.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// Returns where memory could come from.
    pub fn heaps(&self) -> &[HeapOffer] {
        &self.heaps
    }

    /// Returns what is to be solved.
    pub fn problem(&self) -> Problem<'_> {
        Problem {
            participants: &self.participants,
            heaps: &self.heaps,
            policy: &self.policy,
        }
    }
}

impl TryFrom<Unchecked> for SetFile {
    type Error = InvalidSet;

    fn try_from(file: Unchecked) -> Result<Self, InvalidSet> {
        let numbered = file.participants.into_iter().zip(1..).map(|(entry, place)| {
            let id = entry.id.unwrap_or(ParticipantId(place));
            entry.numbered(id)
        });
        let participants = numbered.collect::<Result<_, _>>()?;
        Self::new(&file.name, file.policy, participants, file.heaps)
    }
}
