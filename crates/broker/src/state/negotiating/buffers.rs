//! Who gets the buffers, and when.

use wharf_core::attachment::Contract;
use wharf_core::set::TokenId;
use wharf_protocol::{
    AwaitBuffers, AwaitBuffersReply, BrokerError, Done, MoveContract, Object, ReadyGeneration, Reply, Role,
    SessionId, SetId,
};

use super::errors::{broker_error, settling, shortened_plan};
use super::{NegotiatedSet, Place};
use crate::state::generations::Participant as Capacity;
use crate::state::{Answer, Answered, FdRef, Machine, PeerId, Request, done};

impl NegotiatedSet {
    /// There is memory, and the one who writes has not mapped it.
    fn waits_for_writer(&self, set: SetId) -> BrokerError {
        let writer = self.writer.and_then(|writer| self.machine.participant(writer));
        match writer {
            Some(writer) => BrokerError::SetWaiting {
                set,
                missing: vec![writer.label.clone().into()],
            },
            None => settling(set, "sealed"),
        }
    }
}

impl Machine {
    pub(in crate::state) fn await_buffers(&mut self, request: &Request, call: &AwaitBuffers) -> Answered {
        match self.give_buffers(request.peer, call) {
            Err(BrokerError::SetWaiting { .. } | BrokerError::SetSettling { .. }) if call.wait_ms > 0 => {
                self.answer_later(request, call.set, call.wait_ms)
            }
            answered => answered,
        }
    }

    /// Gives a participant the buffers, if that can be done now.
    pub(super) fn give_buffers(&mut self, peer: PeerId, call: &AwaitBuffers) -> Answered {
        let caller = self.caller(peer)?;
        let (token, _) = self
            .negotiating
            .seat_of(caller.session, call.set, call.participant)?;
        self.settle_move(call.set);
        let set = self.negotiating.set_mut(call.set)?;
        if let Some(refusal) = set.refusals.get(&token) {
            return Err(refusal.clone());
        }
        let wanted = set.machine.want_buffers(token);
        self.follow_orders(call.set);
        let generation = wanted.map_err(|error| broker_error(call.set, error))?;
        let memory = self.sets.get(&call.set);
        let memory = memory.filter(|memory| memory.current.number == generation);
        let Some(memory) = memory else {
            return Err(settling(call.set, "allocated"));
        };
        let set = self.negotiating.set(call.set)?;
        let writable = set.writer == Some(token);
        match (writable, memory.sealed) {
            (false, false) => return Err(set.waits_for_writer(call.set)),
            (true, true) => return Err(BrokerError::SetSealed { set: call.set }),
            _ => {}
        }
        let plan = set.machine.plan();
        let plan = plan.map(|plan| shortened_plan(plan, Some(token.participant())));
        let reply = AwaitBuffersReply {
            name: memory.name.clone(),
            generation,
            size_bytes: memory.current.size_bytes,
            count: memory.count(),
            writable,
            plan: Object(plan.ok_or_else(|| settling(call.set, "allocated"))?),
            summary: memory.current.plan.clone(),
        };
        let fds: Vec<FdRef> = memory.current.fd_refs().collect();
        if !writable {
            self.add_importer(call.set, token)?;
        }
        Ok(Answer::Done(Reply::AwaitBuffers(reply), fds))
    }

    /// Makes the holder of a seat somebody who has the buffers for reading.
    fn add_importer(&mut self, id: SetId, token: TokenId) -> Result<(), BrokerError> {
        let contract = self.contract_of(id, token);
        let unknown = BrokerError::NoSuchSet { id };
        let memory = self.sets.get_mut(&id).ok_or(unknown.clone())?;
        memory
            .check_joining(id, contract)
            .map_err(|_| settling(id, "moved"))?;
        let set = self.negotiating.set_mut(id)?;
        let seat = set.seats.get_mut(&token).ok_or(unknown)?;
        if let Place::Member(..) = seat.place {
            return Ok(());
        }
        seat.place = Place::Importer;
        let session = seat.session;
        let strictest = self.importer_contract(id, session).unwrap_or(contract);
        if let Some(memory) = self.sets.get_mut(&id) {
            memory.importers.insert(session, strictest);
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.imported.insert(id);
        }
        Ok(())
    }

    /// What becomes of a session that has the buffers for reading, in one seat or several, when they move: what the strictest of its seats
    /// says. `None` if it has them in none.
    pub(super) fn importer_contract(&self, id: SetId, session: SessionId) -> Option<MoveContract> {
        let seats = self.negotiating.sets.get(&id)?.seats.iter();
        let importing = seats.filter(|(_, seat)| seat.session == session && seat.place == Place::Importer);
        let contracts = importing.map(|(token, _)| self.contract_of(id, *token));
        contracts.max_by_key(|contract| match contract {
            MoveContract::Revocable => 0,
            MoveContract::Movable => 1,
            MoveContract::Pinned => 2,
        })
    }

    /// What becomes of a participant when the buffers move.
    pub(super) fn contract_of(&self, id: SetId, token: TokenId) -> MoveContract {
        let set = self.negotiating.sets.get(&id);
        let participant = set.and_then(|set| set.machine.participant(token));
        participant.map_or(MoveContract::Movable, |participant| match participant.contract {
            Contract::Dynamic => MoveContract::Movable,
            Contract::Revocable => MoveContract::Revocable,
            Contract::Static => MoveContract::Pinned,
        })
    }

    /// Somebody has mapped a generation. The first one of a negotiated set is sealed then; others are those of moves.
    pub(in crate::state) fn generation_is_ready(
        &mut self,
        request: &Request,
        call: &ReadyGeneration,
    ) -> Answered {
        let is_first = |machine: &Self| {
            let memory = machine.sets.get(&call.set)?;
            Some(memory.moving.is_none() && memory.current.number == call.generation)
        };
        let is_negotiated = self.negotiating.is_negotiated(call.set);
        if !is_negotiated || call.role != Role::Owner || is_first(self) != Some(true) {
            return self.ready_generation(request.peer, call);
        }
        let who = self.participant(request.peer, call.set, (call.role, call.seat))?;
        if call.error.is_some() && who == Capacity::Owner {
            self.writer_failed(call.set);
        } else if self.sets.get(&call.set).is_some_and(|memory| !memory.sealed) {
            return self.seal(request, call.set);
        }
        self.negotiating.touch(call.set);
        done(Reply::ReadyGeneration(Done {}))
    }

    /// Whoever writes cannot use the buffers.
    fn writer_failed(&mut self, id: SetId) {
        if let Ok(Some(writer)) = self.negotiating.set(id).map(|set| set.writer) {
            self.fail_seat(id, writer);
        }
    }
}
