//! A set in a file: all that the outcome depends on, without a daemon.

use serde::{Deserialize, Serialize};

use super::serial::Entry;
use super::{
    HeapOffer, InvalidHeap, InvalidParticipant, Participant, ParticipantId, Policy, Problem, validate,
};
use crate::Errno;
use crate::set::LatePolicy;

/// A set of buffers to be negotiated, as a file describes it. The format is any that `serde` knows and that says of what type its
/// values are, such as TOML and JSON; the values are written as [`constraints`](crate::constraints) says.
///
/// Participants that have no `id` are numbered by their place, from 1 on. Those marked with `late = true` come one after the other when
/// the others have memory already: they are not part of the [problem](Self::problem), but join its solution, as
/// `late_policy` allows: `refuse` or `reallocate`.
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
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct SetFile {
    name: Box<str>,
    policy: Policy,
    participants: Vec<Participant>,
    late: Vec<Participant>,
    late_policy: LatePolicy,
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: Box<str>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    late_policy: LatePolicy,
    #[serde(default)]
    participants: Vec<Listed>,
    #[serde(default)]
    heaps: Vec<Offered>,
}

/// A participant that makes sense by itself; where it is wrong, it is the place of the error.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Entry", into = "Entry")]
struct Listed {
    id: Option<ParticipantId>,
    late: bool,
    participant: Participant,
}

/// A heap that makes sense by itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "HeapOffer", into = "HeapOffer")]
struct Offered(HeapOffer);

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
            late: Vec::new(),
            late_policy: LatePolicy::default(),
            heaps,
        })
    }

    /// Says which participants come when the others have memory already, in the order in which they come, and what becomes
    /// of those whom it does not suit.
    ///
    /// # Errors
    /// [`InvalidSet`], EINVAL: a participant makes no sense by itself, or has the number of another.
    pub fn with_late(mut self, policy: LatePolicy, late: Vec<Participant>) -> Result<Self, InvalidSet> {
        validate::participants(self.participants.iter().chain(&late))?;
        self.late_policy = policy;
        self.late = late;
        Ok(self)
    }

    /// Returns what people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the provider of the memory allows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns who takes part from the beginning.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// Returns who comes when there is memory already, in that order.
    pub fn late(&self) -> &[Participant] {
        &self.late
    }

    /// Returns what becomes of those whom the memory does not suit.
    pub fn late_policy(&self) -> LatePolicy {
        self.late_policy
    }

    /// Returns where memory could come from.
    pub fn heaps(&self) -> &[HeapOffer] {
        &self.heaps
    }

    /// Returns what is to be solved before anybody is late.
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
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for (listed, place) in file.participants.into_iter().zip(1..) {
            let id = listed.id.unwrap_or(ParticipantId(place));
            let list = if listed.late { &mut late } else { &mut early };
            list.push(Participant {
                id,
                ..listed.participant
            });
        }
        let heaps = file.heaps.into_iter().map(|offered| offered.0);
        Self::new(&file.name, file.policy, early, heaps.collect())?.with_late(file.late_policy, late)
    }
}

impl From<SetFile> for Unchecked {
    fn from(set: SetFile) -> Self {
        let listed = |late: bool| {
            move |participant: Participant| Listed {
                id: Some(participant.id),
                late,
                participant,
            }
        };
        let early = set.participants.into_iter().map(listed(false));
        let late = set.late.into_iter().map(listed(true));
        Self {
            name: set.name,
            policy: set.policy,
            late_policy: set.late_policy,
            participants: early.chain(late).collect(),
            heaps: set.heaps.into_iter().map(Offered).collect(),
        }
    }
}

impl TryFrom<Entry> for Listed {
    type Error = InvalidParticipant;

    fn try_from(entry: Entry) -> Result<Self, InvalidParticipant> {
        Ok(Self {
            id: entry.id,
            late: entry.late,
            // The place in the list is known only when the list is.
            participant: entry.numbered(ParticipantId(0))?,
        })
    }
}

impl From<Listed> for Entry {
    fn from(listed: Listed) -> Self {
        let mut entry = Self::from(listed.participant);
        entry.late = listed.late;
        entry
    }
}

impl TryFrom<HeapOffer> for Offered {
    type Error = InvalidHeap;

    fn try_from(offer: HeapOffer) -> Result<Self, InvalidHeap> {
        offer.checked().map(Self)
    }
}

impl From<Offered> for HeapOffer {
    fn from(offered: Offered) -> Self {
        offered.0
    }
}
