//! The solver of every set that is not a test's, for those who come late: {fits, movable, pinned, impossible} × {refuse, reallocate}. Reference 4.7, (g).

use wharf_core::attachment::Contract;
use wharf_core::negotiation::{
    Blame, Blocker, Participant, ParticipantId, Plan, Problem, Report, ReportKind, SetFile, solve,
};
use wharf_core::set::{Joining, Late, LatePolicy, Negotiator, Solver};

const PINNED: &str = include_str!("../../../../sets/late-joiners.toml");
const MOVABLE: &str = include_str!("../../../../sets/late-joiners-moved.toml");
const BOTH: [LatePolicy; 2] = [LatePolicy::Refuse, LatePolicy::Reallocate];

fn set(text: &str) -> SetFile {
    toml::from_str(text).unwrap()
}

fn newcomer<'a>(set: &'a SetFile, label: &str) -> &'a Participant {
    set.late().iter().find(|one| &*one.label == label).unwrap()
}

/// The heaps that a plan asks first.
fn first_heaps(plan: &Plan) -> Vec<Box<str>> {
    let memories = plan.memories.iter();
    memories
        .filter_map(|memory| memory.heaps.first().cloned())
        .collect()
}

/// Lets somebody join the plan of those who are there.
fn joined(
    set: &SetFile,
    newcomer: &Participant,
    policy: LatePolicy,
    holders: &[Blocker],
) -> Result<Joining, Box<Report>> {
    let plan = solve(&set.problem()).unwrap();
    Negotiator.join(&Late {
        newcomer,
        plan: &plan,
        heaps: &first_heaps(&plan),
        choices: &plan.choices,
        ledger: &plan.ledger,
        others: set.problem(),
        holders,
        policy,
    })
}

fn moved(joining: Joining) -> (Plan, &'static str) {
    match joining {
        Joining::Move { plan, misfit } => (*plan, misfit.path.field.name()),
        Joining::Fits { ledger, .. } => panic!("fits: {ledger:?}"),
    }
}

/// Who is in the way, and the field that does not suit.
fn busy(report: Report) -> (Vec<Box<str>>, &'static str) {
    match report.kind {
        ReportKind::Busy { blockers, misfit } => {
            let labels = blockers.into_iter().map(|blocker| blocker.who.label);
            (labels.collect(), misfit.path.field.name())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_suits_joins_under_any_policy_and_is_in_the_ledger() {
    for text in [PINNED, MOVABLE] {
        for policy in BOTH {
            let set = set(text);
            let meter = newcomer(&set, "meter");
            let Ok(Joining::Fits { ledger, choices }) = joined(&set, meter, policy, &[]) else {
                panic!("{policy:?}");
            };
            assert_eq!(ledger.total, 11);
            assert_eq!(choices[0].participant, meter.id);
        }
    }
}

#[test]
fn buffers_move_if_everybody_lets_them() {
    let set = set(MOVABLE);
    let (plan, field) = moved(joined(&set, newcomer(&set, "scaler"), LatePolicy::Reallocate, &[]).unwrap());
    assert_eq!(
        (plan.size_bytes(), plan.count(), field),
        (3_342_336, 11, "stride_rules")
    );
    let second = newcomer(&set, "second encoder");
    let (plan, field) = moved(joined(&set, second, LatePolicy::Reallocate, &[]).unwrap());
    assert_eq!(
        (plan.size_bytes(), plan.count(), field),
        (3_133_440, 14, "camping")
    );
}

#[test]
fn who_pins_is_named_and_so_is_the_policy() {
    for (text, policy, who) in [
        (PINNED, LatePolicy::Reallocate, &["display"][..]),
        (PINNED, LatePolicy::Refuse, &["the set", "display"]),
        (MOVABLE, LatePolicy::Refuse, &["the set"]),
    ] {
        let set = set(text);
        for (label, field) in [("scaler", "stride_rules"), ("second encoder", "camping")] {
            let report = joined(&set, newcomer(&set, label), policy, &[]).unwrap_err();
            let (blockers, misfit) = busy(*report);
            assert_eq!(
                (blockers.iter().map(|one| &**one).collect::<Vec<_>>(), misfit),
                (who.to_vec(), field)
            );
        }
    }
}

#[test]
fn who_holds_the_memory_otherwise_is_named_too() {
    let set = set(MOVABLE);
    let holder = Blame {
        participant: None,
        label: "debugger".into(),
        pid: None,
        device: None,
        function: None,
        alternative: None,
        source: None,
    };
    let holders = [Blocker {
        who: holder,
        reason: "mapped by the CPU".into(),
    }];
    let report = joined(&set, newcomer(&set, "scaler"), LatePolicy::Reallocate, &holders).unwrap_err();
    assert!(report.to_string().contains("mapped by the CPU"), "{report}");
    assert_eq!(busy(*report), (vec!["debugger".into()], "stride_rules"));
}

#[test]
fn what_is_never_possible_is_a_conflict_whatever_holds_the_memory() {
    for text in [PINNED, MOVABLE] {
        for policy in BOTH {
            let set = set(text);
            let report = joined(&set, newcomer(&set, "archive"), policy, &[]).unwrap_err();
            let ReportKind::Conflict { conflicts, .. } = &report.kind else {
                panic!("{report}");
            };
            let members = conflicts[0].members.iter().map(|member| &*member.who.label);
            assert_eq!(members.collect::<Vec<_>>(), ["display", "archive"]);
        }
    }
}

#[test]
fn memory_of_a_heap_that_has_gone_suits_nobody_new() {
    let set = set(MOVABLE);
    let plan = solve(&set.problem()).unwrap();
    let heaps: Vec<_> = set
        .heaps()
        .iter()
        .filter(|heap| &*heap.name != "cma-low")
        .cloned()
        .collect();
    let others: Vec<_> = set
        .participants()
        .iter()
        .filter(|one| &*one.label != "display")
        .cloned()
        .collect();
    let late = Late {
        newcomer: newcomer(&set, "meter"),
        plan: &plan,
        heaps: &first_heaps(&plan),
        choices: &plan.choices,
        ledger: &plan.ledger,
        others: Problem {
            participants: &others,
            heaps: &heaps,
            policy: set.policy(),
        },
        holders: &[],
        policy: LatePolicy::Reallocate,
    };
    let (plan, field) = moved(Negotiator.join(&late).unwrap());
    assert_eq!(
        (&*plan.memories[0].heaps, field),
        (&["cma-high".into()][..], "heaps")
    );
}

/// A program that writes the picture with the CPU and cannot clean caches has a neighbor who does not see them.
#[test]
fn caches_of_neighbors_are_looked_at() {
    let text = r#"
        name = "camera"
        [[participants]]
        label = "camera"
        functions = [{ name = "capture", coherency = "needs-sync", no_sync = true, min_size_bytes = 4096, camping = 1 }]
        [[participants]]
        label = "program"
        late = true
        functions = [{ name = "draw", cpu_access = "often", no_sync = true }]
        [[heaps]]
        name = "system"
    "#;
    let set = set(text);
    assert!(set.participants()[0].contract == Contract::Dynamic && set.late()[0].id == ParticipantId(2));
    let report = joined(&set, &set.late()[0], LatePolicy::Reallocate, &[]);
    assert!(report.is_err(), "{report:?}");
}
