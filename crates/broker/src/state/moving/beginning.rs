//! Asking for a move, and what is in its way.

use std::collections::BTreeSet;

use wharf_protocol::limits::MAX_BUFFERS;
use wharf_protocol::{BrokerError, Hindrance, MoveBuffers, MoveContract, SetId, StreamId};

use super::{MAX_OLD, Move, MoveSpec, Phase};
use crate::state::accounts::{NOTHING, cost_of_buffers};
use crate::state::generations::Participant;
use crate::state::operations::Work;
use crate::state::sets::BufferSet;
use crate::state::{Answer, Answered, Effect, Machine, OperationId, Request, stream::Stream};

impl Machine {
    pub(in crate::state) fn move_buffers(&mut self, request: &Request, call: &MoveBuffers) -> Answered {
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
    pub(in crate::state) fn make_room(
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
        let Some(set) = self.sets.get(&id) else {
            return Err(error);
        };
        // While its call waits, the caller's session could not go along.
        let deadline_ms = match stream.room_ms {
            Some(room_ms) if count <= MAX_BUFFERS && !set.is_had_by(caller.session, stream) => room_ms,
            _ => return Err(error),
        };
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
            if let Some(moving) = self.sets.get_mut(&id).and_then(|set| set.moving.as_mut()) {
                // Those who died meanwhile are not to pile up.
                moving
                    .joiners
                    .retain(|joiner| self.operations.contains_key(joiner));
                moving.joiners.push(waiting);
            }
        }
        Ok(Answer::Later)
    }

    /// Begins to move a set, if nobody is in the way. The call is answered when the memory is there ([`Work::Moving`]), or served
    /// again when the move is over ([`Work::MakingRoom`]).
    pub(in crate::state) fn begin_move(
        &mut self,
        request: &Request,
        id: SetId,
        spec: MoveSpec,
        (work, deadline_ms): (Work, u64),
    ) -> Answered {
        let allocate = self.pay_for_move(id, &spec)?;
        let mut operation = OperationId(0);
        let answer = self.begin(request, work, NOTHING, |id| {
            operation = id;
            allocate(id)
        })?;
        let joiners = (work == Work::MakingRoom).then_some(operation);
        self.record_move(id, spec, (operation, deadline_ms), joiners.into_iter().collect());
        Ok(answer)
    }

    /// Charges the owner for the memory of a move, if nobody is in its way. Returns how to ask for it.
    pub(super) fn pay_for_move(
        &mut self,
        id: SetId,
        spec: &MoveSpec,
    ) -> Result<impl FnOnce(OperationId) -> Effect + use<>, BrokerError> {
        let set = self.sets.get(&id).ok_or(BrokerError::NoSuchSet { id })?;
        self.check_movable(id, set, spec.count)?;
        let (uid, name) = (set.uid, set.name.clone());
        let (size_bytes, count) = (spec.size_bytes, spec.count);
        self.accounts.charge(uid, cost_of_buffers(size_bytes, count))?;
        Ok(move |operation| Effect::Allocate {
            operation,
            name,
            size_bytes,
            count,
        })
    }

    /// Takes note of a move for which memory was asked, and charged.
    pub(super) fn record_move(
        &mut self,
        id: SetId,
        spec: MoveSpec,
        (operation, after_ms): (OperationId, u64),
        joiners: Vec<OperationId>,
    ) {
        if let Some(set) = self.sets.get_mut(&id) {
            set.newest += 1;
            set.moving = Some(Move {
                number: set.newest,
                cost: cost_of_buffers(spec.size_bytes, spec.count),
                spec,
                operation,
                phase: Phase::Allocating,
                buffers: Vec::new(),
                joiners,
                ready: BTreeSet::new(),
            });
        }
        self.moves.insert(operation, id);
        self.effects.push(Effect::SetAlarm { operation, after_ms });
    }

    /// What can be said before any memory is asked for.
    pub(in crate::state) fn check_movable(
        &self,
        id: SetId,
        set: &BufferSet,
        count: u32,
    ) -> Result<(), BrokerError> {
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
        let promised = stream.map_or(0, Stream::promised);
        if stream.is_some() && promised >= count {
            return Err(BrokerError::CountsExhausted {
                buffers: count,
                promised: 0,
                requested: promised,
            });
        }
        Ok(())
    }
}
