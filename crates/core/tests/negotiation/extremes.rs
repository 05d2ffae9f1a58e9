//! Bad and extreme input: the right typed error, in bounded work.

use wharf_core::constraints::{
    Buffers, Bytes, Extension, ExtensionKey, Field, ImageConstraints, MergeKind, Names, Record, Rows, Size,
    Sizes, Value, key,
};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Function, Guarantees, Participant, ParticipantId, Policy, Presence, Problem, ReportKind, solve,
};
use wharf_core::{DmaLimits, Errno};

use crate::support::*;

fn buffer() -> wharf_core::constraints::ConstraintsBuilder {
    plain().with(key::MIN_SIZE, Bytes(4096))
}

/// A group in which each function has several ways, none of which is in a cost of its own.
fn group(id: u64, functions: usize, ways: usize, last_is_wrong: bool) -> Participant {
    let mut all = Participant::new(ParticipantId(id), &format!("group {id}"));
    for number in 0..functions {
        let mut function = Function {
            name: format!("function {number}").into(),
            alternatives: Vec::new(),
        };
        for way in 0..ways {
            // Each pair of functions can agree, but only on the same heaps.
            let names: Names = (0..ways)
                .filter(|other| *other != way)
                .map(|other| format!("heap {other}"))
                .collect();
            let mut needs = buffer();
            if last_is_wrong {
                needs = needs.with(key::HEAPS, names);
            }
            function = function.or(&way.to_string(), 0, needs.build().unwrap());
        }
        all = all.function(function);
    }
    all
}

#[test]
fn ten_thousand_participants_are_solved_in_ten_thousand_merges() {
    let parties: Vec<Participant> = (0..10_000)
        .map(|id| {
            let image = linear(Fourcc::NV12).image(Record::new().with(key::ROWS_ALIGN, Rows(1 << (id % 5))));
            let needs = match id {
                0 => plain().image(linear(Fourcc::NV12).image(room(&[(1920, 1080)]))),
                _ => plain().image(image),
            };
            who(id, &format!("participant {id}"), needs)
        })
        .collect();
    let plan = planned(&parties, &[system()]);
    assert_eq!(plan.size_bytes(), 3_133_440);
    assert!(plan.merges < 30_000, "{} merges", plan.merges);
}

#[test]
fn equal_ways_do_not_multiply() {
    let parties: Vec<Participant> = (1..=8).map(|id| group(id, 4, 8, false)).collect();
    let plan = planned(&parties, &[system()]);
    assert!(plan.choices.iter().all(|choice| &*choice.alternative == "0"));
    assert!(plan.merges < 2000, "{} merges", plan.merges);
}

#[test]
fn exponentially_many_combinations_end_with_the_budget() {
    // Eight ways each exclude one of eight heaps: all heaps are excluded only by all ways together, at the last of many functions.
    let mut parties: Vec<Participant> = (1..=4).map(|id| group(id, 5, 8, true)).collect();
    let wrong = plain().with(key::LOCKED, ()).with(key::CAMPING, Buffers(3));
    parties.push(who(9, "impossible", wrong));
    let unlocked = |name: String, max_size_bytes| {
        let guarantees = Guarantees {
            max_size_bytes,
            locked: true,
            ..Guarantees::default()
        };
        heap(&name, guarantees)
    };
    let heaps: Vec<_> = (0..8)
        .map(|number| unlocked(format!("heap {number}"), 1 << 20))
        .collect();
    let (policy, tight) = (
        Policy::default(),
        Policy {
            max_merges: 100,
            ..Policy::default()
        },
    );
    let problem = Problem {
        participants: &parties,
        heaps: &heaps,
        policy: &policy,
    };
    assert!(solve(&problem).is_ok());
    // Nobody suits who wants all of the eight heaps to be excluded but one, in turn.
    let picky = (0..8).fold(Participant::new(ParticipantId(10), "picky"), |picky, number| {
        let only: Names = [format!("heap {number}")].into_iter().collect();
        let needs = plain()
            .with(key::HEAPS, only)
            .with(key::SIZE_ALIGN, Bytes(2 << 20));
        let function = Function::new(&format!("only {number}"), buffer().build().unwrap());
        picky.function(function.or("narrow", 1, needs.build().unwrap()))
    });
    parties.push(picky);
    let problem = Problem {
        participants: &parties,
        heaps: &heaps,
        policy: &tight,
    };
    let outcome = solve(&problem).map_err(|report| (report.errno(), report.kind));
    assert_eq!(
        outcome.unwrap_err(),
        (Errno::E2BIG, ReportKind::Budget { limit: 100 })
    );
}

/// Participants who all need pictures of many sizes in many formats, none of which has room in another; the buffers are too small for one.
fn many_sizes(participants: u32) -> Vec<Participant> {
    let party = |number: u32| {
        let sizes: Vec<(u32, u32)> = (0..64)
            .map(|size| {
                let width = 1 + number * 64 + size;
                (width, 16_000 - width)
            })
            .collect();
        let most = if number == 0 { 1 << 16 } else { 1 << 40 };
        let mut needs = plain().with(key::MAX_SIZE, Bytes(most));
        for format in 0..32 {
            let modifier = Modifier::from_raw(TILED.raw() + format);
            needs = needs.image(ImageConstraints::new(Fourcc::XRGB8888, modifier).image(room(&sizes)));
        }
        who(number.into(), &format!("party {number}"), needs)
    };
    (0..participants).map(party).collect()
}

#[test]
fn much_to_merge_is_much_of_the_budget_even_without_a_choice() {
    let heaps = [system()];
    let report = |participants, max_merges| {
        let participants = many_sizes(participants);
        let policy = Policy {
            max_merges,
            ..Policy::default()
        };
        let problem = Problem {
            participants: &participants,
            heaps: &heaps,
            policy: &policy,
        };
        solve(&problem).unwrap_err()
    };
    let (few, many) = (report(1, 100_000), report(8, 100_000));
    assert!(matches!(many.kind, ReportKind::Conflict { .. }), "{many}");
    assert!(many.merges > 2 * few.merges, "{} and {}", few.merges, many.merges);
    let ended = report(8, 40);
    assert!(matches!(ended.kind, ReportKind::Budget { limit: 40 }), "{ended}");
}

#[test]
fn sizes_that_have_room_in_others_are_left_out_however_many_there_are() {
    let sizes = |count: u32| (1..=count).flat_map(move |side| [size(side, count - side + 1), size(side, 1)]);
    for count in [1, 2, 3, 10, 20_000] {
        let kept: Sizes = sizes(count).collect();
        let expected: Vec<Size> = (1..=count).map(|side| size(side, count - side + 1)).collect();
        assert_eq!(kept.as_slice(), expected);
    }
    let same: Sizes = [size(5, 5), size(5, 7), size(5, 5), size(4, 7), size(6, 1)]
        .into_iter()
        .collect();
    assert_eq!(same.as_slice(), [size(5, 7), size(6, 1)]);
}

#[test]
fn a_set_of_one_number_twice_is_invalid_and_says_whose() {
    let parties = [who(7, "one", buffer()), who(7, "other", buffer())];
    for parties in [parties.clone(), [parties[1].clone(), parties[0].clone()]] {
        let ReportKind::Invalid { who, .. } = refused(&parties, &[system()]) else {
            panic!("another report");
        };
        assert_eq!(&*who.label, "other");
    }
}

#[test]
fn participants_and_heaps_that_make_no_sense_are_invalid() {
    let nothing = Participant::new(ParticipantId(1), "idle");
    let kind = refused(&[nothing], &[system()]);
    assert!(matches!(kind, ReportKind::Invalid { .. }), "{kind:?}");
    let kind = refused(&[who(1, "camera", buffer())], &[system(), system()]);
    assert!(matches!(kind, ReportKind::Invalid { .. }), "{kind:?}");
}

#[test]
fn somebody_has_to_say_format_and_size() {
    let formats = |kind| match kind {
        ReportKind::Underconstrained { field } => field,
        other => panic!("{other:?}"),
    };
    let wild = any_tiling(Fourcc::NV12).image(room(&[(64, 64)]));
    let nobody = refused(&[who(1, "passive", plain().image(wild))], &[system()]);
    assert_eq!(formats(nobody), Field::Format);
    let linear = any_format(wharf_core::layout::Modifier::LINEAR);
    let concrete = [
        who(
            1,
            "passive",
            plain().image(any_tiling(Fourcc::R8).image(room(&[(64, 64)]))),
        ),
        who(2, "other", plain().image(linear)),
    ];
    assert_eq!(planned(&concrete, &[system()]).size_bytes(), 4096);
    let no_size = refused(
        &[who(1, "camera", plain().image(any_tiling(Fourcc::R8)))],
        &[system()],
    );
    assert_eq!(formats(no_size), Field::Format);
    let no_size = refused(&[who(1, "camera", plain().image(self::linear_r8()))], &[system()]);
    assert_eq!(formats(no_size), Field::RequiredSizes);
    assert_eq!(
        formats(refused(&[who(1, "any", plain())], &[system()])),
        Field::MinSize
    );
}

fn linear_r8() -> wharf_core::constraints::ImageConstraints {
    linear(Fourcc::R8)
}

#[test]
fn an_extension_that_must_be_understood_is_refused_by_its_key() {
    let banks = |must_understand| Extension {
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "banks".into(),
        },
        kind: MergeKind::Lcm,
        must_understand,
        value: Value::Bytes(48),
    };
    let camera = |must| [who(1, "camera", buffer().extension(banks(must)))];
    assert!(solved(&camera(false), &[system()]).is_ok());
    let ReportKind::NotUnderstood { who, key } = refused(&camera(true), &[system()]) else {
        panic!("another report");
    };
    assert_eq!(
        (&*who.label, key.to_string()),
        ("camera", "example.org/banks".into())
    );
    let understanding = heap(
        "banked",
        Guarantees {
            extensions: [banks(true).key.to_string()].into_iter().collect(),
            ..Guarantees::default()
        },
    );
    let plan = planned(&camera(true), &[system(), understanding]);
    assert_eq!(plan.memories[0].heaps, ["banked".into()]);
}

#[test]
fn the_less_important_goes_first() {
    let dropped = |small, large| {
        let optional =
            |id, label, needs, priority| who(id, label, needs).presence(Presence::Optional { priority });
        let parties = [
            who(1, "required", buffer()),
            optional(2, "small", plain().with(key::MAX_SIZE, Bytes(8192)), small),
            optional(3, "large", plain().with(key::MIN_SIZE, Bytes(9000)), large),
        ];
        planned(&parties, &[system()]).dropped
    };
    assert_eq!(dropped(2, 1), [ParticipantId(3)]);
    assert_eq!(dropped(1, 2), [ParticipantId(2)]);
    assert_eq!(dropped(1, 1), [ParticipantId(3)]);
}

#[test]
fn segments_that_are_too_many_are_a_conflict_even_in_one_run() {
    let limits = DmaLimits::builder()
        .max_segments(16)
        .max_segment_bytes(65_536)
        .build()
        .unwrap();
    let device = plain().dma(limits).with(key::MIN_SIZE, Bytes(1 << 20));
    let contiguous = cma("cma", 0, 4 * GIB - 1);
    assert!(solved(&[who(1, "old", device)], std::slice::from_ref(&contiguous)).is_ok());
    let device = plain().dma(
        DmaLimits::builder()
            .max_segments(16)
            .max_segment_bytes(65_536)
            .build()
            .unwrap(),
    );
    let larger = who(2, "camera", plain().with(key::MIN_SIZE, Bytes((1 << 20) + 1)));
    let ReportKind::Conflict { conflicts, .. } = refused(&[who(1, "old", device), larger], &[contiguous])
    else {
        panic!("another report");
    };
    assert_eq!(conflicts[0].path.field, Field::MaxSegments);
    assert_eq!(conflicts[0].members.len(), 3);
}
