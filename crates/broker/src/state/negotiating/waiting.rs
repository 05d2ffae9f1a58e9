//! Calls that are answered later, and times.

use wharf_core::set::{SetFailure, SetStatus};
use wharf_protocol::{BrokerError, Call, SetId};

use super::Purpose;
use super::errors::over;
use crate::state::accounts::NOTHING;
use crate::state::operations::Work;
use crate::state::{Answer, Answered, Effect, Machine, OperationId, Request, next};

/// How far a set is, as far as those who wait for it care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    status: SetStatus,
    missing: usize,
    sealed: bool,
    current: u64,
    refusals: usize,
}

impl Machine {
    /// Numbers something the driver is asked for.
    pub(super) fn new_purpose(&mut self, set: SetId, purpose: Purpose) -> OperationId {
        let operation = OperationId(next(&mut self.counters.operation));
        self.negotiating.purposes.insert(operation, (set, purpose));
        operation
    }

    /// Has itself told after a while.
    pub(super) fn set_purpose(&mut self, set: SetId, purpose: Purpose, after_ms: u64) -> OperationId {
        let operation = self.new_purpose(set, purpose);
        self.effects.push(Effect::SetAlarm { operation, after_ms });
        operation
    }

    pub(super) fn cancel_purpose(&mut self, operation: OperationId) {
        if self.negotiating.purposes.remove(&operation).is_some() {
            self.effects.push(Effect::CancelAlarm { operation });
        }
    }

    /// Answers a call when the set has come further, at the latest after `wait_ms`.
    pub(super) fn answer_later(&mut self, request: &Request, id: SetId, wait_ms: u64) -> Answered {
        let peer = request.peer;
        let mut waiting = OperationId(0);
        self.begin(request, Work::Negotiation, NOTHING, |operation| {
            waiting = operation;
            Effect::Wait { peer }
        })?;
        self.effects.push(Effect::SetAlarm {
            operation: waiting,
            after_ms: wait_ms,
        });
        let stage = self.stage(id);
        if let Ok(set) = self.negotiating.set_mut(id) {
            set.waiting.insert(waiting);
            set.seen = Some(stage);
        }
        self.negotiating.touch(id);
        Ok(Answer::Later)
    }

    fn stage(&self, id: SetId) -> Stage {
        let memory = self.sets.get(&id);
        let set = self.negotiating.sets.get(&id);
        Stage {
            status: set.map_or(SetStatus::Dead, |set| set.machine.status()),
            missing: set.map_or(0, |set| set.machine.missing().len()),
            refusals: set.map_or(0, |set| set.refusals.len()),
            sealed: memory.is_some_and(|set| set.sealed),
            current: memory.map_or(0, |set| set.current.number),
        }
    }

    /// Looks at sets where something may have changed: moves, members, those who wait.
    pub(in crate::state) fn follow_up(&mut self) {
        for id in self.negotiating.active.clone() {
            self.settle_move(id);
            self.drop_lost_members(id);
            self.serve_waiting(id);
            let set = self.negotiating.sets.get(&id);
            if set.is_none_or(|set| set.waiting.is_empty() && set.moving_to.is_none()) {
                self.negotiating.active.remove(&id);
            }
            self.remove_if_over(id);
        }
    }

    /// Serves the calls again that wait for a set, if it has come further.
    fn serve_waiting(&mut self, id: SetId) {
        let stage = self.stage(id);
        let waiting = match self.negotiating.set_mut(id) {
            Ok(set) if set.seen.as_ref() != Some(&stage) => {
                set.seen = Some(stage);
                set.waiting.clone()
            }
            _ => return,
        };
        for operation in waiting {
            self.serve_again(id, operation, false);
        }
    }

    /// Serves a call that waits once more. If it would have to wait on, it does, unless this is the end of its patience.
    fn serve_again(&mut self, id: SetId, waiting: OperationId, is_last: bool) {
        let Some(operation) = self.operations.get(&waiting) else {
            return self.forget_waiting(id, waiting);
        };
        let request = operation.request.clone();
        let answered = self.answer_now(&request);
        let goes_on = matches!(
            answered,
            Err(BrokerError::SetWaiting { .. } | BrokerError::SetSettling { .. })
        );
        if goes_on && !is_last {
            return;
        }
        self.forget_waiting(id, waiting);
        let Some(operation) = self.conclude(waiting, Work::Negotiation) else {
            return;
        };
        let peer = operation.request.peer;
        self.effects.push(Effect::Resume { peer });
        match answered {
            Ok(Answer::Done(reply, fds)) => self.reply(peer, operation.request.oneway, reply, fds),
            Ok(Answer::Later) => {}
            Err(error) => {
                self.leave_unclaimed(&operation.request, &error);
                self.abandon(operation, error);
            }
        }
    }

    /// Answers all calls that wait for a set that is over.
    pub(super) fn answer_all(&mut self, id: SetId) {
        let Ok(set) = self.negotiating.set(id) else { return };
        let failure = set.machine.failure().cloned();
        let error = over(id, failure.unwrap_or(SetFailure::Ended));
        for waiting in set.waiting.clone() {
            self.forget_waiting(id, waiting);
            if let Some(operation) = self.conclude(waiting, Work::Negotiation) {
                let peer = operation.request.peer;
                self.effects.push(Effect::Resume { peer });
                self.abandon(operation, error.clone());
            }
        }
    }

    /// What a call that waits is answered now.
    fn answer_now(&mut self, request: &Request) -> Answered {
        match &request.call {
            Call::AwaitBuffers(call) => self.give_buffers(request.peer, call),
            Call::JoinStream(call) => self.join_negotiated(request, call),
            _ => Err(BrokerError::NotRegistered),
        }
    }

    pub(super) fn forget_waiting(&mut self, id: SetId, waiting: OperationId) {
        if let Ok(set) = self.negotiating.set_mut(id)
            && set.waiting.remove(&waiting)
        {
            self.effects.push(Effect::CancelAlarm { operation: waiting });
        }
    }

    /// The time of something is up. `false` if it is nothing of a negotiated set.
    pub(in crate::state) fn negotiation_alarm(&mut self, operation: OperationId) -> bool {
        if let Some((id, purpose)) = self.negotiating.purposes.remove(&operation) {
            self.time_is_up(id, purpose);
            return true;
        }
        let sets = self.negotiating.active.iter();
        let waits_for = |id: &&SetId| {
            let set = self.negotiating.sets.get(id);
            set.is_some_and(|set| set.waiting.contains(&operation))
        };
        let Some(id) = sets.copied().find(|id| waits_for(&id)) else {
            return false;
        };
        self.serve_again(id, operation, true);
        true
    }

    fn time_is_up(&mut self, id: SetId, purpose: Purpose) {
        let Ok(set) = self.negotiating.set_mut(id) else {
            return;
        };
        match purpose {
            Purpose::Deadline => {
                // Whoever waits hears of it.
                let _ = set.machine.deadline_passed();
                self.follow_orders(id);
            }
            Purpose::Stalled(after_ms) => {
                if set.machine.stall_report().is_some() {
                    let missing = set.machine.missing();
                    let after_s = after_ms / 1000;
                    tracing::warn!(%id, name = set.name, ?missing, after_s, "a negotiated set waits for participants");
                }
            }
            Purpose::Abandoned => {
                set.abandoned = None;
                if set.seats.is_empty() {
                    self.remove_negotiated(id);
                }
            }
            Purpose::Unclaimed(token) => self.fail_seat(id, token),
            Purpose::Allocation | Purpose::Seal => {}
        }
    }
}
