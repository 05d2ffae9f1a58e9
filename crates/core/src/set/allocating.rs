//! Asking heaps, and what they answer.

use super::attempt::Attempt;
use super::machine::{Generation, Phase, required};
use super::node::Standing;
use super::{AllocationFailure, News, SetError, SetFailure, SetMachine, TokenId};
use crate::negotiation::{Participant, Plan, Presence, Report};

impl SetMachine {
    /// Answers [`Order::Allocate`](super::Order::Allocate). After a failure the next heap that suits is asked, then those of the next plan; an
    /// order follows. If there is none, the set fails, or the newcomer is refused for whom the memory was to move.
    ///
    /// # Errors
    /// [`SetError::Stale`]: ESTALE if the set does not wait for this generation; give its memory up. [`SetError::Over`]: likewise.
    pub fn allocated(
        &mut self,
        generation: u64,
        answer: Result<(), AllocationFailure>,
    ) -> Result<(), SetError> {
        self.check_alive()?;
        let stale = SetError::Stale {
            generation,
            current: self.generation().unwrap_or(0),
        };
        let Some(attempt) = self.attempt().filter(|attempt| attempt.generation == generation) else {
            return Err(stale);
        };
        match answer {
            Ok(()) => self.have_memory(),
            Err(failure) => {
                let mut attempt = attempt.clone();
                let cause = attempt.failed(failure, &self.config.account).err();
                self.set_attempt(attempt);
                self.ask_heaps(cause);
            }
        }
        Ok(())
    }

    /// Returns what heaps are being asked for.
    fn attempt(&self) -> Option<&Attempt> {
        match &self.phase {
            Phase::Allocating(attempt) => Some(attempt),
            Phase::Moving(moving) if !moving.is_allocated => Some(&moving.attempt),
            _ => None,
        }
    }

    fn set_attempt(&mut self, new: Attempt) {
        match &mut self.phase {
            Phase::Allocating(attempt) => **attempt = new,
            Phase::Moving(moving) => moving.attempt = new,
            _ => {}
        }
    }

    /// Orders memory for the attempt that is under way, from the next heap or for another plan; gives up if there is `cause` to, or nothing
    /// is left to try.
    pub(super) fn ask_heaps(&mut self, cause: Option<Box<Report>>) {
        let Some(mut attempt) = self.attempt().cloned() else {
            return;
        };
        let outcome = match cause {
            Some(report) => self.order_without_optional(&mut attempt, report),
            None => self.next_order(&mut attempt),
        };
        match outcome {
            Ok(()) => self.set_attempt(attempt),
            Err(report) => self.no_memory(report),
        }
    }

    fn next_order(&mut self, attempt: &mut Attempt) -> Result<(), Box<Report>> {
        if attempt.heaps().is_none() {
            match self.next_plan(attempt) {
                Ok(plan) => attempt.replan(plan),
                Err(report) => return Err(attempt.clone().no_memory(Some(report))),
            }
        }
        match attempt.order() {
            Some(order) => {
                self.order(order);
                Ok(())
            }
            None => Err(attempt.clone().no_memory(None)),
        }
    }

    /// Orders what those need who have to be there, when the account has not enough for all: whose needs never make the set fail does not
    /// do so by wanting much.
    ///
    /// # Errors
    /// `report`, if nobody can be left out, or the set has memory and nobody has to be; that of what is needed then otherwise.
    fn order_without_optional(
        &mut self,
        attempt: &mut Attempt,
        report: Box<Report>,
    ) -> Result<(), Box<Report>> {
        let is_optional = |participant: &Participant| participant.presence != Presence::Required;
        let everybody = self.in_force();
        let is_first = matches!(self.phase, Phase::Allocating(_));
        if !is_first || !everybody.iter().any(is_optional) || everybody.iter().all(is_optional) {
            return Err(report);
        }
        for participant in everybody.into_iter().filter(is_optional) {
            self.do_without(TokenId::from(participant.id));
        }
        self.prune();
        let plan = self
            .solver
            .solve(&self.problem(&self.in_force(), &self.config.heaps))?;
        *attempt = Attempt::new(attempt.generation, plan);
        self.next_order(attempt)
    }

    /// Works out what suits everybody without the heaps that have nothing.
    fn next_plan(&self, attempt: &Attempt) -> Result<Plan, Box<Report>> {
        let participants = match &self.phase {
            Phase::Moving(moving) => self.moving_for(moving.newcomer, moving.phantom),
            _ => self.in_force(),
        };
        let heaps = attempt.heaps_left(&self.config.heaps);
        self.solver.solve(&self.problem(&participants, &heaps))
    }

    /// Returns whom the memory has to suit after a move.
    fn moving_for(&self, newcomer: TokenId, phantom: Option<TokenId>) -> Vec<Participant> {
        let mut participants = self.staying(phantom);
        if let Some(node) = self.nodes.get(&newcomer)
            && let Standing::Joining(participant) = &node.standing
        {
            participants.push(required(participant));
        }
        participants
    }

    fn no_memory(&mut self, report: Box<Report>) {
        if matches!(self.phase, Phase::Moving(_)) {
            self.refuse_newcomer(SetError::Refused(report));
        } else {
            self.end(SetFailure::Report(report));
        }
    }

    fn have_memory(&mut self) {
        if matches!(self.phase, Phase::Moving(_)) {
            self.ask_members();
        } else {
            self.begin_to_live();
        }
    }

    /// Hands out the first memory.
    fn begin_to_live(&mut self) {
        let Phase::Allocating(attempt) = &self.phase else {
            return;
        };
        let generation = self.accept(attempt);
        let number = generation.number;
        self.current = Some(generation);
        self.phase = Phase::Live;
        self.leave_out();
        for token in self.members() {
            self.tell(token, News::Ready { generation: number });
        }
    }

    /// Makes a generation of an attempt that went well: with what is counted on by those who are still there, or left in good order.
    pub(super) fn accept(&self, attempt: &Attempt) -> Generation {
        let mut ledger = attempt.plan.ledger.clone();
        ledger.entries.retain(|entry| {
            let node = self.nodes.get(&TokenId::from(entry.participant));
            node.is_some_and(|node| {
                node.in_force().is_some() || matches!(node.standing, Standing::Joining(_))
            })
        });
        Generation {
            number: attempt.generation,
            heaps: attempt.heaps().unwrap_or_default(),
            choices: attempt.plan.choices.clone(),
            plan: attempt.plan.clone(),
            ledger,
        }
    }

    /// Leaves out those whom the plan does without, and tells them.
    pub(super) fn leave_out(&mut self) {
        let Some(current) = &self.current else { return };
        let dropped: Vec<TokenId> = current.plan.dropped.iter().map(|id| TokenId::from(*id)).collect();
        for token in dropped {
            self.do_without(token);
        }
    }

    /// Leaves out whoever has declared, and forgets the needs of whoever has left.
    fn do_without(&mut self, token: TokenId) {
        let Some(node) = self.nodes.get_mut(&token) else {
            return;
        };
        if let Some(participant) = node.declared().cloned() {
            node.standing = Standing::LeftOut(participant);
            self.tell(token, News::LeftOut);
        } else if node.in_force().is_some() {
            node.standing = Standing::Released(None);
        }
    }

    /// Returns the participants that are there and use buffers.
    pub(super) fn members(&self) -> Vec<TokenId> {
        let nodes = self.nodes.iter().filter(|(_, node)| node.member().is_some());
        nodes.map(|(token, _)| *token).collect()
    }
}
