//! Moving a set to other memory, all or nothing. Contract: N5.
//!
//! A move is one of the [`Phase`]s further each time somebody it waits for has answered, and over when everybody has, or when it
//! fails. It never changes the memory in use before it is committed.

mod beginning;
mod ending;
mod preparing;
mod rotating;

use std::collections::BTreeSet;

use wharf_protocol::{Amounts, BrokerError, Hindrance, MoveBlocker, MoveContract, SetId};
use wharf_stream::status::Generations;

use super::generations::Participant;
use super::sets::BufferSet;
use super::{Effect, FdHandle, Machine, OperationId};

/// How many generations before the current one may be unreleased when a move begins.
pub(super) const MAX_OLD: usize = 4;

/// What a set is to be moved to.
#[derive(Clone, Debug)]
pub(super) struct MoveSpec {
    /// Size of each buffer in bytes, a multiple of the page size.
    pub(super) size_bytes: u64,
    pub(super) count: u32,
    /// What all participants are told about it.
    pub(super) plan: String,
}

/// What a move waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The memory.
    Allocating,
    /// The owner, who maps it to write.
    Owner,
    /// The seal, after which nobody else can.
    Sealing,
    /// Everybody else.
    Others,
}

/// A move in progress.
#[derive(Debug)]
pub(super) struct Move {
    /// The generation the set is being moved to.
    pub(super) number: u64,
    pub(super) spec: MoveSpec,
    /// What the owner's user was charged for it in advance.
    pub(super) cost: Amounts,
    /// Names the allocation, the seal and the alarm, and, until the memory is there, the call that asked for it.
    pub(super) operation: OperationId,
    pub(super) phase: Phase,
    pub(super) buffers: Vec<FdHandle>,
    /// The calls that are served again when the move is over.
    pub(super) joiners: Vec<OperationId>,
    /// Who has mapped the buffers.
    pub(super) ready: BTreeSet<Participant>,
}

impl Move {
    /// Whether it is this participant's turn to take the buffers, or was.
    pub(super) fn is_offered_to(&self, participant: Participant) -> bool {
        match participant {
            Participant::Owner => self.phase >= Phase::Owner,
            Participant::Importer(_) | Participant::Consumer(..) => self.phase == Phase::Others,
        }
    }
}

impl BufferSet {
    /// What the participants of its stream are told.
    pub(super) fn generations(&self) -> Generations {
        let offered = |phase| {
            let moving = self.moving.as_ref().filter(|moving| moving.phase >= phase);
            moving.map(|moving| moving.number)
        };
        Generations {
            current: self.current.number,
            for_producer: offered(Phase::Owner),
            for_consumers: offered(Phase::Others),
        }
    }

    /// Whether somebody with this contract can join now: nobody who is pinned can while the set is being moved.
    pub(super) fn check_joining(&self, id: SetId, contract: MoveContract) -> Result<(), BrokerError> {
        match &self.moving {
            Some(moving) if contract == MoveContract::Pinned => Err(BrokerError::MoveInProgress {
                set: id,
                generation: moving.number,
            }),
            _ => Ok(()),
        }
    }
}

impl Machine {
    /// Names participants.
    fn blame(
        &self,
        set: &BufferSet,
        who: impl Iterator<Item = Participant>,
        reason: Hindrance,
    ) -> Vec<MoveBlocker> {
        let name = |participant: Participant| {
            let session = self.sessions.get(&self.session_of(set, participant)?)?;
            Some(MoveBlocker {
                label: session.label.clone(),
                pid: session.credentials.pid,
                role: participant.role(),
                reason,
            })
        };
        who.filter_map(name).collect()
    }

    /// Tells the participants of a set's stream where its buffers are.
    pub(super) fn announce_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let is_running = self.stream_of(set).is_some_and(super::stream::Stream::is_running);
        if let (Some(stream), true) = (set.stream, is_running) {
            let generations = set.generations();
            self.effects.push(Effect::SetGenerations { stream, generations });
            self.ring_all(stream);
        }
    }
}
