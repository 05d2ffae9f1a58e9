//! What a set wants done, and what it is told of that.

use super::{Contents, SetError, SetFailure};
use crate::Errno;
use crate::negotiation::{Blocker, ParticipantId, Plan};

/// Something for whoever drives the set to do, in order. Which generation it is about is part of the order and of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Allocate all buffers of a generation, or none. Answer: [`SetMachine::allocated`](super::SetMachine::allocated).
    Allocate {
        /// Its number.
        generation: u64,
        /// What the buffers are to be like and how many there are.
        plan: Box<Plan>,
        /// Which heap to ask, for each memory of a buffer. Another order follows if it has not enough.
        heaps: Vec<Box<str>>,
    },
    /// Have everybody change to a generation that has been allocated, or nobody. Answer:
    /// [`SetMachine::moved`](super::SetMachine::moved) or [`SetMachine::not_moved`](super::SetMachine::not_moved).
    Move {
        /// What everybody has.
        from: u64,
        /// What everybody gets.
        to: u64,
        /// Whom to ask: all participants that are there.
        members: Vec<ParticipantId>,
        /// For whom the buffers move; it gets them when everybody has.
        newcomer: ParticipantId,
        /// What becomes of the contents.
        contents: Contents,
    },
    /// Give up a generation: its memory is freed when nobody uses it any more. A move to it is over, and is not answered.
    Free {
        /// Its number.
        generation: u64,
    },
    /// Tell a participant, or the holder of a token.
    Tell {
        /// Whom.
        whom: ParticipantId,
        /// What.
        news: News,
    },
}

/// What participants are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It has buffers.
    Ready {
        /// Of which generation.
        generation: u64,
    },
    /// It was optional, and is left out: nothing suits it and the others. The plan's eliminations say why.
    LeftOut,
    /// It was declared late, and is refused after all: the buffers have not moved.
    Refused(SetError),
    /// The buffers have moved.
    Moved {
        /// From which generation; stale now.
        from: u64,
        /// To which.
        to: u64,
    },
    /// It was a phantom, and somebody real takes its place: its token is gone.
    Replaced {
        /// Who does.
        by: ParticipantId,
    },
    /// It takes no part any more, because somebody whose failure it shares went away.
    Lost,
    /// The set is over.
    Over(SetFailure),
}

/// Why memory was not allocated. Nothing is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllocationFailure {
    /// A heap has not enough, or cannot keep its promise; the next one is asked.
    Heap {
        /// For which memory of a buffer it was asked.
        memory: usize,
        /// What it said.
        errno: Errno,
        /// In its words.
        reason: Box<str>,
    },
    /// Whoever pays has not enough left; nobody else is asked.
    Quota {
        /// What of.
        resource: Box<str>,
        /// What the account may have.
        limit: u64,
        /// What it has.
        used: u64,
        /// What is needed besides.
        requested: u64,
    },
}

/// Why buffers were not moved. Everybody has what they had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveFailure {
    /// Somebody holds them in place.
    Held(Vec<Blocker>),
    /// Something went wrong.
    Failed {
        /// With whom, where it was a participant.
        who: Option<ParticipantId>,
        /// What happened.
        errno: Errno,
        /// In words.
        reason: Box<str>,
    },
}
