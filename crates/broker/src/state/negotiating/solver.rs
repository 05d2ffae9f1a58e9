//! Whom sets ask what suits everybody.

use wharf_core::attachment::Contract;
use wharf_core::constraints::{Field, Value};
use wharf_core::negotiation::{
    ActualBuffer, Blame, Blocker, Choice, Ledger, LedgerEntry, Misfit, Participant, Plan, Problem, Report,
    ReportKind, solve, suits,
};
use wharf_core::set::{Joining, Late, LatePolicy, Solver};

/// Core's solver.
struct CoreSolver;

/// Makes the solver that brokers use.
pub(in crate::state) fn core_solver() -> Box<dyn Solver> {
    Box::new(CoreSolver)
}

impl Solver for CoreSolver {
    fn solve(&self, problem: &Problem<'_>) -> Result<Plan, Box<Report>> {
        solve(problem)
    }

    fn join(&self, late: &Late<'_>) -> Result<Joining, Box<Report>> {
        let misfit = match fits(late) {
            Ok(ledger) => return Ok(Joining::Fits(ledger)),
            Err(misfit) => misfit,
        };
        let mut participants = late.others.participants.to_vec();
        participants.push(late.newcomer.clone());
        let plan = solve(&Problem {
            participants: &participants,
            ..late.others
        })?;
        let blockers = blockers(late);
        if late.policy == LatePolicy::Reallocate && blockers.is_empty() {
            let plan = Box::new(plan);
            return Ok(Joining::Move { plan, misfit });
        }
        Err(Box::new(ReportKind::Busy { blockers, misfit }.into()))
    }
}

/// Tests the memory there is, and the counts; what everybody counts on then.
fn fits(late: &Late<'_>) -> Result<Ledger, Box<Misfit>> {
    let plan = Plan {
        ledger: late.ledger.clone(),
        ..late.plan.clone()
    };
    let Some(buffer) = ActualBuffer::planned(&plan, late.others.heaps, late.newcomer.id) else {
        return Err(gone_heap(late));
    };
    let choices = suits(&buffer, late.newcomer)?;
    let mut ledger = late.ledger.clone();
    ledger.entries.push(counts(late.newcomer, &choices));
    Ok(ledger)
}

/// What a participant counts on, in the ways its functions work in.
fn counts(participant: &Participant, choices: &[Choice]) -> LedgerEntry {
    let number = |field| {
        let of = |choice: &Choice| {
            let mut functions = participant.functions.iter();
            let function = functions.find(|function| function.name == choice.function)?;
            let mut ways = function.alternatives.iter();
            let way = ways.find(|way| way.label == choice.alternative)?;
            way.constraints.set().number(field)
        };
        let sum = choices.iter().filter_map(of).fold(0, u64::saturating_add);
        u32::try_from(sum).unwrap_or(u32::MAX)
    };
    LedgerEntry {
        participant: participant.id,
        camping: number(Field::Camping),
        slack: number(Field::DedicatedSlack),
    }
}

/// The heap the memory came from is not there any more.
fn gone_heap(late: &Late<'_>) -> Box<Misfit> {
    let names = |names: &mut dyn Iterator<Item = &str>| Value::Names(names.collect());
    let memories = &late.plan.memories;
    Box::new(Misfit {
        who: blame(late.newcomer),
        path: Field::Heaps.into(),
        have: names(
            &mut memories
                .iter()
                .filter_map(|memory| memory.heaps.first())
                .map(|name| &**name),
        ),
        need: names(&mut late.others.heaps.iter().map(|heap| &*heap.name)),
    })
}

/// Those who hold the memory in place.
fn blockers(late: &Late<'_>) -> Vec<Blocker> {
    let is_static = |participant: &&Participant| participant.contract == Contract::Static;
    let pinned = late.others.participants.iter().filter(is_static);
    let pinned = pinned.map(|participant| Blocker {
        who: blame(participant),
        reason: "it has pinned the buffers".into(),
    });
    pinned.chain(late.holders.iter().cloned()).collect()
}

fn blame(participant: &Participant) -> Blame {
    Blame {
        participant: Some(participant.id),
        label: participant.label.clone(),
        pid: participant.pid,
        device: participant.device.clone(),
        function: None,
        alternative: None,
        source: participant.source.clone(),
    }
}
