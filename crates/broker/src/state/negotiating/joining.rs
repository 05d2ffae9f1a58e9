//! Streams over negotiated sets, and whoever comes late to them.

use wharf_core::AccessMode;
use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Constraints, key};
use wharf_core::negotiation::{Function, Participant, ParticipantId};
use wharf_core::set::{FailureDomain, Rights, TokenId, TokenSpec, TokenStatus};
use wharf_protocol::{
    BrokerError, CreateStream, JoinStream, MoveContract, Reply, Rotation, SessionId, SetId,
};
use wharf_stream::CONSUMER_PAGE_BYTES;

use super::declaring::fewest_camping;
use super::errors::{broker_error, settling};
use super::{Join, Place, Purpose, UNCLAIMED_AFTER_MS};
use crate::state::pages::check_page;
use crate::state::peers::Caller;
use crate::state::{Answer, Answered, Machine, Request};

impl Machine {
    /// Creates a stream. One over a negotiated set makes room as that decides.
    pub(in crate::state) fn create_any_stream(&mut self, request: &Request, call: &CreateStream) -> Answered {
        let moves = call.room_ms.is_some() || !matches!(call.rotation, None | Some(Rotation::Never));
        if self.negotiating.is_negotiated(call.set) && moves {
            return Err(BrokerError::SetNegotiated { set: call.set });
        }
        self.create_stream(request, call)
    }

    /// Joins a stream. Whoever joins one over a negotiated set is a participant of that.
    pub(in crate::state) fn join_any_stream(&mut self, request: &Request, call: &JoinStream) -> Answered {
        self.caller(request.peer)?;
        let id = self.tokens.stream(&call.token, call.stream)?;
        let set = self.streams.get(&id).map(|stream| stream.set);
        let set = set.ok_or(BrokerError::TokenUnknown)?;
        if let Some(later) = self.bells_for_joining(request, call, id) {
            return later;
        }
        if !self.negotiating.is_negotiated(set) {
            if call.needs.is_some() || call.participant.is_some() {
                return Err(BrokerError::SetNegotiated { set });
            }
            return self.join_stream(request, call);
        }
        let wait_ms = call.wait_ms.unwrap_or(0);
        match self.join_negotiated(request, call) {
            Err(BrokerError::SetSettling { .. }) if wait_ms > 0 => self.answer_later(request, set, wait_ms),
            Err(error) => {
                self.leave_unclaimed(request, &error);
                Err(error)
            }
            joined => joined,
        }
    }

    /// Joins, if that can be done now: the participant has to be one, and the buffers to suit it.
    pub(super) fn join_negotiated(&mut self, request: &Request, call: &JoinStream) -> Answered {
        let caller = self.caller(request.peer)?;
        let stream = self.tokens.stream(&call.token, call.stream)?;
        let running = self.streams.get(&stream).ok_or(BrokerError::TokenUnknown)?;
        running.running_pages()?;
        let id = running.set;
        running.free_slot()?;
        check_page(request.page.as_ref(), CONSUMER_PAGE_BYTES)?;
        self.settle_move(id);
        let token = match call.participant {
            Some(participant) => self.seated(caller.session, id, participant, call.depth)?,
            None => self.come_late(caller, id, call)?,
        };
        self.take_place(request, call, id, token)
    }

    /// Whoever has taken a seat before.
    fn seated(
        &self,
        session: SessionId,
        id: SetId,
        participant: u64,
        depth: u32,
    ) -> Result<TokenId, BrokerError> {
        let (token, seat) = self.negotiating.seat_of(session, id, participant)?;
        let declared = self.negotiating.set(id)?.machine.participant(token);
        let Some(declared) = declared.filter(|_| self.status_of(id, token) == Some(TokenStatus::Declared))
        else {
            let label = self.label_of_seat(id, token);
            let reason = "has declared nothing, or was left out".to_owned();
            return Err(BrokerError::NoPart { label, reason });
        };
        let reason = match seat.place {
            Place::Member(..) => "is in a stream already",
            Place::Owner => "writes the buffers",
            Place::Nowhere | Place::Importer => {
                check_depth(declared, depth)?;
                return Ok(token);
            }
        };
        Err(BrokerError::NoPart {
            label: self.label_of_seat(id, token),
            reason: reason.to_owned(),
        })
    }

    /// Makes a participant of somebody who comes with the stream, or looks how far that is.
    fn come_late(&mut self, caller: Caller, id: SetId, call: &JoinStream) -> Result<TokenId, BrokerError> {
        if let Some(token) = self.pending_join(caller.session, id, call) {
            self.cancel_unclaimed(id, token);
            return self.outcome_of_join(id, token);
        }
        let participant = self.latecomer(caller, call)?;
        let token = self.issue_for_latecomer(id, &participant.label)?;
        self.seat(id, token, caller);
        if let Ok(set) = self.negotiating.set_mut(id)
            && let Some(seat) = set.seats.get_mut(&token)
        {
            seat.join = Some(Box::new(Join {
                call: call.clone(),
                alarm: None,
            }));
        }
        if let Err(error) = self.declare(caller, id, token, participant) {
            self.fail_seat(id, token);
            return Err(error);
        }
        self.outcome_of_join(id, token)
    }

    /// How far it is with somebody for whom the buffers may have to move.
    fn outcome_of_join(&mut self, id: SetId, token: TokenId) -> Result<TokenId, BrokerError> {
        match self.status_of(id, token) {
            Some(TokenStatus::Declared) => Ok(token),
            Some(TokenStatus::Joining) => Err(settling(id, "moved")),
            _ => {
                let set = self.negotiating.set_mut(id)?;
                let refusal = set.refusals.remove(&token);
                let failure = set.machine.failure().cloned();
                self.fail_seat(id, token);
                Err(match (refusal, failure) {
                    (Some(refusal), _) => refusal,
                    (None, Some(failure)) => super::errors::over(id, failure),
                    (None, None) => settling(id, "moved"),
                })
            }
        }
    }

    /// The same wish of the same session, if it has one that is under way.
    fn pending_join(&self, session: SessionId, id: SetId, call: &JoinStream) -> Option<TokenId> {
        let set = self.negotiating.sets.get(&id)?;
        let is_same = |seat: &super::Seat| {
            let join = seat.join.as_ref().filter(|_| seat.place == Place::Nowhere);
            join.is_some_and(|join| seat.session == session && join.call == *call)
        };
        let mut seats = set.seats.iter();
        seats.find(|(_, seat)| is_same(seat)).map(|(token, _)| *token)
    }

    /// What somebody needs who comes with the stream.
    fn latecomer(&self, caller: Caller, call: &JoinStream) -> Result<Participant, BrokerError> {
        let camping = |count: u32| {
            let constraints = Constraints::builder()
                .with(key::CAMPING, Buffers(count.into()))
                .build();
            constraints.map_err(|error| BrokerError::invalid("depth", error.to_string()))
        };
        let Some(needs) = &call.needs else {
            let contract = match call.contract.unwrap_or_default() {
                MoveContract::Movable => Contract::Dynamic,
                MoveContract::Revocable => Contract::Revocable,
                MoveContract::Pinned => Contract::Static,
            };
            let participant = Participant::new(ParticipantId(0), &self.label_of(caller));
            let participant = participant.access(AccessMode::ReadOnly).contract(contract);
            return Ok(participant.function(Function::new("consume", camping(call.depth)?)));
        };
        let mut participant = needs.0.clone();
        if participant.access != AccessMode::ReadOnly {
            let reason = "a consumer only reads; say so in its access";
            return Err(BrokerError::invalid("needs", reason));
        }
        if fewest_camping(&participant) == 0 {
            participant = participant.function(Function::new("queue", camping(call.depth)?));
        }
        check_depth(&participant, call.depth)?;
        Ok(participant)
    }

    /// A seat for somebody who comes with the stream, from that of the set's creator, or of the one who writes if that is gone.
    fn issue_for_latecomer(&mut self, id: SetId, label: &str) -> Result<TokenId, BrokerError> {
        let set = self.negotiating.set_mut(id)?;
        let mut spec = TokenSpec::new(label)
            .rights(Rights::MOVE)
            .domain(FailureDomain::Attached)
            .weak();
        let root = set.machine.root();
        let parent = match set.machine.issue(root, spec.clone()) {
            Err(wharf_core::set::SetError::NoSuchToken { .. }) => set.writer,
            issued => return issued.map_err(|error| broker_error(id, error)),
        };
        let parent = parent.ok_or(BrokerError::SetSealed { set: id })?;
        let issued = match set.machine.issue(parent, spec.clone()) {
            Err(wharf_core::set::SetError::Denied { lacks, .. }) if lacks == Rights::MOVE => {
                spec.rights = Rights::NONE;
                set.machine.issue(parent, spec)
            }
            issued => issued,
        };
        issued.map_err(|error| broker_error(id, error))
    }

    /// Puts a participant into the stream.
    fn take_place(&mut self, request: &Request, call: &JoinStream, id: SetId, token: TokenId) -> Answered {
        let call = JoinStream {
            contract: Some(self.contract_of(id, token)),
            ..call.clone()
        };
        let answer = self.join_stream(request, &call)?;
        let Answer::Done(Reply::JoinStream(reply), _) = &answer else {
            return Ok(answer);
        };
        let place = Place::Member(reply.stream, reply.slot, reply.incarnation);
        self.lose_place(id, token);
        if let Ok(set) = self.negotiating.set_mut(id)
            && let Some(seat) = set.seats.get_mut(&token)
        {
            seat.place = place;
        }
        Ok(answer)
    }

    /// Keeps the place of somebody for whom the buffers move for a while, when its call ends before that is over; and gives it up when
    /// it cannot be had.
    pub(super) fn leave_unclaimed(&mut self, request: &Request, error: &BrokerError) {
        let wharf_protocol::Call::JoinStream(call) = &request.call else {
            return;
        };
        let Ok(caller) = self.caller(request.peer) else {
            return;
        };
        let stream = self.tokens.stream(&call.token, call.stream);
        let set = stream
            .ok()
            .and_then(|stream| Some(self.streams.get(&stream)?.set));
        let Some(id) = set else { return };
        let Some(token) = self.pending_join(caller.session, id, call) else {
            return;
        };
        if !matches!(error, BrokerError::SetSettling { .. }) {
            return self.fail_seat(id, token);
        }
        self.cancel_unclaimed(id, token);
        let alarm = self.set_purpose(id, Purpose::Unclaimed(token), UNCLAIMED_AFTER_MS);
        if let Ok(set) = self.negotiating.set_mut(id)
            && let Some(join) = set.seats.get_mut(&token).and_then(|seat| seat.join.as_mut())
        {
            join.alarm = Some(alarm);
        }
    }

    pub(super) fn cancel_unclaimed(&mut self, id: SetId, token: TokenId) {
        let set = self.negotiating.sets.get_mut(&id);
        let seat = set.and_then(|set| set.seats.get_mut(&token));
        if let Some(alarm) = seat.and_then(|seat| seat.join.as_mut()?.alarm.take()) {
            self.cancel_purpose(alarm);
        }
    }

    /// What became of a token.
    fn status_of(&self, id: SetId, token: TokenId) -> Option<TokenStatus> {
        let seats = self.negotiating.sets.get(&id)?.machine.snapshot().tokens;
        let found = seats.into_iter().find(|seat| seat.token == token);
        found.map(|seat| seat.status)
    }

    fn label_of_seat(&self, id: SetId, token: TokenId) -> String {
        let set = self.negotiating.sets.get(&id);
        let seats = set.map(|set| set.machine.snapshot().tokens).unwrap_or_default();
        let found = seats.into_iter().find(|seat| seat.token == token);
        found.map(|seat| seat.label.into()).unwrap_or_default()
    }
}

/// What a consumer holds is what the set counts for it. Contract: S1.
fn check_depth(participant: &Participant, depth: u32) -> Result<(), BrokerError> {
    let camping = fewest_camping(participant);
    if camping >= depth.into() {
        return Ok(());
    }
    let reason = format!(
        "{depth} is more than the {camping} buffers '{}' counts on",
        participant.label
    );
    Err(BrokerError::invalid("depth", reason))
}
