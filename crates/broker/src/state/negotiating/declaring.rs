//! What participants need, and what can be said of that before the set hears of it.

use wharf_core::AccessMode;
use wharf_core::constraints::Field;
use wharf_core::negotiation::{
    Function, InvalidParticipant, Participant, Presence, Problem, Report, ReportKind,
};
use wharf_core::set::TokenId;
use wharf_protocol::limits::{MAX_DECLARED_BYTES, MAX_PARTICIPANTS};
use wharf_protocol::{BrokerError, SetId};

use super::NegotiatedSet;
use super::errors::{broker_error, over, refused, size_bytes};
use super::seats::full;
use crate::state::Machine;
use crate::state::peers::Caller;

/// What an alternative takes in memory that says nothing.
const ALTERNATIVE_BYTES: usize = 384;

impl Machine {
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
        let declared_bytes = kept_bytes(&participant);
        let writes = writes(&participant);
        self.check_declaration(id, token, &participant, declared_bytes)?;
        let set = self.negotiating.set_mut(id)?;
        set.refusals.remove(&token);
        let declared = set.machine.declare(token, participant, &[]);
        declared.map_err(|error| broker_error(id, error))?;
        // Who was refused, or comes again, says it anew.
        let before = set.seats.get(&token).map_or(0, |seat| seat.declared_bytes);
        set.declared_bytes = set
            .declared_bytes
            .saturating_sub(before)
            .saturating_add(declared_bytes);
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
            Some(failure) => Err(over(id, failure.clone())),
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
    fn check_declaration(
        &self,
        id: SetId,
        token: TokenId,
        participant: &Participant,
        declared_bytes: usize,
    ) -> Result<(), BrokerError> {
        let invalid = |error: InvalidParticipant| BrokerError::invalid("participant", error.to_string());
        participant.clone().checked().map_err(invalid)?;
        let set = self.negotiating.set(id)?;
        let left_bytes: usize = set.left_bytes.values().sum();
        let bytes = set.declared_bytes.saturating_add(left_bytes);
        if bytes.saturating_add(declared_bytes) > MAX_DECLARED_BYTES {
            return Err(full("bytes of declarations", MAX_DECLARED_BYTES));
        }
        let declared = set.seats.values().filter(|seat| seat.declared_bytes > 0);
        if declared.count() + set.left_bytes.len() >= MAX_PARTICIPANTS {
            return Err(full("participants", MAX_PARTICIPANTS));
        }
        // The solver takes its time: it is not for those who may not take part, or have to come again anyhow.
        let may_declare = set.machine.check_declaration(token, participant);
        may_declare.map_err(|error| broker_error(id, error))?;
        if writes(participant) {
            check_writer(set, token, participant)?;
        }
        let late = set.is_late();
        self.alone(participant).map_err(|report| refused(report, late))
    }

    /// Checks that needs are possible as long as nobody else has any.
    fn alone(&self, participant: &Participant) -> Result<(), Box<Report>> {
        let one = [participant.clone()];
        let problem = Problem {
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
}

/// What it takes to keep a declaration, about: it is short as JSON if it has many alternatives that say little.
fn kept_bytes(participant: &Participant) -> usize {
    let functions = participant.functions.iter();
    let alternatives: usize = functions.map(|function| function.alternatives.len()).sum();
    size_bytes(participant).saturating_add(alternatives.saturating_mul(ALTERNATIVE_BYTES))
}

/// Whether somebody will write the buffers.
fn writes(participant: &Participant) -> bool {
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
