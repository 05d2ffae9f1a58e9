//! The late joiners of reference 4.7, and those that what there is suits.

use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Field, Record, Size, StrideRule, Value, key};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{Participant, ParticipantId, Plan, Policy, Problem, Report, ReportKind};
use wharf_core::set::{Joining, Late, LatePolicy, Negotiator, Solver};
use wharf_core::{DmaLimits, Errno};

use crate::support::*;
use crate::worked_example::{heaps, parties};

fn join(parties: &[Participant], newcomer: &Participant, policy: LatePolicy) -> Result<Joining, Box<Report>> {
    let (heaps, limits) = (heaps(), Policy::default());
    let plan: Plan = planned(parties, &heaps);
    let from: Vec<Box<str>> = plan
        .memories
        .iter()
        .map(|memory| memory.heaps[0].clone())
        .collect();
    Negotiator.join(&Late {
        newcomer,
        plan: &plan,
        heaps: &from,
        ledger: &plan.ledger,
        choices: &plan.choices,
        others: Problem {
            participants: parties,
            heaps: &heaps,
            policy: &limits,
        },
        holders: &[],
        policy,
    })
}

fn movable() -> Vec<Participant> {
    let dynamic = |party: Participant| party.contract(Contract::Dynamic);
    parties().into_iter().map(dynamic).collect()
}

fn x() -> Participant {
    let exact = Record::new().with(key::STRIDE_RULES, rules(&[StrideRule::RoundUp(256)]));
    who(6, "x", plain().image(linear(Fourcc::NV12).every_plane(exact)))
}

fn busy(outcome: Result<Joining, Box<Report>>) -> (Vec<String>, Field, Option<usize>, Value) {
    let report = outcome.unwrap_err();
    assert_eq!(report.errno(), Errno::EBUSY);
    match report.kind {
        ReportKind::Busy { blockers, misfit } => {
            let labels = blockers.iter().map(|blocker| blocker.who.label.to_string());
            (
                labels.collect(),
                misfit.path.field,
                misfit.path.plane,
                misfit.have.clone(),
            )
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn x_needs_another_stride_and_the_display_is_pinned() {
    let (blockers, field, plane, have) = busy(join(&parties(), &x(), LatePolicy::Reallocate));
    assert_eq!(blockers, ["display.primary"]);
    assert_eq!(
        (field, plane, have),
        (Field::StrideRules, Some(0), Value::Bytes(1920))
    );
}

#[test]
fn x_gets_a_second_generation_where_everything_can_move() {
    let Ok(Joining::Move { plan, misfit }) = join(&movable(), &x(), LatePolicy::Reallocate) else {
        panic!("it does not move");
    };
    let image = plan.image.as_ref().unwrap();
    assert_eq!(
        image.size,
        Size {
            width: 1920,
            height: 1080
        }
    );
    assert!(image.planes.iter().all(|plane| plane.stride_bytes == 2048));
    // 2048 x 1088 x 1.5 is 3 342 336.
    assert_eq!((plan.size_bytes(), plan.count()), (3_342_336, 11));
    assert_eq!(misfit.path.field, Field::StrideRules);
    assert!(!busy(join(&movable(), &x(), LatePolicy::Refuse)).0.is_empty());
}

#[test]
fn y_reaches_nothing_that_the_display_does() {
    let window = DmaLimits::builder().windows([GIB..=4 * GIB - 1]).build().unwrap();
    let y = who(6, "y", plain().dma(window));
    for parties in [parties(), movable()] {
        let report = join(&parties, &y, LatePolicy::Reallocate).unwrap_err();
        let ReportKind::Conflict { conflicts, .. } = report.kind else {
            panic!("{report:?}");
        };
        let members: Vec<&str> = conflicts[0]
            .members
            .iter()
            .map(|member| &*member.who.label)
            .collect();
        assert_eq!(
            (conflicts[0].path.field, members),
            (Field::Windows, vec!["display.primary", "y"])
        );
    }
}

#[test]
fn z_wants_more_buffers_than_there_are_to_spare() {
    let z = who(6, "z", plain().with(key::CAMPING, Buffers(3)));
    let (_, field, _, have) = busy(join(&parties(), &z, LatePolicy::Reallocate));
    assert_eq!((field, have), (Field::Camping, Value::Buffers(0)));
    let Ok(Joining::Move { plan, .. }) = join(&movable(), &z, LatePolicy::Reallocate) else {
        panic!("it does not move");
    };
    assert_eq!((plan.count(), plan.size_bytes()), (14, 3_133_440));
}

#[test]
fn whom_the_memory_suits_comes_even_if_it_cannot_move() {
    let aligned = Record::new().with(key::STRIDE_ALIGN, wharf_core::constraints::Bytes(128));
    let viewer = who(
        6,
        "viewer",
        plain().image(linear(Fourcc::NV12).every_plane(aligned)),
    );
    let Ok(Joining::Fits { ledger, choices }) = join(&parties(), &viewer, LatePolicy::Refuse) else {
        panic!("it does not fit");
    };
    assert_eq!((ledger.total, choices.len()), (11, 1));
    assert_eq!(choices[0].participant, ParticipantId(6));
}
