//! Asking [`negotiation`](crate::negotiation).

use super::{Joining, Late, LatePolicy, Solver};
use crate::attachment::Contract;
use crate::constraints::{Constraints, Field, Value};
use crate::negotiation::{
    self, ActualBuffer, ActualMemory, Blame, Blocker, Choice, FieldPath, Ledger, LedgerEntry, Misfit,
    Neighbor, Participant, Plan, Presence, Problem, Report, ReportKind,
};

/// Asks [`negotiation::solve`] and [`negotiation::suits`]: the solver of every set that is not a test's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Negotiator;

impl Solver for Negotiator {
    fn solve(&self, problem: &Problem<'_>) -> Result<Plan, Box<Report>> {
        negotiation::solve(problem)
    }

    /// Tests the memory there is field by field; only if it does not suit is everything solved together.
    fn join(&self, late: &Late<'_>) -> Result<Joining, Box<Report>> {
        let misfit = match suits(late) {
            Ok(choices) => {
                let mut ledger = late.ledger.clone();
                ledger.entries.extend(entry(late, &choices));
                return Ok(Joining::Fits { ledger, choices });
            }
            Err(misfit) => misfit,
        };
        let mut everybody = late.others.participants.to_vec();
        everybody.push(late.newcomer.clone());
        let together = Problem {
            participants: &everybody,
            ..late.others
        };
        let plan = Box::new(self.solve(&together)?);
        let blockers = blockers(late);
        if blockers.is_empty() {
            return Ok(Joining::Move { plan, misfit });
        }
        Err(Box::new(Report::from(ReportKind::Busy { blockers, misfit })))
    }
}

/// Whether the memory there is suits the newcomer.
fn suits(late: &Late<'_>) -> Result<Vec<Choice>, Box<Misfit>> {
    let promises = |name: &str| late.others.heaps.iter().find(|heap| &*heap.name == name);
    let memories = late.plan.memories.iter().zip(late.heaps);
    let memories = memories.map(|(memory, name)| {
        let heap = promises(name).ok_or_else(|| unknown(late, name))?;
        Ok(ActualMemory {
            cache_mode: memory.cache_mode.as_deref(),
            ..ActualMemory::new(&heap.name, &heap.guarantees, memory.size_bytes)
        })
    });
    let buffer = ActualBuffer {
        image: late.plan.image.as_ref(),
        free: late.ledger.free(),
        shared_slack: late.ledger.shared_slack,
        slack: late.others.policy.slack,
        neighbors: neighbors(late),
        ..ActualBuffer::new(memories.collect::<Result<_, Box<Misfit>>>()?, late.ledger.total)
    };
    negotiation::suits(&buffer, late.newcomer)
}

/// A heap that is there no more promises nothing.
fn unknown(late: &Late<'_>, heap: &str) -> Box<Misfit> {
    let offers = late.others.heaps.iter().map(|heap| &*heap.name);
    Box::new(Misfit {
        who: late.newcomer.into(),
        path: FieldPath::from(Field::Heaps),
        have: Value::Text(heap.into()),
        need: Value::Names(offers.collect()),
    })
}

/// How those who are there use the buffers.
fn neighbors(late: &Late<'_>) -> Vec<Neighbor> {
    let really = |one: &&Participant| one.presence != Presence::Phantom;
    let others = late.others.participants.iter().filter(really);
    others
        .flat_map(|one| chosen(one, late.choices))
        .map(Neighbor::of)
        .collect()
}

/// The needs of the ways in which a participant works.
fn chosen<'a>(one: &'a Participant, choices: &'a [Choice]) -> impl Iterator<Item = &'a Constraints> {
    one.functions.iter().filter_map(move |function| {
        let of = |choice: &&Choice| choice.participant == one.id && choice.function == function.name;
        let label = choices.iter().find(of).map(|choice| &choice.alternative);
        let mut ways = function.alternatives.iter();
        ways.find(|way| label.is_none_or(|label| way.label == *label))
            .map(|way| &way.constraints)
    })
}

/// What the newcomer counts on.
fn entry(late: &Late<'_>, choices: &[Choice]) -> Option<LedgerEntry> {
    let sum = |field| {
        let ways = chosen(late.newcomer, choices);
        let counts = ways.filter_map(|needs| needs.set().number(field));
        u32::try_from(counts.fold(0, u64::saturating_add)).unwrap_or(u32::MAX)
    };
    let slack = if late.others.policy.slack {
        sum(Field::DedicatedSlack)
    } else {
        0
    };
    let entry = LedgerEntry {
        participant: late.newcomer.id,
        camping: sum(Field::Camping),
        slack,
    };
    (entry.camping > 0 || entry.slack > 0).then_some(entry)
}

/// Who does not let the memory move.
fn blockers(late: &Late<'_>) -> Vec<Blocker> {
    let blocker = |who, reason: &str| Blocker {
        who,
        reason: reason.into(),
    };
    let refuses = (late.policy == LatePolicy::Refuse).then(|| {
        let who = Blame {
            participant: None,
            pid: None,
            device: None,
            source: None,
            ..late.newcomer.into()
        };
        let label = "the set".into();
        blocker(
            Blame { label, ..who },
            "its buffers are not to move for this participant",
        )
    });
    let is_pinned =
        |one: &&Participant| one.contract == Contract::Static && one.presence != Presence::Phantom;
    let pinned = late.others.participants.iter().filter(is_pinned);
    let pinned = pinned.map(|one| blocker(one.into(), "it cannot be told of moves: its contract is static"));
    let holders = late.holders.iter().cloned();
    refuses.into_iter().chain(pinned).chain(holders).collect()
}

impl Ledger {
    /// Returns how many buffers nobody counts on, besides the shared slack.
    pub(super) fn free(&self) -> u32 {
        let counted = self.entries.iter().fold(self.shared_slack, |sum, entry| {
            sum.saturating_add(entry.camping).saturating_add(entry.slack)
        });
        self.total.saturating_sub(counted)
    }
}
