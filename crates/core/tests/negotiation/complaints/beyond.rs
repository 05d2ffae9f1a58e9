//! What other set-ups have run into besides.

use crate::support::*;
use wharf_core::constraints::{Buffers, Bytes, CpuUse, Field, Names, Value, key};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{
    Function, Guarantees, HeapAnswer, Participant, ParticipantId, Policy, Problem, ReportKind, next_best,
    solve,
};
use wharf_core::{Errno, PAGE_BYTES};

use super::{aligned, first_heap, way};

#[test]
fn heaps_without_memory_are_followed_by_the_next_plan_and_the_trail() {
    let buffer = plain().with(key::MIN_SIZE, Bytes(1 << 20));
    let contiguous = plain().dma(one_segment(GIB)).with(key::MIN_SIZE, Bytes(1 << 20));
    let encoder = Participant::new(ParticipantId(1), "encoder").function(
        Function::new("encode", contiguous.build().unwrap()).or("copy", 10, buffer.build().unwrap()),
    );
    let (participants, policy) = ([encoder], Policy::default());
    let narrow = heap(
        "narrow",
        Guarantees {
            max_size_bytes: 4096,
            ..Guarantees::default()
        },
    );
    let heaps = [cma("cma", 0, GIB - 1), narrow, system()];
    let problem = Problem {
        participants: &participants,
        heaps: &heaps,
        policy: &policy,
    };
    let refusal = |heap: &str| HeapAnswer::Refused {
        heap: heap.into(),
        requested_bytes: 1 << 20,
        errno: Errno::ENOMEM,
        reason: "nothing left".into(),
    };
    assert_eq!(
        (
            first_heap(&solve(&problem).unwrap()),
            way(&solve(&problem).unwrap(), 1)
        ),
        ("cma", "only")
    );
    let mut trail = vec![refusal("cma")];
    let next = next_best(&problem, &trail).unwrap();
    assert_eq!((first_heap(&next), way(&next, 1)), ("system", "copy"));
    trail.push(refusal("system"));
    let report = next_best(&problem, &trail).unwrap_err();
    assert_eq!(report.errno(), Errno::ENOMEM);
    let ReportKind::NoMemory { trail } = report.kind else {
        panic!("another report");
    };
    let told: Vec<String> = trail
        .iter()
        .map(|answer| match answer {
            HeapAnswer::Refused { heap, .. } => format!("{heap} refused"),
            HeapAnswer::Unsuitable(misfit) => format!("{} {}", misfit.heap, misfit.field),
        })
        .collect();
    assert_eq!(told[..2], ["cma refused", "system refused"]);
    assert!(told[2].starts_with("narrow "), "{told:?}");
}

#[test]
fn portrait_and_landscape_take_no_more_than_the_larger_of_them() {
    let sizes = linear(Fourcc::XRGB8888).image(room(&[(1920, 1080), (1080, 1920)]));
    let plan = planned(&[who(1, "rotating", plain().image(sizes))], &[system()]);
    let image = plan.image.as_ref().unwrap();
    assert_eq!((image.size, image.required.len()), (size(1920, 1080), 2));
    assert_eq!(
        plan.size_bytes(),
        (1920 * 1080 * 4_u64).next_multiple_of(PAGE_BYTES)
    );
}

#[test]
fn protected_memory_is_for_those_who_ask_for_it() {
    let secure = heap(
        "secure",
        Guarantees {
            protection: "drm".into(),
            cache_modes: Names::default(),
            ..Guarantees::default()
        },
    );
    let player = who(
        1,
        "player",
        plain()
            .with(key::PROTECTION, "drm".into())
            .with(key::MIN_SIZE, Bytes(4096)),
    );
    let display = who(2, "display", plain().with(key::MIN_SIZE, Bytes(8192)));
    let heaps = [system(), secure.clone()];
    assert_eq!(
        planned(&[player.clone(), display.clone()], &heaps).memories[0].heaps,
        ["secure".into()]
    );
    assert_eq!(
        planned(std::slice::from_ref(&display), &heaps).memories[0].heaps,
        ["system".into()]
    );
    let kind = refused(&[display], std::slice::from_ref(&secure));
    assert_eq!(
        kind,
        ReportKind::Underconstrained {
            field: Field::Protection
        }
    );
    let reader = who(3, "reader", plain().with(key::CPU_ACCESS, CpuUse::Rarely));
    let kind = refused(&[player, reader], &heaps);
    assert!(matches!(kind, ReportKind::NoHeap { .. }), "{kind:?}");
}

#[test]
fn camera_and_both_branches_of_a_tee_hold_frames_at_once() {
    let branch = |id, label, camping| who(id, label, plain().with(key::CAMPING, Buffers(camping)));
    let camera = who(
        1,
        "camera",
        plain()
            .with(key::MIN_SIZE, Bytes(4096))
            .with(key::CAMPING, Buffers(3)),
    );
    let shared = plain()
        .with(key::SHARED_SLACK, Buffers(2))
        .with(key::DEDICATED_SLACK, Buffers(1));
    let parties = [
        camera,
        branch(2, "preview", 2),
        branch(3, "encoder", 4),
        who(4, "tee", shared),
    ];
    let plan = planned(&parties, &[system()]);
    assert_eq!((plan.count(), plan.ledger.shared_slack), (12, 2));
    let (policy, heaps) = (
        Policy {
            slack: false,
            ..Policy::default()
        },
        [system()],
    );
    let plan = solve(&Problem {
        participants: &parties,
        heaps: &heaps,
        policy: &policy,
    })
    .unwrap();
    assert_eq!((plan.count(), plan.ledger.shared_slack), (9, 0));
}

#[test]
fn values_beyond_64_bits_are_refused_by_name() {
    let huge = (1_u64 << 34) - 1;
    let one = linear(Fourcc::R8)
        .image(room(&[(64, 32)]))
        .every_plane(aligned(huge));
    let other = linear(Fourcc::R8).every_plane(aligned((1 << 34) - 3));
    let ReportKind::Conflict { conflicts, .. } = refused(
        &[
            who(1, "one", plain().image(one)),
            who(2, "other", plain().image(other)),
        ],
        &[system()],
    ) else {
        panic!("another report");
    };
    assert_eq!(conflicts[0].path.field, Field::StrideAlign);
    assert_eq!(conflicts[0].merged, None);
    let values = [huge, (1 << 34) - 3].map(Value::Bytes);
    let is_there = |value: &Value| conflicts[0].members.iter().any(|member| member.value == *value);
    assert!(values.iter().all(is_there), "{:?}", conflicts[0].members);
}
