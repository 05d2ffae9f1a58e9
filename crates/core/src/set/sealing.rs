//! Who is still expected, and the end of collecting.

use super::attempt::{Attempt, report};
use super::machine::Phase;
use super::{Rights, SetError, SetFailure, SetMachine, TokenId};
use crate::negotiation::{Report, ReportKind};

impl SetMachine {
    /// Says that nobody else is waited for: memory is allocated for those who are there. Those who are still expected come late.
    ///
    /// # Errors
    /// [`SetError::Denied`]: EACCES without [`Rights::SEAL`]. [`SetError::Sealed`]: EBUSY if it is already.
    /// [`SetError::Waiting`]: EAGAIN if nobody at all has declared anything. [`SetError::NoSuchToken`], [`SetError::Over`].
    pub fn seal(&mut self, token: TokenId) -> Result<(), SetError> {
        self.check_alive()?;
        self.check_right(token, Rights::SEAL)?;
        if !matches!(self.phase, Phase::Open) {
            return Err(SetError::Sealed);
        }
        if !self.has_participants() {
            return Err(SetError::Waiting {
                missing: self.missing(),
            });
        }
        self.allocate_first();
        self.check_alive()
    }

    /// Returns the labels of those who are expected and have said nothing, in the order their tokens were issued in.
    pub fn missing(&self) -> Vec<Box<str>> {
        let nodes = self.nodes.values().filter(|node| node.is_missing());
        nodes.map(|node| node.spec.label.clone()).collect()
    }

    /// Returns whom the set waits for, as a report to warn with; `None` if it waits for nobody. Nothing changes.
    pub fn stall_report(&self) -> Option<Report> {
        let missing = self.missing();
        let is_waiting = matches!(self.phase, Phase::Open) && !missing.is_empty();
        is_waiting.then(|| *report(ReportKind::Stalled { missing }))
    }

    /// Says that whoever is expected has had time enough. Those whose failure harms nobody are waited for no longer; if others are
    /// missing, the set has failed.
    ///
    /// # Errors
    /// [`SetError::Over`]: ETIMEDOUT, with a report that names who is missing.
    pub fn deadline_passed(&mut self) -> Result<(), SetError> {
        self.check_alive()?;
        if !matches!(self.phase, Phase::Open) {
            return Ok(());
        }
        let missing = self.nodes.iter().filter(|(_, node)| node.is_missing());
        let missing: Vec<TokenId> = missing.map(|(token, _)| *token).collect();
        for token in missing {
            if self.is_contained(token)
                && let Some(node) = self.nodes.get_mut(&token)
            {
                node.spec.is_expected = false;
            }
        }
        match self.stall_report() {
            Some(stalled) => self.end(SetFailure::Report(Box::new(stalled))),
            None => self.seal_if_complete(),
        }
        self.check_alive()
    }

    /// Seals the set if somebody was expected, and everybody has come who was.
    pub(super) fn seal_if_complete(&mut self) {
        let is_open = matches!(self.phase, Phase::Open);
        let is_complete = self.expects && !self.nodes.values().any(|node| node.is_missing());
        if is_open && is_complete && self.has_participants() {
            self.allocate_first();
        }
    }

    fn has_participants(&self) -> bool {
        let mut nodes = self.nodes.values();
        nodes.any(|node| node.in_force().is_some() && !node.is_phantom())
    }

    /// Works out what suits everybody, and has it allocated.
    pub(super) fn allocate_first(&mut self) {
        let participants = self.in_force();
        let problem = self.problem(&participants, &self.config.heaps);
        match self.solver.solve(&problem) {
            Ok(plan) => {
                let attempt = Attempt::new(self.next_generation(), plan);
                self.phase = Phase::Allocating(Box::new(attempt));
                self.ask_heaps(None);
            }
            Err(report) => self.end(SetFailure::Report(report)),
        }
    }
}
