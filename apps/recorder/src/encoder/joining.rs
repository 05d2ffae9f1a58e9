//! How an encoder gets into the stream: in the way it likes best, or in one that can be had.

use wharf::core::constraints::{Field, Value};
use wharf::core::negotiation::{Plan, Reason, Report, ReportKind};
use wharf::{JoinOptions, Session, now_ns};

use super::DEPTH;
use crate::consuming::{JoinError, Place};
use crate::control::{Control, RecordOrder, Settled, Word};
use crate::needs::{self, Way};
use crate::report::{RefusalReport, Role, Why};

const ROLE: Role = Role::Encoder;

/// Joins the stream. If no heap has the memory that an encoder works best with, it makes do with what there is and says so; any
/// other reason against it is final.
///
/// # Blocking
///
/// While the stream moves to other memory, if it has to.
pub(super) fn join(control: &Control, order: &RecordOrder) -> Result<Place, JoinError> {
    let session = Session::connect(ROLE.name()).map_err(|source| JoinError::session(ROLE, source))?;
    let asked_ns = now_ns();
    let place = match join_in(Way::Direct, &session, order) {
        Err(error) => match error.report().filter(|report| is_lack_of_memory(report)) {
            Some(report) => {
                let refusal = RefusalReport {
                    found_another_way: true,
                    ..RefusalReport::of_this_process(ROLE, report)
                };
                let place = join_in(Way::Copy, &session, order)?;
                control.say(&Word::MadeDo(refusal));
                place
            }
            None => return Err(error),
        },
        joined => joined?,
    };
    control.say(&Word::Settled(Settled {
        asked_ns,
        generation: place.generation(),
        why: why(&session, order),
    }));
    Ok(place)
}

fn join_in(way: Way, session: &Session, order: &RecordOrder) -> Result<Place, JoinError> {
    let needs = needs::encoder(order.needs, way);
    let needs = needs.map_err(|source| JoinError::Needs { role: ROLE, source })?;
    let options = JoinOptions::every_frame(DEPTH).needs(&needs);
    Place::join(ROLE, session, &order.token, options)
}

/// Whether needs are possible, but no heap has such memory, or enough of it.
fn is_lack_of_memory(report: &Report) -> bool {
    matches!(
        report.kind,
        ReportKind::NoHeap { .. } | ReportKind::NoMemory { .. } | ReportKind::Quota { .. }
    )
}

/// What this process needs that decided how the memory is.
fn why(session: &Session, order: &RecordOrder) -> Vec<Why> {
    // Who is not told why can record all the same.
    let explanation = session.explain(order.set).ok();
    match explanation.and_then(|explanation| explanation.plan) {
        Some(plan) => reasons(&plan, std::process::id()),
        None => Vec::new(),
    }
}

/// What `pid` alone needs of each buffer, and how many of them it counts on.
fn reasons(plan: &Plan, pid: u32) -> Vec<Why> {
    let is_alone = |reason: &&Reason| reason.who.iter().all(|who| who.pid == Some(pid));
    let mine = plan.reasons.iter().filter(is_alone);
    let mine = mine.map(|reason| Why {
        field: reason.path.to_string(),
        value: reason.value.to_string(),
        who: reason.who.iter().map(|who| who.label.to_string()).collect(),
    });
    mine.chain(counts(plan, pid)).collect()
}

fn counts(plan: &Plan, pid: u32) -> Option<Why> {
    let me = plan.participants.iter().find(|who| who.pid == Some(pid))?;
    let mut entries = plan.ledger.entries.iter();
    let entry = entries.find(|entry| Some(entry.participant) == me.participant)?;
    Some(Why {
        field: Field::Camping.to_string(),
        value: Value::Buffers(entry.camping.into()).to_string(),
        who: vec![me.label.to_string()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lack_of_memory_is_worked_around() {
        let lacking = Report::from(ReportKind::NoMemory { trail: Vec::new() });
        let contradictory = Report::from(ReportKind::Conflict {
            conflicts: Vec::new(),
            total: 0,
        });
        assert!(is_lack_of_memory(&lacking) && !is_lack_of_memory(&contradictory));
    }
}
