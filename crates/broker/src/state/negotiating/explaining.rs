//! What can be seen of a negotiated set.

use wharf_core::set::{Joining, Prospect};
use wharf_protocol::{
    BrokerError, Call, CheckSet, CheckSetReply, ExplainSet, ExplainSetReply, NegotiationState, Object,
    ObjectKind, Reply, SeatState, SetId, SetState,
};

use super::NegotiatedSet;
use super::errors::{broker_error, shortened, shortened_plan};
use crate::state::peers::Caller;
use crate::state::{Answered, Machine, PeerId, done};

impl Machine {
    /// The set of this number, if the caller may look at it.
    fn visible_set(&self, caller: Caller, id: SetId) -> Result<&NegotiatedSet, BrokerError> {
        let sees_all = caller.uid == 0 || caller.uid == self.settings.uid;
        let may_see = |set: &&NegotiatedSet| {
            let has_seat = set.seats.values().any(|seat| seat.session == caller.session);
            sees_all || set.uid == caller.uid || has_seat
        };
        if let Some(set) = self.negotiating.sets.get(&id).filter(may_see) {
            return Ok(set);
        }
        let other = self.sets.get(&id);
        match other.filter(|set| !self.negotiating.is_negotiated(id) && set.uid == caller.uid) {
            Some(_) => Err(BrokerError::SetNegotiated { set: id }),
            None => Err(BrokerError::NoSuchSet { id }),
        }
    }

    /// Refuses calls that are for other sets than negotiated ones.
    pub(in crate::state) fn check_kind(&self, peer: PeerId, call: &Call) -> Result<(), BrokerError> {
        let set = match call {
            Call::FreeBuffers(call) => call.set,
            Call::MoveBuffers(call) => call.set,
            Call::IssueToken(call) if call.kind == ObjectKind::Set => SetId(call.id),
            _ => return Ok(()),
        };
        // Whether others have a set of this number is nobody else's business, nor is it that of who has not registered.
        match self.caller(peer).and_then(|caller| self.visible_set(caller, set)) {
            Ok(_) => Err(BrokerError::SetNegotiated { set }),
            Err(_) => Ok(()),
        }
    }

    pub(in crate::state) fn explain_set(&mut self, peer: PeerId, call: &ExplainSet) -> Answered {
        let caller = self.caller(peer)?;
        let set = self.visible_set(caller, call.set)?;
        let state = set.state();
        let plan = set.machine.plan().map(|plan| Object(shortened_plan(plan, None)));
        let report = set.machine.last_report().cloned();
        let reply = ExplainSetReply {
            name: set.name.clone(),
            status: state.status,
            generation: set.machine.generation().unwrap_or(0),
            heaps: state.heaps,
            missing: state.missing,
            seats: state.seats,
            plan,
            report: report.map(|report| Object(shortened(Box::new(report)))),
            over: set.machine.failure().map(ToString::to_string),
        };
        done(Reply::ExplainSet(reply))
    }

    pub(in crate::state) fn check_set(&mut self, peer: PeerId, call: &CheckSet) -> Answered {
        let caller = self.caller(peer)?;
        let set = self.visible_set(caller, call.set)?;
        let prospect = set.machine.prospect(&call.participant.0, &[]);
        let (moves, plan) = match prospect.map_err(|error| broker_error(call.set, error))? {
            Prospect::Planned(plan) => (false, Some(plan)),
            Prospect::Late(Joining::Fits { .. }) => (false, None),
            Prospect::Late(Joining::Move { plan, .. }) => (true, Some(plan)),
        };
        let plan = plan.map(|plan| Object(shortened_plan(&plan, None)));
        done(Reply::CheckSet(CheckSetReply { moves, plan }))
    }

    /// What listings show of a set.
    pub(in crate::state) fn negotiation_state(&self, id: SetId) -> Option<NegotiationState> {
        self.negotiating.sets.get(&id).map(NegotiatedSet::state)
    }

    /// What listings show of sets that have no memory, of users that `visible` says yes to.
    pub(in crate::state) fn sets_without_memory(&self, visible: impl Fn(u32) -> bool) -> Vec<SetState> {
        let sets = self.negotiating.sets.iter();
        let sets = sets.filter(|(id, set)| visible(set.uid) && !self.sets.contains_key(id));
        let describe = |(id, set): (&SetId, &NegotiatedSet)| SetState {
            set: *id,
            name: set.name.clone(),
            owner: set.creator,
            uid: set.uid,
            generation: 0,
            size_bytes: 0,
            count: 0,
            sealed: false,
            importers: Vec::new(),
            stream: None,
            moving: None,
            old: Vec::new(),
            negotiation: Some(set.state()),
        };
        sets.map(describe).collect()
    }
}

impl NegotiatedSet {
    fn state(&self) -> NegotiationState {
        let snapshot = self.machine.snapshot();
        let missing = self.machine.missing();
        NegotiationState {
            status: snapshot.status.into(),
            heaps: snapshot.heaps.into_iter().map(String::from).collect(),
            missing: missing.into_iter().map(String::from).collect(),
            seats: snapshot.tokens.into_iter().map(SeatState::from).collect(),
        }
    }
}
