//! Sets that ask the real solver.

use wharf_core::Errno;
use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Bytes, Field, Names, Record, Rows, StrideRule, key};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{Function, HeapOffer, Participant, ParticipantId, Presence, ReportKind};
use wharf_core::set::{
    Declared, LatePolicy, Negotiator, News, Order, SetConfig, SetError, SetMachine, SetStatus, TokenId,
    TokenSpec,
};

use crate::play::Play;
use crate::support::*;

fn begin(heaps: Vec<HeapOffer>, late: LatePolicy) -> Play {
    let config = SetConfig {
        heaps,
        late,
        ..SetConfig::new("creator")
    };
    let set = SetMachine::new(config, Box::new(Negotiator)).unwrap();
    Play {
        root: set.root(),
        set,
    }
}

/// Has everybody declare, and the set sealed.
fn sealed(play: &mut Play, participants: Vec<Participant>) -> Vec<TokenId> {
    let tokens: Vec<TokenId> = participants
        .into_iter()
        .map(|participant| {
            let token = play.expect(&participant.label.clone());
            play.declare(token, participant).unwrap();
            token
        })
        .collect();
    // Fails if the participants cannot be satisfied; each test looks for itself.
    let _ = play.set.seal(play.root);
    tokens
}

fn nv12(camping: u64) -> wharf_core::constraints::ConstraintsBuilder {
    let image = linear(Fourcc::NV12).image(room(&[(1920, 1080)]));
    plain().image(image).with(key::CAMPING, Buffers(camping))
}

/// The parties of reference 4.7 that matter to those who come late.
fn example(display: Contract, late: LatePolicy) -> (Play, Vec<TokenId>) {
    let heaps = vec![
        cma("cma-high", GIB, 4 * GIB - 1),
        cma("cma-low", 0, GIB - 1),
        system(),
    ];
    let mut play = begin(heaps, late);
    let camera = nv12(4).dma(one_segment(4 * GIB));
    let rows = linear(Fourcc::NV12).image(Record::new().with(key::ROWS_ALIGN, Rows(16)));
    let encoder = plain()
        .image(rows)
        .with(key::CAMPING, Buffers(3))
        .with(key::DEDICATED_SLACK, Buffers(1));
    let primary = linear(Fourcc::NV12).every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(16)));
    let primary = plain()
        .dma(one_segment(GIB))
        .image(primary)
        .with(key::CAMPING, Buffers(2));
    let reader = plain()
        .image(any_tiling(Fourcc::NV12))
        .with(key::CAMPING, Buffers(1));
    let everybody = vec![
        who(1, "camera", camera),
        who(2, "encoder", encoder),
        who(3, "display.primary", primary).contract(display),
        who(4, "reader", reader),
    ];
    let tokens = sealed(&mut play, everybody);
    play.settle();
    let plan = play.set.plan().unwrap();
    assert_eq!((plan.size_bytes(), plan.count()), (765 * 4096, 11));
    assert_eq!(play.set.snapshot().heaps, ["cma-low".into()]);
    (play, tokens)
}

fn labels(blockers: &[wharf_core::negotiation::Blocker]) -> Vec<&str> {
    blockers.iter().map(|one| &*one.who.label).collect()
}

fn x() -> Participant {
    let stride = Record::new().with(key::STRIDE_RULES, rules(&[StrideRule::RoundUp(256)]));
    who(9, "X", plain().image(linear(Fourcc::NV12).every_plane(stride)))
}

#[test]
fn x_needs_another_stride_and_the_display_is_in_its_way() {
    let (mut play, _) = example(Contract::Static, LatePolicy::Reallocate);
    let token = play.expect("X");
    let busy = play.declare(token, x()).unwrap_err();
    assert_eq!(busy.errno(), Errno::EBUSY);
    let ReportKind::Busy { blockers, misfit } = &busy.report().unwrap().kind else {
        panic!("{busy:?}")
    };
    assert_eq!(labels(blockers), ["display.primary"]);
    assert_eq!(misfit.path.field, Field::StrideRules, "{misfit:?}");
    assert_eq!(&*misfit.who.label, "X");
}

#[test]
fn x_gets_a_new_generation_when_the_display_is_movable() {
    let (mut play, _) = example(Contract::Dynamic, LatePolicy::Reallocate);
    let token = play.expect("X");
    assert_eq!(play.declare(token, x()), Ok(Declared::Moving { to: 2 }));
    play.settle();
    let plan = play.set.plan().unwrap();
    assert_eq!(plan.image.as_ref().unwrap().planes[0].stride_bytes, 2048);
    assert_eq!(
        (plan.size_bytes(), play.set.generation()),
        (2048 * 1088 * 3 / 2, Some(2))
    );
}

#[test]
fn y_is_out_of_reach_of_the_display_whatever_moves() {
    let (mut play, _) = example(Contract::Dynamic, LatePolicy::Reallocate);
    let token = play.expect("Y");
    let reach = wharf_core::DmaLimits::builder()
        .windows([GIB..=4 * GIB - 1])
        .build()
        .unwrap();
    let y = who(9, "Y", plain().dma(reach).image(any_tiling(Fourcc::NV12)));
    let conflict = play.declare(token, y).unwrap_err();
    let ReportKind::Conflict { conflicts, .. } = &conflict.report().unwrap().kind else {
        panic!("{conflict:?}")
    };
    let mut members: Vec<&str> = conflicts[0]
        .members
        .iter()
        .map(|member| &*member.who.label)
        .collect();
    members.sort_unstable();
    assert_eq!(
        (conflicts[0].path.field, members),
        (Field::Windows, vec!["Y", "display.primary"])
    );
    assert_eq!(conflict.errno(), Errno::EBUSY);
}

#[test]
fn z_counts_on_more_buffers_than_are_free() {
    let z = || {
        who(
            9,
            "Z",
            plain()
                .image(any_tiling(Fourcc::NV12))
                .with(key::CAMPING, Buffers(3)),
        )
    };
    let (mut play, _) = example(Contract::Dynamic, LatePolicy::Refuse);
    let token = play.expect("Z");
    let busy = play.declare(token, z()).unwrap_err();
    let ReportKind::Busy { blockers, misfit } = &busy.report().unwrap().kind else {
        panic!("{busy:?}")
    };
    assert_eq!(
        (labels(blockers), misfit.path.field),
        (vec!["the set"], Field::Camping)
    );
    let (mut play, _) = example(Contract::Dynamic, LatePolicy::Reallocate);
    let token = play.expect("Z");
    assert_eq!(play.declare(token, z()), Ok(Declared::Moving { to: 2 }));
    play.settle();
    assert_eq!(play.set.plan().unwrap().count(), 14);
}

#[test]
fn who_suits_what_there_is_takes_what_is_free() {
    let (mut play, tokens) = example(Contract::Static, LatePolicy::Refuse);
    let token = play.issue(TokenSpec::new("second"));
    let second = who(
        9,
        "second",
        plain()
            .image(any_tiling(Fourcc::NV12))
            .with(key::CAMPING, Buffers(1)),
    );
    assert!(play.declare(token, second).is_err(), "nothing is free");
    let viewer = who(9, "viewer", plain().image(any_tiling(Fourcc::NV12)));
    assert_eq!(play.declare(token, viewer), Ok(Declared::Fits { generation: 1 }));
    assert_eq!(play.set.counts(tokens[0]).unwrap().camping, 4);
}

/// A participant that works in ways of so many bytes per row, the best first.
fn ways(label: &str, aligns: &[u64]) -> Participant {
    let mut function: Option<Function> = None;
    for (cost, align) in (0..).zip(aligns) {
        let plane = Record::new().with(key::STRIDE_RULES, rules(&[StrideRule::Fixed(*align)]));
        let needs = plain()
            .image(linear(Fourcc::NV12).every_plane(plane))
            .build()
            .unwrap();
        let name = format!("way {align}");
        function = Some(match function {
            None => Function {
                name: "use".into(),
                alternatives: Vec::new(),
            }
            .or(&name, cost, needs),
            Some(function) => function.or(&name, cost, needs),
        });
    }
    Participant::new(ParticipantId(0), label).function(function.unwrap())
}

fn chosen(participants: Vec<Participant>) -> Result<Vec<Box<str>>, SetError> {
    let mut play = begin(vec![system()], LatePolicy::Refuse);
    let mut all = vec![who(0, "camera", nv12(1))];
    all.extend(participants);
    sealed(&mut play, all);
    play.settle();
    match (play.set.plan(), play.set.failure()) {
        (Some(plan), _) => Ok(plan
            .choices
            .iter()
            .skip(1)
            .map(|choice| choice.alternative.clone())
            .collect()),
        (None, Some(failure)) => Err(SetError::Over(failure.clone())),
        (None, None) => panic!("{:?}", play.set),
    }
}

// Mirrors sysmem_tests_v2.cc GroupPrefersFirstChild.
#[test]
fn the_first_of_several_ways_is_preferred() {
    assert_eq!(
        chosen(vec![ways("gpu", &[2048, 1920, 4096])]).unwrap(),
        ["way 2048".into()]
    );
}

// Mirrors sysmem_tests_v2.cc, group with one compatible child among many.
#[test]
fn the_only_way_of_many_that_suits_is_found() {
    let many: Vec<u64> = (0..60).map(|number| 8192 + number * 64).chain([2048]).collect();
    let found = chosen(vec![ways("gpu", &many), ways("other", &[2048])]).unwrap();
    assert_eq!(found, ["way 2048".into(), "way 2048".into()]);
}

// Mirrors sysmem_tests_v2.cc GroupPriority: of all combinations that suit, the cheapest is taken, whatever the order of joining.
#[test]
fn of_all_combinations_that_suit_the_best_is_taken() {
    for (one, other, expected) in [
        (&[2048, 4096][..], &[4096, 2048][..], 4096),
        (&[4096, 2048], &[2048], 2048),
        (&[1920, 2048, 4096], &[4096, 2048], 4096),
    ] {
        let found = chosen(vec![ways("one", one), ways("other", other)]).unwrap();
        assert!(found.iter().all(|way| *way == found[0]), "{found:?}");
        let cost = |list: &[u64], way: u64| list.iter().position(|one| *one == way).unwrap();
        let best = one
            .iter()
            .filter(|way| other.contains(way))
            .map(|way| cost(one, *way) + cost(other, *way))
            .min();
        let taken: u64 = found[0].trim_start_matches("way ").parse().unwrap();
        assert_eq!(Some(cost(one, taken) + cost(other, taken)), best, "{expected}");
    }
}

// Mirrors sysmem_tests_v2.cc IsAlternateFor: ways of one function exclude each other, those of two do not.
#[test]
fn ways_of_one_function_exclude_each_other_and_those_of_two_do_not() {
    assert_eq!(chosen(vec![ways("gpu", &[2048, 4096])]).unwrap().len(), 1);
    assert_eq!(
        chosen(vec![ways("one", &[2048]), ways("other", &[2048])])
            .unwrap()
            .len(),
        2
    );
    let conflict = chosen(vec![ways("one", &[2048]), ways("other", &[4096])]).unwrap_err();
    assert!(matches!(
        conflict.report().unwrap().kind,
        ReportKind::Conflict { .. }
    ));
}

// Mirrors sysmem_tests_v2.cc HeapConstraints.
#[test]
fn heaps_that_are_named_are_taken_and_no_others() {
    let allow = |names: &[&str]| {
        let names: Names = names.iter().copied().collect();
        let mut play = begin(vec![system(), cma("cma", 0, GIB - 1)], LatePolicy::Refuse);
        sealed(&mut play, vec![who(0, "one", nv12(1).with(key::HEAPS, names))]);
        play.settle();
        (
            play.set.snapshot().heaps,
            play.set.last_report().map(|report| report.errno()),
        )
    };
    assert_eq!(allow(&["cma"]), (vec!["cma".into()], None));
    assert_eq!(allow(&["system", "cma"]).0, ["system".into()], "the least scarce");
    assert_eq!(allow(&["elsewhere"]), (Vec::new(), Some(Errno::ENODEV)));
}

// Mirrors sysmem_tests_v2.cc TooManyBuffers.
#[test]
fn more_buffers_than_the_provider_allows_fail_the_set() {
    let mut play = begin(vec![system()], LatePolicy::Refuse);
    sealed(
        &mut play,
        vec![who(0, "one", nv12(40)), who(0, "other", nv12(40))],
    );
    assert_eq!(play.set.status(), SetStatus::Failed);
    let report = play.set.last_report().unwrap();
    let ReportKind::Conflict { conflicts, .. } = &report.kind else {
        panic!("{report:?}")
    };
    let members: Vec<&str> = conflicts[0].members.iter().map(|one| &*one.who.label).collect();
    assert!(
        members.contains(&"one") && members.contains(&"other"),
        "{members:?}"
    );
}

// Mirrors sysmem_tests_v2.cc PixelFormatDoNotCare: success, multiple, and nobody who says what it is.
#[test]
fn somebody_has_to_say_the_format_and_the_others_need_not() {
    let fails = |participants: Vec<Participant>| {
        let mut play = begin(vec![system()], LatePolicy::Refuse);
        sealed(&mut play, participants);
        play.settle();
        play.set.last_report().map(|report| report.kind.clone())
    };
    let any = || who(0, "any", plain().image(any_tiling(Fourcc::NV12)));
    let linear = || who(0, "linear", nv12(1));
    assert_eq!(fails(vec![linear(), any()]), None);
    assert_eq!(fails(vec![linear(), any(), any()]), None);
    let unsaid = fails(vec![any(), any()]);
    assert!(
        matches!(unsaid, Some(ReportKind::Underconstrained { .. })),
        "{unsaid:?}"
    );
}

// Mirrors sysmem_tests_v2.cc PadBeyondImageSize.
#[test]
fn room_behind_the_picture_is_part_of_the_buffer() {
    let size = |pad: u64| {
        let plane = Record::new().with(key::TAIL_PAD, Bytes(pad));
        let image = linear(Fourcc::R8).image(room(&[(64, 64)])).every_plane(plane);
        let mut play = begin(vec![system()], LatePolicy::Refuse);
        sealed(
            &mut play,
            vec![who(0, "one", plain().image(image).with(key::CAMPING, Buffers(1)))],
        );
        play.settle();
        play.set.plan().unwrap().size_bytes()
    };
    assert_eq!((size(1), size(4096), size(4097)), (8192, 8192, 12288));
}

#[test]
fn a_quarrel_between_newcomer_and_phantom_is_settled_for_the_newcomer() {
    let stride = |bytes| {
        let plane = Record::new().with(key::STRIDE_RULES, rules(&[StrideRule::Fixed(bytes)]));
        plain().image(linear(Fourcc::NV12).every_plane(plane))
    };
    let mut play = begin(vec![system()], LatePolicy::Reallocate);
    let phantom = who(0, "later", stride(2048)).presence(Presence::Phantom);
    let tokens = sealed(&mut play, vec![who(0, "camera", nv12(1)), phantom]);
    play.settle();
    assert_eq!(
        play.set.plan().unwrap().image.as_ref().unwrap().planes[0].stride_bytes,
        2048
    );
    let token = play.expect("other");
    assert_eq!(
        play.declare(token, who(0, "other", stride(4096))),
        Ok(Declared::Moving { to: 2 })
    );
    let news = play.settle();
    assert!(news.contains(&(tokens[1].get(), News::LeftOut)), "{news:?}");
}

#[test]
fn a_heap_that_has_nothing_is_followed_by_the_next_of_the_plan() {
    let mut play = begin(vec![system(), cma("cma", 0, GIB - 1)], LatePolicy::Refuse);
    sealed(&mut play, vec![who(0, "one", nv12(1))]);
    let Some(Order::Allocate { heaps, .. }) = play.orders().pop() else {
        panic!("{:?}", play.set)
    };
    assert_eq!(heaps, ["system".into()]);
    let empty = wharf_core::set::AllocationFailure::Heap {
        memory: 0,
        errno: Errno::ENOMEM,
        reason: "empty".into(),
    };
    play.set.allocated(1, Err(empty)).unwrap();
    play.settle();
    assert_eq!(play.set.snapshot().heaps, ["cma".into()]);
    assert_eq!(
        play.set.check(play.set.plan().unwrap()),
        Ok(()),
        "buffers suit the set that has them"
    );
}

// Mirrors sysmem_tests_v2.cc PixelFormatBgr24: rows of 1800 bytes are 1824 apart.
#[test]
fn rows_are_as_far_apart_as_the_alignment_wants() {
    let plane = Record::new().with(key::STRIDE_ALIGN, Bytes(32));
    let image = linear(Fourcc::R8).image(room(&[(1800, 4)])).every_plane(plane);
    let mut play = begin(vec![system()], LatePolicy::Refuse);
    sealed(
        &mut play,
        vec![who(0, "one", plain().image(image).with(key::CAMPING, Buffers(1)))],
    );
    play.settle();
    let image = play.set.plan().unwrap().image.clone().unwrap();
    assert_eq!(image.planes[0].stride_bytes, 1824);
}

// Mirrors sysmem_tests_v2.cc is_alpha_present: equal or unset, for each pair.
#[test]
fn what_alpha_means_is_the_same_for_all_who_say_it() {
    let says = |what: Option<&str>| {
        let record = room(&[(64, 64)]);
        let record = match what {
            Some(what) => record.with(key::ALPHA, what.into()),
            None => record,
        };
        who(
            0,
            "one",
            plain()
                .image(linear(Fourcc::XRGB8888).image(record))
                .with(key::CAMPING, Buffers(1)),
        )
    };
    let all = [None, Some("opaque"), Some("straight")];
    for one in all {
        for other in all {
            let mut play = begin(vec![system()], LatePolicy::Refuse);
            sealed(&mut play, vec![says(one), says(other)]);
            play.settle();
            let agreed = play
                .set
                .plan()
                .map(|plan| plan.image.as_ref().unwrap().alpha.as_deref().map(str::to_owned));
            let expected = match (one, other) {
                (Some(one), Some(other)) if one != other => None,
                (one, other) => Some(one.or(other).map(str::to_owned)),
            };
            assert_eq!(agreed, expected, "{one:?}, {other:?}");
        }
    }
}
