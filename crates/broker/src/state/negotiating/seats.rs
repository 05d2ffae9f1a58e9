//! Making sets, issuing, taking and leaving seats.

use std::collections::{BTreeMap, BTreeSet};

use wharf_core::set::{Rights, SetConfig, SetMachine, TokenId, TokenSpec};
use wharf_protocol::limits::MAX_SEATS;
use wharf_protocol::{
    BrokerError, CreateSet, CreateSetReply, Done, IssueSeat, IssueSeatReply, LeaveSeat, ObjectKind, Reply,
    Resource, SealSet, SeatRight, SetId, TakeSeat, TakeSeatReply, Target, Token,
};

use super::errors::broker_error;
use super::{MAX_SETS_PER_USER, NegotiatedSet, Place, Purpose, STALLED_AFTER_MS, Seat};
use crate::state::accounts::one_more;
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
            left_bytes: BTreeMap::new(),
            abandoned: None,
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
        one_more(uid, Resource::Sets, used, MAX_SETS_PER_USER)
    }

    pub(super) fn label_of(&self, caller: Caller) -> String {
        let session = self.sessions.get(&caller.session);
        session.map(|session| session.label.clone()).unwrap_or_default()
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
        if let Some(alarm) = set.abandoned.take() {
            self.cancel_purpose(alarm);
        }
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
