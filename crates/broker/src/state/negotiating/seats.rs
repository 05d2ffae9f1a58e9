//! Making sets, issuing, taking and leaving seats.

use std::collections::{BTreeMap, BTreeSet};

use wharf_core::AccessMode;
use wharf_core::constraints::Field;
use wharf_core::negotiation::{Function, InvalidParticipant, Participant, Presence, Report, ReportKind};
use wharf_core::set::{Rights, SetConfig, SetMachine, TokenId, TokenSpec};
use wharf_protocol::limits::{MAX_DECLARED_BYTES, MAX_PARTICIPANTS, MAX_SEATS};
use wharf_protocol::{
    BrokerError, CreateSet, CreateSetReply, Done, IssueSeat, IssueSeatReply, LeaveSeat, ObjectKind, Reply,
    Resource, SealSet, SeatRight, SetId, TakeSeat, TakeSeatReply, Target, Token,
};

use super::errors::{broker_error, refused, size_bytes};
use super::{MAX_SETS_PER_USER, NegotiatedSet, Place, Purpose, STALLED_AFTER_MS, Seat};
use crate::state::peers::Caller;
use crate::state::{Answered, Machine, PeerId, done, next};

impl Machine {
    pub(in crate::state) fn create_set(&mut self, peer: PeerId, call: &CreateSet) -> Answered {
        let caller = self.caller(peer)?;
        self.check_sets(caller.uid)?;
        let label = self.label_of(caller);
        let token = self.new_token()?;
        let mut config = SetConfig::new(&label);
        config.root = TokenSpec::new(&label).rights(Rights::ALL);
        config.root.is_expected = call.expected;
        config.account = format!("user {}", caller.uid).into();
        config.heaps.clone_from(&self.negotiating.heaps);
        config.policy = self.negotiating.policy.clone();
        config.late = call.late.into();
        config.first_map = call.first_map.into();
        config.contents = call.contents.into();
        let id = SetId(self.counters.set + 1);
        let machine = SetMachine::new(config, (self.negotiating.make_solver)())
            .map_err(|error| broker_error(id, error))?;
        let id = SetId(next(&mut self.counters.set));
        let root = machine.root();
        let set = NegotiatedSet {
            machine,
            name: call.name.clone(),
            uid: caller.uid,
            creator: caller.session,
            move_deadline_ms: call.move_deadline_ms,
            tokens: BTreeMap::new(),
            seats: BTreeMap::new(),
            writer: None,
            declared_bytes: 0,
            allocation: None,
            memory: None,
            moving_to: None,
            refusals: BTreeMap::new(),
            waiting: BTreeSet::new(),
            seen: None,
        };
        self.negotiating.sets.insert(id, set);
        self.add_token(id, root, token.clone());
        self.seat(id, root, caller);
        for after_ms in STALLED_AFTER_MS {
            self.set_purpose(id, Purpose::Stalled(after_ms), after_ms);
        }
        if let Some(deadline_ms) = call.deadline_ms {
            self.set_purpose(id, Purpose::Deadline, deadline_ms);
        }
        let participant = root.get();
        done(Reply::CreateSet(CreateSetReply {
            set: id,
            participant,
            token,
        }))
    }

    /// Whether a user may have one more set.
    fn check_sets(&self, uid: u32) -> Result<(), BrokerError> {
        let sets = self.negotiating.sets.values();
        let used = sets.filter(|set| set.uid == uid).count();
        if used < MAX_SETS_PER_USER {
            return Ok(());
        }
        Err(BrokerError::QuotaExceeded {
            resource: Resource::Sets,
            limit: MAX_SETS_PER_USER as u64,
            used: used as u64,
            requested: 1,
            uid,
        })
    }

    pub(super) fn label_of(&self, caller: Caller) -> String {
        let session = self.sessions.get(&caller.session);
        session.map(|session| session.label.clone()).unwrap_or_default()
    }

    fn new_token(&mut self) -> Result<Token, BrokerError> {
        let bits = u128::from_be_bytes((self.randomness)()?);
        Ok(Token::new(format!("{bits:032x}")))
    }

    fn add_token(&mut self, id: SetId, token: TokenId, text: Token) {
        if let Some(set) = self.negotiating.sets.get_mut(&id) {
            set.tokens.insert(token, text.clone());
            self.negotiating.tokens.insert(text, (id, token));
        }
    }

    /// Gives a seat to a session.
    pub(super) fn seat(&mut self, id: SetId, token: TokenId, caller: Caller) {
        let Some(set) = self.negotiating.sets.get_mut(&id) else {
            return;
        };
        let seat = Seat {
            session: caller.session,
            place: Place::Nowhere,
            declared_bytes: 0,
            join: None,
        };
        set.seats.insert(token, seat);
        let holders = self.negotiating.holders.entry(caller.session);
        holders.or_default().insert((id, token));
    }

    /// The seat a token is for, if nobody else has it.
    fn free_seat(&self, caller: Caller, token: &Token) -> Result<(SetId, TokenId), BrokerError> {
        let Some((id, number)) = self.negotiating.tokens.get(token).copied() else {
            return Err(match self.tokens.stream(token, None) {
                Ok(stream) => BrokerError::TokenForOther {
                    expected: Target {
                        kind: ObjectKind::Set,
                        id: None,
                    },
                    actual: Target {
                        kind: ObjectKind::Stream,
                        id: Some(stream.0),
                    },
                },
                Err(_) => BrokerError::TokenUnknown,
            });
        };
        let seat = self.negotiating.set(id)?.seats.get(&number);
        if seat.is_some_and(|seat| seat.session != caller.session) {
            return Err(BrokerError::TokenUsedUp);
        }
        Ok((id, number))
    }

    pub(in crate::state) fn issue_seat(&mut self, peer: PeerId, call: &IssueSeat) -> Answered {
        let caller = self.caller(peer)?;
        let (id, parent) = self.free_seat(caller, &call.parent)?;
        let text = self.new_token()?;
        let set = self.negotiating.set_mut(id)?;
        if set.tokens.len() >= MAX_SEATS {
            return Err(full("seats", MAX_SEATS));
        }
        let mut spec = TokenSpec::new(&call.label)
            .rights(SeatRight::all_of(&call.rights))
            .domain(call.domain.into());
        spec.is_expected = call.expected;
        let token = set.machine.issue(parent, spec);
        let token = token.map_err(|error| broker_error(id, error))?;
        self.add_token(id, token, text.clone());
        self.follow_orders(id);
        done(Reply::IssueSeat(IssueSeatReply {
            token: text,
            participant: token.get(),
        }))
    }

    pub(in crate::state) fn take_seat(&mut self, peer: PeerId, call: &TakeSeat) -> Answered {
        let caller = self.caller(peer)?;
        let (id, token) = self.free_seat(caller, &call.token)?;
        self.declare(caller, id, token, call.participant.0.clone())?;
        done(Reply::TakeSeat(TakeSeatReply {
            set: id,
            participant: token.get(),
        }))
    }

    /// Makes a participant of whoever has or takes a seat.
    pub(super) fn declare(
        &mut self,
        caller: Caller,
        id: SetId,
        token: TokenId,
        participant: Participant,
    ) -> Result<(), BrokerError> {
        self.settle_move(id);
        let participant = self.known(caller, participant);
        let declared_bytes = size_bytes(&participant);
        let writes = writes(&participant);
        self.check_declaration(id, token, &participant, declared_bytes)?;
        let set = self.negotiating.set_mut(id)?;
        set.refusals.remove(&token);
        let declared = set.machine.declare(token, participant, &[]);
        declared.map_err(|error| broker_error(id, error))?;
        set.declared_bytes = set.declared_bytes.saturating_add(declared_bytes);
        if writes {
            set.writer = Some(token);
        }
        if !set.seats.contains_key(&token) {
            self.seat(id, token, caller);
        }
        let set = self.negotiating.set_mut(id)?;
        if let Some(seat) = set.seats.get_mut(&token) {
            seat.declared_bytes = declared_bytes;
        }
        self.follow_orders(id);
        self.still_there(id)
    }

    /// Fails if the set is over.
    fn still_there(&self, id: SetId) -> Result<(), BrokerError> {
        match self.negotiating.set(id)?.machine.failure() {
            Some(failure) => Err(super::errors::over(id, failure.clone())),
            None => Ok(()),
        }
    }

    /// What a participant says of itself, with what the kernel says of it instead.
    fn known(&self, caller: Caller, mut participant: Participant) -> Participant {
        let session = self.sessions.get(&caller.session);
        participant.pid = session.map(|session| session.credentials.pid);
        participant
    }

    /// What can be said of a declaration before the set hears of it, so that nobody else pays for it.
    pub(super) fn check_declaration(
        &self,
        id: SetId,
        token: TokenId,
        participant: &Participant,
        declared_bytes: usize,
    ) -> Result<(), BrokerError> {
        let invalid = |error: InvalidParticipant| BrokerError::invalid("participant", error.to_string());
        participant.clone().checked().map_err(invalid)?;
        let set = self.negotiating.set(id)?;
        if set.declared_bytes.saturating_add(declared_bytes) > MAX_DECLARED_BYTES {
            return Err(full("bytes of declarations", MAX_DECLARED_BYTES));
        }
        let declared = set.seats.values().filter(|seat| seat.declared_bytes > 0);
        if declared.count() >= MAX_PARTICIPANTS {
            return Err(full("participants", MAX_PARTICIPANTS));
        }
        if writes(participant) {
            check_writer(set, token, participant)?;
        }
        let late = set.is_late();
        self.alone(participant).map_err(|report| refused(report, late))
    }

    /// Checks that needs are possible as long as nobody else has any.
    fn alone(&self, participant: &Participant) -> Result<(), Box<Report>> {
        let one = [participant.clone()];
        let problem = wharf_core::negotiation::Problem {
            participants: &one,
            heaps: &self.negotiating.heaps,
            policy: &self.negotiating.policy,
        };
        match (self.negotiating.make_solver)().solve(&problem) {
            // Others may say what this one leaves open.
            Err(report) if !matches!(report.kind, ReportKind::Underconstrained { .. }) => Err(report),
            _ => Ok(()),
        }
    }

    pub(in crate::state) fn seal_set(&mut self, peer: PeerId, call: &SealSet) -> Answered {
        let caller = self.caller(peer)?;
        let set = self.negotiating.set_mut(call.set)?;
        let seats = set
            .seats
            .iter()
            .filter(|(_, seat)| seat.session == caller.session);
        let seats: Vec<TokenId> = seats.map(|(token, _)| *token).collect();
        let mut outcome = Err(BrokerError::NoSuchSet { id: call.set });
        for token in seats {
            outcome = set
                .machine
                .seal(token)
                .map_err(|error| broker_error(call.set, error));
            if !matches!(outcome, Err(BrokerError::SeatDenied { .. })) {
                break;
            }
        }
        self.follow_orders(call.set);
        outcome?;
        done(Reply::SealSet(Done {}))
    }

    pub(in crate::state) fn leave_seat(&mut self, peer: PeerId, call: &LeaveSeat) -> Answered {
        let caller = self.caller(peer)?;
        let (id, token) = self.free_seat(caller, &call.token)?;
        self.settle_move(id);
        let owner = self.negotiating.set(id)?.seats.get(&token);
        let is_owner = owner.is_some_and(|seat| seat.place == Place::Owner);
        if let (true, Some(stream)) = (is_owner, self.sets.get(&id).and_then(|set| set.stream)) {
            let is_running = self
                .streams
                .get(&stream)
                .is_some_and(|stream| stream.is_running());
            if is_running {
                return Err(BrokerError::SetInUse { set: id, stream });
            }
        }
        self.release_seat(id, token);
        done(Reply::LeaveSeat(Done {}))
    }
}

pub(super) fn full(what: &str, most: usize) -> BrokerError {
    BrokerError::SetFull {
        what: what.to_owned(),
        most: most as u64,
    }
}

/// Whether somebody will write the buffers.
pub(super) fn writes(participant: &Participant) -> bool {
    participant.access == AccessMode::ReadWrite && participant.presence != Presence::Phantom
}

/// The kernel lets one process write: the one that maps the buffers before they are sealed. Contract: S5.
fn check_writer(set: &NegotiatedSet, token: TokenId, participant: &Participant) -> Result<(), BrokerError> {
    let denied = |reason: &str| {
        let reason = reason.into();
        Err(refused(
            Box::new(ReportKind::Denied { reason }.into()),
            set.is_late(),
        ))
    };
    if set.is_late() {
        return denied("the buffers are sealed: whoever writes them has to come before there is memory");
    }
    if set.writer.is_some_and(|writer| writer != token) {
        return denied("somebody else writes the buffers already, and only one can");
    }
    if fewest_camping(participant) == 0 {
        return denied("whoever writes has to count on a buffer: state camping of 1 at least");
    }
    Ok(())
}

/// How many buffers a participant counts on at least, whatever ways its functions work in.
pub(super) fn fewest_camping(participant: &Participant) -> u64 {
    let of_function = |function: &Function| {
        let ways = function.alternatives.iter();
        let counts = ways.map(|way| way.constraints.set().number(Field::Camping).unwrap_or(0));
        counts.min().unwrap_or(0)
    };
    let counts = participant.functions.iter().map(of_function);
    counts.fold(0, u64::saturating_add)
}
