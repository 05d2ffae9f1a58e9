//! Somebody comes when there is memory already. Reference 4.4.

use super::{Joining, Late, LatePolicy, Solver};
use crate::attachment::Contract;
use crate::constraints::{Constraints, Field, Value};
use crate::negotiation::{
    ActualBuffer, Blame, Blocker, Choice, Ledger, LedgerEntry, Misfit, Neighbor, Participant, Plan, Problem,
    Report, ReportKind, solve, suits,
};

/// The solver of this library: [`solve`] and [`join`].
#[derive(Debug, Clone, Copy, Default)]
pub struct CoreSolver;

impl Solver for CoreSolver {
    fn solve(&self, problem: &Problem<'_>) -> Result<Plan, Box<Report>> {
        solve(problem)
    }

    fn join(&self, late: &Late<'_>) -> Result<Joining, Box<Report>> {
        join(late)
    }
}

/// Says whether somebody can come when there is memory already. What there is suits it, or new memory would suit everybody and nobody
/// keeps the buffers from moving there.
///
/// # Errors
/// The report of why not. [`ReportKind::Busy`], EBUSY: new memory would suit everybody, but somebody holds what there is in place, or
/// the set's policy is to refuse. Otherwise that of [`solve`]: nothing could ever suit everybody.
///
/// # References
/// Reference 4.4.1 and 4.4.2. Contract: N5.
pub fn join(late: &Late<'_>) -> Result<Joining, Box<Report>> {
    let misfit = match fits(late) {
        Ok(ledger) => return Ok(Joining::Fits(ledger)),
        Err(misfit) => misfit,
    };
    let mut participants = late.others.participants.to_vec();
    participants.push(late.newcomer.clone());
    let plan = Box::new(solve(&Problem {
        participants: &participants,
        ..late.others
    })?);
    let blockers = blockers(late);
    if blockers.is_empty() {
        return Ok(Joining::Move { plan, misfit });
    }
    Err(Box::new(ReportKind::Busy { blockers, misfit }.into()))
}

/// Tests the memory there is, and the counts; what everybody counts on then.
fn fits(late: &Late<'_>) -> Result<Ledger, Box<Misfit>> {
    let plan = Plan {
        ledger: late.ledger.clone(),
        ..late.plan.clone()
    };
    let Some(mut buffer) = ActualBuffer::planned(&plan, late.others.heaps, late.newcomer.id) else {
        return Err(gone_heap(late));
    };
    buffer.slack = late.others.policy.slack;
    let others = late.others.participants.iter();
    buffer.neighbors = others
        .flat_map(|other| ways(other, &plan.choices))
        .map(Neighbor::of)
        .collect();
    let choices = suits(&buffer, late.newcomer)?;
    let mut ledger = late.ledger.clone();
    ledger.entries.push(counts(late.newcomer, &choices, buffer.slack));
    Ok(ledger)
}

/// What a participant needs in the ways its functions work in; in the best ones where nothing was chosen.
fn ways<'a>(participant: &'a Participant, choices: &[Choice]) -> impl Iterator<Item = &'a Constraints> {
    participant.functions.iter().filter_map(|function| {
        let mut choices = choices.iter();
        let chosen =
            choices.find(|choice| choice.participant == participant.id && choice.function == function.name);
        let mut ways = function.alternatives.iter();
        let way = match chosen {
            Some(choice) => ways.find(|way| way.label == choice.alternative),
            None => ways.next(),
        };
        way.map(|way| &way.constraints)
    })
}

/// What a participant counts on, in the ways its functions work in.
fn counts(participant: &Participant, choices: &[Choice], slack: bool) -> LedgerEntry {
    let number = |field| {
        let stated = ways(participant, choices).filter_map(|way| way.set().number(field));
        u32::try_from(stated.fold(0, u64::saturating_add)).unwrap_or(u32::MAX)
    };
    LedgerEntry {
        participant: participant.id,
        camping: number(Field::Camping),
        slack: if slack { number(Field::DedicatedSlack) } else { 0 },
    }
}

/// The heap that the memory is from is not there any more.
fn gone_heap(late: &Late<'_>) -> Box<Misfit> {
    let first = late
        .plan
        .memories
        .iter()
        .filter_map(|memory| memory.heaps.first());
    let offered = late.others.heaps.iter();
    Box::new(Misfit {
        who: blame(late.newcomer),
        path: Field::Heaps.into(),
        have: Value::Names(first.map(|name| &**name).collect()),
        need: Value::Names(offered.map(|heap| &*heap.name).collect()),
    })
}

/// What keeps the buffers from moving.
fn blockers(late: &Late<'_>) -> Vec<Blocker> {
    let others = late.others.participants.iter();
    let pinned = others
        .filter(|other| other.contract == Contract::Static)
        .map(|other| Blocker {
            who: blame(other),
            reason: "pinned: it cannot be told that the buffer moves".into(),
        });
    let refusal = (late.policy == LatePolicy::Refuse).then(|| Blocker {
        who: Blame {
            participant: None,
            label: "the set".into(),
            pid: None,
            device: None,
            function: None,
            alternative: None,
            source: None,
        },
        reason: "its policy is to refuse whom the memory does not suit".into(),
    });
    pinned
        .chain(late.holders.iter().cloned())
        .chain(refusal)
        .collect()
}

fn blame(participant: &Participant) -> Blame {
    let only = match &*participant.functions {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    Blame {
        participant: Some(participant.id),
        label: participant.label.clone(),
        pid: participant.pid,
        device: participant.device.clone(),
        function: only,
        alternative: None,
        source: participant.source.clone(),
    }
}
