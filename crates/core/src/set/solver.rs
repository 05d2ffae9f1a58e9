//! Whom a set asks what suits everybody.

use super::LatePolicy;
use crate::negotiation::{Blocker, Choice, Ledger, Misfit, Participant, Plan, Problem, Report};

/// Works out what suits everybody; the same answer for the same question. [`Negotiator`](super::Negotiator) does.
pub trait Solver: Send {
    /// Finds a plan for those who are there.
    ///
    /// # Errors
    /// The report of why there is none.
    fn solve(&self, problem: &Problem<'_>) -> Result<Plan, Box<Report>>;

    /// Says whether somebody can come when there is memory already.
    ///
    /// # Errors
    /// The report of why not: busy if it would be possible as long as nobody held the memory in place.
    fn join(&self, late: &Late<'_>) -> Result<Joining, Box<Report>>;
}

/// Somebody who comes late, and what it finds.
#[derive(Debug, Clone, Copy)]
pub struct Late<'a> {
    /// Who comes.
    pub newcomer: &'a Participant,
    /// What the memory is like.
    pub plan: &'a Plan,
    /// The heap it is from, for each memory of a buffer.
    pub heaps: &'a [Box<str>],
    /// Who counts on how many of the buffers.
    pub ledger: &'a Ledger,
    /// In which way each function works, of those who are there.
    pub choices: &'a [Choice],
    /// Those who stay, whom new memory would have to suit too; heaps and policy for that.
    pub others: Problem<'a>,
    /// Who holds the memory in place, besides those whose contract is static.
    pub holders: &'a [Blocker],
    /// Whether the memory may move at all.
    pub policy: LatePolicy,
}

/// How somebody can come late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joining {
    /// What there is suits it.
    Fits {
        /// Who counts on how many of the buffers, the newcomer too.
        ledger: Ledger,
        /// In which way each function of the newcomer works.
        choices: Vec<Choice>,
    },
    /// The memory has to move.
    Move {
        /// What suits everybody.
        plan: Box<Plan>,
        /// Why what there is does not.
        misfit: Box<Misfit>,
    },
}
