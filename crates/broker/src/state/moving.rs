//! Moving a set to other memory, all or nothing. Contract: N5.
//!
//! A move is one of the [`Phase`]s further each time somebody it waits for has answered, and over when everybody has, or when it
//! fails. It never changes the memory in use before it is committed.

use std::collections::BTreeSet;

use wharf_protocol::limits::MAX_BUFFERS;
use wharf_protocol::{
    Amounts, BrokerError, Done, GetMove, GetMoveReply, Hindrance, MoveBlocker, MoveBuffers, MoveBuffersReply,
    MoveContract, ReadyGeneration, Reply, SetId, StreamId,
};
use wharf_stream::status::Generations;

use super::accounts::{NOTHING, cost_of_buffers};
use super::generations::{Generation, OldGeneration, Participant};
use super::operations::Work;
use super::sets::BufferSet;
use super::{Answer, Answered, Effect, FdHandle, Machine, OperationId, PeerId, Request, done};

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
    pub(super) fn move_buffers(&mut self, request: &Request, call: &MoveBuffers) -> Answered {
        let caller = self.caller(request.peer)?;
        self.owned_set(caller, call.set)?;
        let spec = MoveSpec {
            size_bytes: self.whole_pages(call.size_bytes)?,
            count: call.count,
            plan: call.plan.clone(),
        };
        self.begin_move(request, call.set, spec, (Work::Moving, call.deadline_ms))
    }

    /// Moves a stream to more buffers for a consumer that does not fit (`error`), if its producer wishes so. The call is served
    /// again when the move, or the one in progress, is over.
    pub(super) fn make_room(
        &mut self,
        request: &Request,
        stream: StreamId,
        depth: u32,
        error: BrokerError,
    ) -> Answered {
        let (peer, caller) = (request.peer, self.caller(request.peer)?);
        let Some(stream) = self.streams.get(&stream) else {
            return Err(error);
        };
        let id = stream.set;
        let count = stream.promised().saturating_add(depth).saturating_add(1);
        let deadline_ms = match stream.room_ms {
            Some(room_ms) if count <= MAX_BUFFERS && stream.producer != caller.session => room_ms,
            _ => return Err(error),
        };
        let set = self.sets.get_mut(&id).ok_or(error)?;
        if set.moving.is_none() {
            let spec = MoveSpec {
                size_bytes: set.current.size_bytes,
                count,
                plan: set.current.plan.clone(),
            };
            self.begin_move(request, id, spec, (Work::MakingRoom, deadline_ms))?;
            self.effects.push(Effect::Wait { peer });
        } else {
            let mut waiting = OperationId(0);
            self.begin(request, Work::MakingRoom, NOTHING, |operation| {
                waiting = operation;
                Effect::Wait { peer }
            })?;
            let moving = self.sets.get_mut(&id).and_then(|set| set.moving.as_mut());
            moving.into_iter().for_each(|moving| moving.joiners.push(waiting));
        }
        Ok(Answer::Later)
    }

    /// Begins to move a set, if nobody is in the way. The call is answered when the memory is there ([`Work::Moving`]), or served
    /// again when the move is over ([`Work::MakingRoom`]).
    pub(super) fn begin_move(
        &mut self,
        request: &Request,
        id: SetId,
        spec: MoveSpec,
        (work, deadline_ms): (Work, u64),
    ) -> Answered {
        let set = self.sets.get(&id).ok_or(BrokerError::NoSuchSet { id })?;
        self.check_movable(id, set, spec.count)?;
        let (uid, name) = (set.uid, set.name.clone());
        let (size_bytes, count) = (spec.size_bytes, spec.count);
        let cost = cost_of_buffers(size_bytes, count);
        self.accounts.charge(uid, cost)?;
        let mut operation = OperationId(0);
        let allocate = |id| {
            operation = id;
            Effect::Allocate {
                operation,
                name,
                size_bytes,
                count,
            }
        };
        let answer = self.begin(request, work, NOTHING, allocate)?;
        if let Some(set) = self.sets.get_mut(&id) {
            set.newest += 1;
            set.moving = Some(Move {
                number: set.newest,
                spec,
                cost,
                operation,
                phase: Phase::Allocating,
                buffers: Vec::new(),
                joiners: (work == Work::MakingRoom)
                    .then_some(operation)
                    .into_iter()
                    .collect(),
                ready: BTreeSet::new(),
            });
        }
        self.moves.insert(operation, id);
        let after_ms = deadline_ms;
        self.effects.push(Effect::SetAlarm { operation, after_ms });
        Ok(answer)
    }

    /// What can be said before any memory is asked for.
    pub(super) fn check_movable(&self, id: SetId, set: &BufferSet, count: u32) -> Result<(), BrokerError> {
        if let Some(moving) = &set.moving {
            let generation = moving.number;
            return Err(BrokerError::MoveInProgress { set: id, generation });
        }
        let stream = self.stream_of(set);
        let participants = set.participants(stream);
        let pinned = participants
            .iter()
            .filter(|(_, contract)| *contract == MoveContract::Pinned);
        let blockers = self.blame(set, pinned.map(|(who, _)| *who), Hindrance::Pinned);
        if !blockers.is_empty() {
            return Err(BrokerError::MoveBusy { set: id, blockers });
        }
        if set.old.len() >= MAX_OLD {
            let keep = set.old.iter().flat_map(|old| &old.holders).copied();
            let keep: BTreeSet<Participant> = keep.collect();
            let blockers = self.blame(set, keep.into_iter(), Hindrance::KeepsOld);
            return Err(BrokerError::MoveBusy { set: id, blockers });
        }
        let promised = stream.map_or(0, super::stream::Stream::promised);
        if stream.is_some() && promised >= count {
            return Err(BrokerError::CountsExhausted {
                buffers: count,
                promised: 0,
                requested: promised,
            });
        }
        Ok(())
    }

    /// Names participants.
    fn blame(
        &self,
        set: &BufferSet,
        who: impl Iterator<Item = Participant>,
        reason: Hindrance,
    ) -> Vec<MoveBlocker> {
        let session = |participant| match participant {
            Participant::Owner => self.sessions.get(&set.owner),
            Participant::Importer(session) => self.sessions.get(&session),
            Participant::Consumer(slot, _) => {
                let member = self.stream_of(set)?.members.get(&slot)?;
                self.sessions.get(&member.session)
            }
        };
        let name = |participant: Participant| {
            let session = session(participant)?;
            Some(MoveBlocker {
                label: session.label.clone(),
                pid: session.credentials.pid,
                role: participant.role(),
                reason,
            })
        };
        who.filter_map(name).collect()
    }

    /// The memory is there, or not.
    pub(super) fn move_allocated(&mut self, id: SetId, outcome: Result<Vec<FdHandle>, BrokerError>) {
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

    pub(super) fn ready_generation(&mut self, peer: PeerId, call: &ReadyGeneration) -> Answered {
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
    pub(super) fn move_sealed(&mut self, id: SetId, outcome: Result<(), BrokerError>) {
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
    fn missing(&self, set: &BufferSet) -> Vec<(Participant, MoveContract)> {
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
    pub(super) fn advance_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let in_last_phase = |moving: &Move| moving.phase == Phase::Others;
        if set.moving.as_ref().is_some_and(in_last_phase) && self.missing(set).is_empty() {
            self.commit_move(id);
        }
    }

    fn commit_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let holders = set.participants(self.stream_of(set)).into_iter();
        let holders = holders.map(|(who, _)| who).collect();
        let Some(set) = self.sets.get_mut(&id) else { return };
        let Some(moving) = set.moving.take() else { return };
        let next = Generation {
            number: moving.number,
            size_bytes: moving.spec.size_bytes,
            buffers: moving.buffers,
            cost: moving.cost,
            plan: moving.spec.plan,
        };
        let generation = std::mem::replace(&mut set.current, next);
        set.old.push(OldGeneration { generation, holders });
        set.sealed = true;
        self.end_alarm(moving.operation);
        self.announce_move(id);
        self.serve_joiners(&moving.joiners, None);
    }

    /// Goes on with the calls that waited for a move, which failed for `error` if there is one.
    pub(super) fn serve_joiners(&mut self, joiners: &[OperationId], error: Option<&BrokerError>) {
        for joiner in joiners {
            let Some(operation) = self.conclude(*joiner, Work::MakingRoom) else {
                continue;
            };
            let peer = operation.request.peer;
            self.effects.push(Effect::Resume { peer });
            match error {
                Some(error) => self.abandon(operation, error.clone()),
                None => self.serve(operation.request),
            }
        }
    }

    /// Ends a move that comes to nothing. The memory in use stays.
    pub(super) fn fail_move(&mut self, id: SetId, error: BrokerError) {
        let Some(set) = self.sets.get_mut(&id) else { return };
        let Some(moving) = set.moving.take() else { return };
        set.failed = Some((moving.number, error.clone()));
        self.accounts.release(set.uid, moving.cost);
        self.drop_handles(moving.buffers);
        self.end_alarm(moving.operation);
        self.announce_move(id);
        self.serve_joiners(&moving.joiners, Some(&error));
        if let Some(asked) = self.conclude(moving.operation, Work::Moving) {
            self.abandon(asked, error);
        }
    }

    /// Forgets the number of a move that is over.
    pub(super) fn end_alarm(&mut self, operation: OperationId) {
        if self.moves.remove(&operation).is_some() {
            self.effects.push(Effect::CancelAlarm { operation });
        }
    }

    /// The time of a move is up. Those who may be cut off are, if that helps.
    pub(super) fn alarm(&mut self, operation: OperationId) {
        let Some(id) = self.moves.get(&operation).copied() else {
            return;
        };
        let Some(set) = self.sets.get(&id) else { return };
        let missing = self.missing(set);
        let is_revocable = |(_, contract): &(_, MoveContract)| *contract == MoveContract::Revocable;
        if !missing.is_empty() && missing.iter().all(is_revocable) {
            missing.into_iter().for_each(|(who, _)| self.cut_off(id, who));
        } else {
            let blockers = self.blame(set, missing.into_iter().map(|(who, _)| who), Hindrance::Silent);
            self.fail_move(id, BrokerError::MoveBusy { set: id, blockers });
        }
    }

    fn cut_off(&mut self, id: SetId, participant: Participant) {
        match participant {
            Participant::Owner => {}
            Participant::Importer(session) => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.imported.remove(&id);
                }
                self.remove_importer(id, session);
            }
            Participant::Consumer(slot, _) => {
                if let Some(stream) = self.sets.get(&id).and_then(|set| set.stream) {
                    self.remove_member(stream, slot);
                }
            }
        }
    }

    pub(super) fn get_move(&mut self, peer: PeerId, call: &GetMove) -> Answered {
        let caller = self.caller(peer)?;
        let set = self.owned_set(caller, call.set)?;
        let generation = call.generation;
        let moving = set.moving.as_ref().map(|moving| moving.number);
        let old = set.old.iter().map(|old| old.generation.number);
        let committed = old.chain([set.current.number]).any(|number| number == generation);
        match &set.failed {
            _ if committed || moving == Some(generation) => done(Reply::GetMove(GetMoveReply { committed })),
            Some((failed, error)) if *failed == generation => Err(error.clone()),
            _ => Err(BrokerError::StaleGeneration {
                generation,
                current: set.current.number,
            }),
        }
    }

    /// Tells the participants of a set's stream where its buffers are.
    pub(super) fn announce_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let is_running = self.stream_of(set).is_some_and(super::stream::Stream::is_running);
        if let (Some(stream), true) = (set.stream, is_running) {
            let generations = set.generations();
            self.effects.push(Effect::SetGenerations { stream, generations });
        }
    }
}
