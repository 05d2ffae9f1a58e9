//! Moving everybody to other memory, or nobody. Contract: N5.

use std::mem;

use super::attempt::{Attempt, report};
use super::machine::{Moving, Phase};
use super::node::Standing;
use super::{MoveFailure, News, Order, SetError, SetMachine, TokenId};
use crate::Errno;
use crate::negotiation::{Misfit, Plan, ReportKind};

impl Moving {
    pub(super) fn new(
        to: u64,
        plan: Plan,
        newcomer: TokenId,
        phantom: Option<TokenId>,
        misfit: Box<Misfit>,
    ) -> Self {
        Self {
            attempt: Attempt::new(to, plan),
            newcomer,
            phantom,
            misfit,
            is_allocated: false,
        }
    }
}

impl SetMachine {
    /// Answers [`Order::Move`]: everybody has the new generation.
    ///
    /// # Errors
    /// [`SetError::Stale`]: ESTALE if the set is not moving there any more: everybody has to stay with what they had. [`SetError::Over`]:
    /// likewise.
    pub fn moved(&mut self, to: u64) -> Result<(), SetError> {
        let moving = self.take_move(to)?;
        let generation = self.accept(&moving.attempt);
        let from = self.generation().unwrap_or(0);
        let stayed = self.members();
        if let Some(node) = self.nodes.get_mut(&moving.newcomer)
            && let Standing::Joining(participant) = &node.standing
        {
            node.standing = Standing::Declared(participant.clone());
        }
        self.current = Some(generation);
        self.forget_released();
        for token in stayed {
            self.tell(token, News::Moved { from, to });
        }
        self.tell(moving.newcomer, News::Ready { generation: to });
        self.leave_out();
        self.order(Order::Free { generation: from });
        self.replace_phantom(moving.phantom, moving.newcomer);
        Ok(())
    }

    /// Answers [`Order::Move`]: nobody has the new generation. The newcomer is refused, and may try again.
    ///
    /// # Errors
    /// As [`SetMachine::moved`].
    pub fn not_moved(&mut self, to: u64, failure: MoveFailure) -> Result<(), SetError> {
        let moving = self.take_move(to)?;
        let error = match failure {
            MoveFailure::Held(blockers) => SetError::Refused(report(ReportKind::Busy {
                blockers,
                misfit: moving.misfit.clone(),
            })),
            MoveFailure::Failed { who, errno, reason } => {
                self.failed_at(who.map(TokenId::from), errno, reason)
            }
        };
        self.phase = Phase::Moving(moving);
        self.refuse_newcomer(error);
        Ok(())
    }

    fn failed_at(&self, who: Option<TokenId>, errno: Errno, reason: Box<str>) -> SetError {
        let node = who.and_then(|token| self.nodes.get(&token));
        SetError::NotMoved {
            who: node.map(|node| node.label().into()),
            errno,
            reason,
        }
    }

    /// Ends the move that waits for an answer about `to`, and returns it.
    fn take_move(&mut self, to: u64) -> Result<Box<Moving>, SetError> {
        self.check_alive()?;
        match mem::replace(&mut self.phase, Phase::Live) {
            Phase::Moving(moving) if moving.is_allocated && moving.attempt.generation == to => Ok(moving),
            phase => {
                self.phase = phase;
                Err(SetError::Stale {
                    generation: to,
                    current: self.generation().unwrap_or(0),
                })
            }
        }
    }

    /// Has everybody asked to change to the new memory.
    pub(super) fn ask_members(&mut self) {
        let members = self.members().into_iter().map(TokenId::participant).collect();
        let (Phase::Moving(moving), Some(current)) = (&mut self.phase, &self.current) else {
            return;
        };
        moving.is_allocated = true;
        let order = Order::Move {
            from: current.number,
            to: moving.attempt.generation,
            members,
            newcomer: moving.newcomer.participant(),
            contents: self.config.contents,
        };
        self.order(order);
    }

    /// Gives the move up and refuses whom it was for; everybody has what they had.
    pub(super) fn refuse_newcomer(&mut self, error: SetError) {
        if let SetError::Refused(report) = &error {
            self.last_report = Some(report.clone());
        }
        if let Some(newcomer) = self.give_up_move() {
            self.set_standing(newcomer, Standing::Issued);
            self.tell(newcomer, News::Refused(error));
            self.forget_released();
        }
    }

    /// Gives the move up that is under way, and returns whom it was for.
    pub(super) fn give_up_move(&mut self) -> Option<TokenId> {
        match mem::replace(&mut self.phase, Phase::Live) {
            Phase::Moving(moving) => {
                self.order(Order::Free {
                    generation: moving.attempt.generation,
                });
                Some(moving.newcomer)
            }
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// Forgets those who have left in good order and for whom no buffers are reserved.
    pub(super) fn forget_released(&mut self) {
        let released = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(node.standing, Standing::Released(Some(_))));
        let released: Vec<TokenId> = released.map(|(token, _)| *token).collect();
        for token in released {
            let counts = self.counts(token);
            if counts.is_none_or(|counts| counts.camping == 0 && counts.slack == 0) {
                self.forget_counts(token);
                self.set_standing(token, Standing::Released(None));
            }
        }
        self.prune();
    }
}
