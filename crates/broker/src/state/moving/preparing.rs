//! The phases of a move: the memory, the owner, the seal, everybody else.

use wharf_protocol::{BrokerError, Done, MoveBuffersReply, MoveContract, ReadyGeneration, Reply, SetId};

use super::{Move, Phase};
use crate::state::generations::Participant;
use crate::state::operations::Work;
use crate::state::sets::BufferSet;
use crate::state::{Answered, Effect, FdHandle, Machine, PeerId, done};

impl Machine {
    /// The memory is there, or not.
    pub(in crate::state) fn move_allocated(
        &mut self,
        id: SetId,
        outcome: Result<Vec<FdHandle>, BrokerError>,
    ) {
        let moving = self.sets.get_mut(&id).and_then(|set| set.moving.as_mut());
        let Some(moving) = moving.filter(|moving| moving.phase == Phase::Allocating) else {
            return self.drop_handles(outcome.unwrap_or_default());
        };
        let buffers = match outcome {
            Ok(buffers) => buffers,
            Err(error) => return self.fail_move(id, error),
        };
        moving.buffers = buffers;
        moving.phase = Phase::Owner;
        let (operation, generation) = (moving.operation, moving.number);
        self.announce_move(id);
        if let Some(asked) = self.conclude(operation, Work::Moving) {
            let reply = Reply::MoveBuffers(MoveBuffersReply { generation });
            self.reply(asked.request.peer, asked.request.oneway, reply, Vec::new());
        }
    }

    pub(in crate::state) fn ready_generation(&mut self, peer: PeerId, call: &ReadyGeneration) -> Answered {
        let participant = self.participant(peer, call.set, (call.role, call.seat))?;
        let set = self
            .sets
            .get_mut(&call.set)
            .ok_or(BrokerError::NoSuchSet { id: call.set })?;
        let current = set.current.number;
        let moving = set.moving.as_mut();
        let moving =
            moving.filter(|moving| moving.number == call.generation && moving.is_offered_to(participant));
        let moving = moving.ok_or(BrokerError::StaleGeneration {
            generation: call.generation,
            current,
        })?;
        if let Some(reason) = &call.error {
            self.refuse_move(peer, call.set, reason.clone());
        } else if moving.ready.insert(participant) && participant == Participant::Owner {
            moving.phase = Phase::Sealing;
            let (operation, buffers) = (moving.operation, moving.buffers.clone());
            self.effects.push(Effect::Seal {
                peer,
                operation,
                set: call.set,
                buffers,
            });
        } else {
            self.advance_move(call.set);
        }
        done(Reply::ReadyGeneration(Done {}))
    }

    /// Somebody cannot use the memory.
    fn refuse_move(&mut self, peer: PeerId, set: SetId, reason: String) {
        let session = self.sessions.values().find(|session| session.peer == peer);
        let who = session.map(|session| (session.label.clone(), session.credentials.pid));
        let (label, pid) = who.unwrap_or_default();
        let moving = self.sets.get(&set).and_then(|set| set.moving.as_ref());
        let generation = moving.map_or(0, |moving| moving.number);
        let error = BrokerError::MoveFailed {
            set,
            generation,
            label,
            pid,
            reason,
        };
        self.fail_move(set, error);
    }

    /// Nobody can map the memory for writing any more, or it cannot be prevented.
    pub(in crate::state) fn move_sealed(&mut self, id: SetId, outcome: Result<(), BrokerError>) {
        if let Err(error) = outcome {
            return self.fail_move(id, error);
        }
        let moving = self.sets.get_mut(&id).and_then(|set| set.moving.as_mut());
        if let Some(moving) = moving.filter(|moving| moving.phase == Phase::Sealing) {
            moving.phase = Phase::Others;
            self.announce_move(id);
            self.advance_move(id);
        }
    }

    /// Those a move waits for now, with their contracts.
    pub(in crate::state) fn missing(&self, set: &BufferSet) -> Vec<(Participant, MoveContract)> {
        let Some(moving) = &set.moving else {
            return Vec::new();
        };
        // Who is in a stream that is over does not hear of moves.
        let stream = self.stream_of(set).filter(|stream| stream.is_running());
        let mut missing = set.participants(stream);
        missing.retain(|(who, _)| match moving.phase {
            Phase::Allocating => false,
            Phase::Owner | Phase::Sealing => *who == Participant::Owner,
            Phase::Others => !moving.ready.contains(who),
        });
        missing
    }

    /// Puts the memory into use if everybody is ready.
    pub(in crate::state) fn advance_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let in_last_phase = |moving: &Move| moving.phase == Phase::Others;
        if set.moving.as_ref().is_some_and(in_last_phase) && self.missing(set).is_empty() {
            self.commit_move(id);
        }
    }
}
