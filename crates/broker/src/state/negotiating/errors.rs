//! What a set says, in the protocol's words.

use wharf_core::negotiation::{Blame, Blocker, ParticipantId, Plan, Report, ReportKind};
use wharf_core::set::{MoveFailure, SetError, SetFailure};
use wharf_protocol::{BrokerError, MoveBlocker, Object, SeatRight, SetId};

/// The longest report that is sent whole, in bytes of JSON; of a longer one only what matters most is.
const MAX_REPORT_BYTES: usize = 256 << 10;

/// How many of those who contradict each other are named in a report that would be longer.
const MAX_MEMBERS: usize = 8;

/// The longest plan that is sent whole, in bytes of JSON.
const MAX_PLAN_JSON_BYTES: usize = 256 << 10;

/// A report as an error.
pub(super) fn refused(report: Box<Report>, late: bool) -> BrokerError {
    BrokerError::Refused {
        report: Object(shortened(report)),
        late,
    }
}

/// As much of a report as a reply has room for: what a stranger declares at length must not cut off those it is reported to.
pub(super) fn shortened(mut report: Box<Report>) -> Box<Report> {
    if size_bytes(&report) > MAX_REPORT_BYTES {
        report.eliminated.clear();
    }
    if size_bytes(&report) > MAX_REPORT_BYTES {
        report.relaxations.clear();
    }
    if size_bytes(&report) > MAX_REPORT_BYTES
        && let ReportKind::Conflict { conflicts, .. } = &mut report.kind
    {
        conflicts.truncate(1);
        for conflict in conflicts {
            conflict.members.truncate(MAX_MEMBERS);
        }
    }
    report
}

/// As much of a plan as a reply has room for. What is left out first is what explains it, and what concerns others than `whom`.
pub(super) fn shortened_plan(plan: &Plan, whom: Option<ParticipantId>) -> Box<Plan> {
    let mut plan = Box::new(plan.clone());
    let cuts: [fn(&mut Plan, Option<ParticipantId>); 4] = [
        |plan, _| plan.eliminated.clear(),
        |plan, _| plan.reasons.clear(),
        |plan, whom| plan.choices.retain(|choice| Some(choice.participant) == whom),
        |plan, _| {
            plan.participants.clear();
            plan.sync.clear();
        },
    ];
    for cut in cuts {
        if size_bytes(&plan) <= MAX_PLAN_JSON_BYTES {
            break;
        }
        cut(&mut plan, whom);
    }
    plan
}

/// How long something is as JSON.
pub(super) fn size_bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// An error of the set with this number.
pub(super) fn broker_error(set: SetId, error: SetError) -> BrokerError {
    match error {
        SetError::NoSuchToken { .. } => BrokerError::TokenUnknown,
        SetError::Denied { label, lacks } => BrokerError::SeatDenied {
            label: label.into(),
            lacks: SeatRight::of(lacks),
        },
        SetError::Used { .. } => BrokerError::TokenUsedUp,
        SetError::NoPart { label, why } => BrokerError::NoPart {
            label: label.into(),
            reason: why.to_owned(),
        },
        SetError::Invalid(error) => BrokerError::invalid("participant", error.to_string()),
        SetError::TooMany { what, most } => BrokerError::SetFull {
            what: what.to_owned(),
            most: most as u64,
        },
        SetError::Waiting { missing } => BrokerError::SetWaiting {
            set,
            missing: missing.into_iter().map(String::from).collect(),
        },
        SetError::Settling { doing } => settling(set, doing),
        SetError::Sealed => BrokerError::SetSealed { set },
        SetError::Stale { generation, current } => BrokerError::StaleGeneration { generation, current },
        SetError::Refused(report) => refused(report, true),
        SetError::NotMoved { who, reason, .. } => BrokerError::MoveFailed {
            set,
            generation: 0,
            label: who.map(String::from).unwrap_or_default(),
            pid: 0,
            reason: reason.into(),
        },
        SetError::Over(failure) => over(set, failure),
        error => BrokerError::NoPart {
            label: String::new(),
            reason: error.to_string(),
        },
    }
}

pub(super) fn settling(set: SetId, doing: &str) -> BrokerError {
    BrokerError::SetSettling {
        set,
        doing: doing.to_owned(),
    }
}

/// Why a set is over.
pub(super) fn over(set: SetId, failure: SetFailure) -> BrokerError {
    match failure {
        SetFailure::Report(report) => refused(report, false),
        other => BrokerError::SetOver {
            set,
            reason: other.to_string(),
        },
    }
}

/// What a move failed for, as the set is told.
pub(super) fn move_failure(error: &BrokerError) -> MoveFailure {
    match error {
        BrokerError::MoveBusy { blockers, .. } => MoveFailure::Held(blockers.iter().map(held).collect()),
        other => MoveFailure::Failed {
            who: None,
            errno: wharf_core::Errno::new(other.errno().raw_os_error()),
            reason: other.to_string().into(),
        },
    }
}

fn held(blocker: &MoveBlocker) -> Blocker {
    Blocker {
        who: Blame {
            participant: None,
            label: blocker.label.as_str().into(),
            pid: Some(blocker.pid),
            device: None,
            function: None,
            alternative: None,
            source: None,
        },
        reason: blocker.reason.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use wharf_core::AccessMode;
    use wharf_core::constraints::{Buffers, Bytes, Constraints, key};
    use wharf_core::negotiation::{
        Choice, Function, Guarantees, HeapOffer, Participant, Policy, Problem, solve,
    };

    use super::*;

    fn plan() -> Plan {
        let needs = Constraints::builder()
            .with(key::MIN_SIZE, Bytes(4096))
            .with(key::CAMPING, Buffers(1));
        let one = Participant::new(ParticipantId(1), "one")
            .access(AccessMode::ReadOnly)
            .function(Function::new("use", needs.build().unwrap()));
        let heap = HeapOffer {
            name: "memfd".into(),
            guarantees: Guarantees::default(),
            cost: 0,
            capacity_bytes: None,
        };
        let problem = Problem {
            participants: &[one],
            heaps: &[heap],
            policy: &Policy::default(),
        };
        solve(&problem).unwrap()
    }

    #[test]
    fn of_a_long_plan_everybody_is_told_its_own_part() {
        let short = plan();
        assert_eq!(*shortened_plan(&short, None), short);
        let mut long = short.clone();
        let choice = |participant: u64| Choice {
            participant: ParticipantId(participant),
            function: "f".repeat(200).into(),
            alternative: "only".into(),
        };
        long.choices.extend((2..3000).map(choice));
        let told = shortened_plan(&long, Some(ParticipantId(7)));
        assert_eq!(told.choices, [choice(7)]);
        assert!(told.eliminated.is_empty() && told.reasons.is_empty());
        assert_eq!(
            (&told.participants, &told.memories),
            (&short.participants, &short.memories)
        );
        assert!(shortened_plan(&long, None).choices.is_empty());
    }
}
