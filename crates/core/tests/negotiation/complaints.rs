//! What users complain about: reference section 3, one test for each complaint.

use wharf_core::constraints::{
    Buffers, Bytes, CpuUse, Field, FormatKey, ImageConstraints, Names, Record, Rows, StrideRule, Tiling,
    Value, key,
};
use wharf_core::dma::{Coherency, DmaLimits, Translation};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    ActualBuffer, Eliminated, Function, Guarantees, HeapAnswer, HeapOffer, Participant, ParticipantId, Plan,
    Policy, Presence, Problem, ReportKind, next_best, solve, suits,
};
use wharf_core::{Errno, PAGE_BYTES};

use crate::support::*;

fn names(names: &[&str]) -> Names {
    names.iter().copied().collect()
}

fn picture(width: u32, height: u32) -> ImageConstraints {
    linear(Fourcc::NV12).image(room(&[(width, height)]))
}

fn aligned(bytes: u64) -> Record {
    Record::new().with(key::STRIDE_ALIGN, Bytes(bytes))
}

fn strides(plan: &Plan) -> Vec<u64> {
    let image = plan.image.as_ref().unwrap();
    image.planes.iter().map(|plane| plane.stride_bytes).collect()
}

fn first_heap(plan: &Plan) -> &str {
    &plan.memories[0].heaps[0]
}

fn way(plan: &Plan, id: u64) -> &str {
    let chosen = plan
        .choices
        .iter()
        .find(|choice| choice.participant == ParticipantId(id));
    &chosen.unwrap().alternative
}

#[test]
fn c01_screencast_with_no_common_modifier_names_both_lists() {
    let recorder = plain().image(linear(Fourcc::XRGB8888));
    let tiled = ImageConstraints::new(Fourcc::XRGB8888, TILED).image(room(&[(1920, 1080)]));
    let parties = [
        who(1, "compositor", plain().image(tiled)),
        who(2, "recorder", recorder),
    ];
    let ReportKind::Conflict { conflicts, .. } = refused(&parties, &[system()]) else {
        panic!("another report");
    };
    assert_eq!(conflicts[0].path.field, Field::Format);
    let lists: Vec<(&str, String)> = conflicts[0]
        .members
        .iter()
        .map(|member| (&*member.who.label, member.value.to_string()))
        .collect();
    assert_eq!(
        lists,
        [
            ("compositor", format!("XR24:{TILED}")),
            ("recorder", "XR24:linear".into())
        ]
    );
}

#[test]
fn c02_falling_back_to_linear_says_who_removed_tiling() {
    let both = |label, id| {
        let tiled = ImageConstraints::new(Fourcc::XRGB8888, TILED).image(room(&[(800, 600)]));
        who(
            id,
            label,
            plain()
                .image(tiled)
                .image(linear(Fourcc::XRGB8888).image(room(&[(800, 600)]))),
        )
    };
    let needless = who(3, "flutter", plain().image(linear(Fourcc::XRGB8888)));
    let plan = planned(&[both("gpu", 1), both("display", 2), needless], &[system()]);
    let tiled = plan
        .eliminated
        .iter()
        .find(|one| matches!(&one.what, Eliminated::Format(format) if format.tiling == Some(Tiling::Explicit(TILED))))
        .expect("tiling was removed");
    assert!(tiled.members.iter().any(|member| &*member.who.label == "flutter"));
}

#[test]
fn c03_scanout_is_chosen_by_cost_and_not_by_the_client() {
    let modifiers = [TILED, Modifier::LINEAR];
    let client = modifiers.iter().fold(plain(), |client, modifier| {
        client.image(ImageConstraints::new(Fourcc::XRGB8888, *modifier).image(room(&[(1920, 1080)])))
    });
    let compose = any_tiling(Fourcc::XRGB8888);
    let compositor = Participant::new(ParticipantId(2), "compositor").function(
        Function::new(
            "scanout",
            plain().image(linear(Fourcc::XRGB8888)).build().unwrap(),
        )
        .or("compose", 100, plain().image(compose).build().unwrap()),
    );
    let plan = planned(&[who(1, "client", client), compositor], &[system()]);
    assert_eq!(plan.image.as_ref().unwrap().format, linear(Fourcc::XRGB8888).key);
    assert_eq!(way(&plan, 2), "only");
}

#[test]
fn c04_two_gpus_without_a_common_layout_copy_where_they_declare_it() {
    let tiled = |driver: &str| {
        ImageConstraints::of(FormatKey {
            fourcc: Some(Fourcc::XRGB8888),
            tiling: Some(Tiling::Implicit(driver.into())),
        })
    };
    let nvidia = plain().image(tiled("nvidia").image(room(&[(1920, 1080)])));
    let direct = plain().image(tiled("amdgpu")).build().unwrap();
    let amd = Function::new("import", direct);
    let with_copy = amd.clone().or("copy", 1000, plain().build().unwrap());
    let amd_as = |function| Participant::new(ParticipantId(2), "amd").function(function);
    let nvidia = who(1, "nvidia", nvidia);
    let plan = planned(&[nvidia.clone(), amd_as(with_copy)], &[system()]);
    assert_eq!(way(&plan, 2), "copy");
    let removed = |one: &Eliminated| matches!(one, Eliminated::Alternative { who } if who.alternative.as_deref() == Some("only"));
    assert!(plan.eliminated.iter().any(|one| removed(&one.what)));
    let kind = refused(&[nvidia, amd_as(amd)], &[system()]);
    assert!(matches!(kind, ReportKind::Conflict { .. }), "{kind:?}");
}

#[test]
fn c05_pi4_display_window() {
    let gpu = who(1, "v3d", plain().dma(iommu()).image(picture(1920, 1080)));
    let display = who(
        2,
        "vc4",
        plain().dma(one_segment(GIB)).image(linear(Fourcc::NV12)),
    );
    let parties = [gpu, display];
    let high = cma("cma-high", GIB, 4 * GIB - 1);
    let plan = planned(&parties, &[system(), high.clone(), cma("cma-low", 0, GIB - 1)]);
    assert_eq!(plan.memories[0].heaps, ["cma-low".into()]);
    let ReportKind::NoHeap { heaps } = refused(&parties, &[system(), high]) else {
        panic!("another report");
    };
    let told: Vec<_> = heaps
        .iter()
        .map(|misfit| (&*misfit.heap, misfit.field, &*misfit.who[0].label))
        .collect();
    assert_eq!(
        told,
        [
            ("cma-high", Field::Windows, "vc4"),
            ("system", Field::Contiguous, "vc4")
        ]
    );
}

#[test]
fn c06_no_bounce_is_never_served_by_a_hidden_copy() {
    let bouncing = HeapOffer {
        cost: 0,
        ..heap(
            "swiotlb",
            Guarantees {
                bounces: true,
                ..Guarantees::default()
            },
        )
    };
    let screen = [who(
        1,
        "screen",
        plain().with(key::NO_BOUNCE, ()).with(key::MIN_SIZE, Bytes(4096)),
    )];
    let ReportKind::NoHeap { heaps } = refused(&screen, std::slice::from_ref(&bouncing)) else {
        panic!("another report");
    };
    assert_eq!(heaps[0].field, Field::NoBounce);
    let honest = HeapOffer { cost: 50, ..system() };
    assert_eq!(
        planned(&screen, &[bouncing, honest]).memories[0].heaps,
        ["system".into()]
    );
}

#[test]
fn c07_padded_rows_are_part_of_the_size() {
    let rows = |align| linear(Fourcc::NV12).image(Record::new().with(key::ROWS_ALIGN, Rows(align)));
    let camera = who(1, "camera", plain().image(picture(1920, 1080)));
    let alone = planned(std::slice::from_ref(&camera), &[system()]);
    assert_eq!(alone.image.as_ref().unwrap().planes[1].offset_bytes, 1920 * 1080);
    assert_eq!(alone.size_bytes(), 3_110_400_u64.next_multiple_of(PAGE_BYTES));
    let mpp = who(2, "mpp", plain().image(rows(16)));
    assert_eq!(planned(&[camera, mpp], &[system()]).size_bytes(), 3_133_440);
    // 1600x1068 on radeonsi, which works out the size from the padded height.
    let odd = linear(Fourcc::XRGB8888).image(room(&[(1600, 1068)]));
    let gpu = linear(Fourcc::XRGB8888).image(Record::new().with(key::ROWS_ALIGN, Rows(8)));
    let odd = [
        who(1, "camera", plain().image(odd)),
        who(2, "radeonsi", plain().image(gpu)),
    ];
    assert_eq!(planned(&odd, &[system()]).image.unwrap().planes[0].rows, 1072);
}

#[test]
fn c08_exact_pitch() {
    let exact = |rule| {
        let rules = Record::new().with(key::STRIDE_RULES, rules(&[rule]));
        linear(Fourcc::NV12).every_plane(rules)
    };
    let camera = |align| {
        who(
            1,
            "camera",
            plain().image(picture(1920, 1080).every_plane(aligned(align))),
        )
    };
    let amd = who(2, "amd", plain().image(exact(StrideRule::RoundUp(256))));
    assert_eq!(
        strides(&planned(&[camera(64), amd.clone()], &[system()])),
        [2048, 2048]
    );
    // Longer would suit the camera, but not the display.
    let ReportKind::Conflict { conflicts, .. } = refused(&[camera(4096), amd], &[system()]) else {
        panic!("another report");
    };
    let blamed: Vec<&str> = conflicts[0]
        .members
        .iter()
        .map(|member| &*member.who.label)
        .collect();
    assert!(
        blamed.contains(&"camera") && blamed.contains(&"amd"),
        "{blamed:?}"
    );
    // Panfrost: any multiple of 64 bytes.
    let panfrost = who(
        2,
        "panfrost",
        plain().image(linear(Fourcc::R8).every_plane(aligned(64))),
    );
    let odd = linear(Fourcc::R8).image(room(&[(1000, 10)]));
    assert_eq!(
        strides(&planned(
            &[who(1, "camera", plain().image(odd)), panfrost],
            &[system()]
        )),
        [1024]
    );
}

#[test]
fn c09_heaps_are_chosen_by_what_they_promise_and_not_by_name() {
    let display = who(
        1,
        "display",
        plain().dma(one_segment(GIB)).with(key::MIN_SIZE, Bytes(1 << 20)),
    );
    for name in ["linux,cma", "reserved", "a-name-nobody-knows"] {
        let plan = planned(std::slice::from_ref(&display), &[system(), cma(name, 0, GIB - 1)]);
        assert_eq!(first_heap(&plan), name);
    }
}

#[test]
fn c10_scarce_memory_is_for_those_who_need_it() {
    let heaps = [
        HeapOffer {
            cost: 100,
            ..cma("cma", 0, 4 * GIB - 1)
        },
        system(),
    ];
    let camera = who(1, "camera", plain().with(key::MIN_SIZE, Bytes(1 << 20)));
    let plan = planned(std::slice::from_ref(&camera), &heaps);
    assert_eq!(plan.memories[0].heaps, ["system".into(), "cma".into()]);
    let video = who(2, "video", plain().dma(one_segment(4 * GIB)));
    assert_eq!(
        planned(&[camera, video], &heaps).memories[0].heaps,
        ["cma".into()]
    );
}

#[test]
fn c10_a_heap_known_to_have_too_little_is_asked_last() {
    let small = HeapOffer {
        capacity_bytes: Some(1 << 20),
        ..system()
    };
    let dear = HeapOffer {
        cost: 100,
        ..cma("cma", 0, 4 * GIB - 1)
    };
    let camera = |buffers| {
        who(
            1,
            "camera",
            plain()
                .with(key::MIN_SIZE, Bytes(1 << 18))
                .with(key::CAMPING, Buffers(buffers)),
        )
    };
    let order = |buffers| {
        planned(&[camera(buffers)], &[small.clone(), dear.clone()]).memories[0]
            .heaps
            .clone()
    };
    assert_eq!(order(4), ["system".into(), "cma".into()]);
    assert_eq!(order(5), ["cma".into(), "system".into()]);
}

#[test]
fn c11_a_device_that_does_not_snoop_never_reads_stale_data() {
    let npu = DmaLimits::builder()
        .coherency(Coherency::NeedsSync)
        .build()
        .unwrap();
    let npu = who(
        1,
        "mpp",
        plain()
            .dma(npu)
            .with(key::NO_SYNC, ())
            .with(key::MIN_SIZE, Bytes(4096)),
    );
    let cpu = who(
        2,
        "cpu",
        plain()
            .with(key::CPU_ACCESS, CpuUse::Often)
            .with(key::NO_SYNC, ()),
    );
    let parties = [npu, cpu];
    let cached = system();
    let uncached = HeapOffer {
        cost: 50,
        ..heap(
            "uncached",
            Guarantees {
                cache_modes: names(&["uncached"]),
                ..Guarantees::default()
            },
        )
    };
    let plan = planned(&parties, &[cached.clone(), uncached]);
    assert_eq!(
        (first_heap(&plan), plan.memories[0].cache_mode.as_deref()),
        ("uncached", Some("uncached"))
    );
    assert_eq!(plan.sync, []);
    let ReportKind::NoHeap { heaps } = refused(&parties, &[cached]) else {
        panic!("another report");
    };
    assert_eq!(heaps[0].field, Field::NoSync);
    assert_eq!(heaps[0].who.len(), 2);
}

#[test]
fn c12_limits_are_stated_after_translation() {
    let one = |translation| {
        let limits = DmaLimits::builder()
            .max_segments(1)
            .translation(translation)
            .build()
            .unwrap();
        [who(
            1,
            "gpu",
            plain().dma(limits).with(key::MIN_SIZE, Bytes(1 << 20)),
        )]
    };
    let coalescing = iommu().translation().unwrap();
    assert_eq!(first_heap(&planned(&one(coalescing), &[system()])), "system");
    let kind = refused(&one(Translation::PHYSICAL), &[system()]);
    assert!(matches!(kind, ReportKind::NoHeap { .. }), "{kind:?}");
}

#[test]
fn c13_room_is_made_for_who_comes_later() {
    let camera = who(
        1,
        "camera",
        plain().image(picture(1920, 1080)).with(key::CAMPING, Buffers(2)),
    );
    let encoder = plain()
        .image(linear(Fourcc::NV12).image(Record::new().with(key::ROWS_ALIGN, Rows(16))))
        .with(key::CAMPING, Buffers(3));
    let later = who(2, "encoder", encoder).presence(Presence::Phantom);
    let plan = planned(&[camera.clone(), later.clone()], &[system()]);
    assert_eq!((plan.size_bytes(), plan.count()), (3_133_440, 5));
    // Whoever is not there does not harm those who are.
    let only_r8 = who(3, "r8", plain().image(linear(Fourcc::R8))).presence(Presence::Phantom);
    let plan = planned(&[camera, later, only_r8], &[system()]);
    assert_eq!((plan.dropped, plan.ledger.total), (vec![ParticipantId(3)], 5));
}

#[test]
fn c14_the_limits_of_the_provider_are_a_conflict_that_says_so() {
    let camera = [who(
        1,
        "camera",
        plain()
            .with(key::MIN_SIZE, Bytes(1 << 20))
            .with(key::CAMPING, Buffers(3)),
    )];
    let heaps = [system()];
    let ask = |policy: &Policy| {
        solve(&Problem {
            participants: &camera,
            heaps: &heaps,
            policy,
        })
    };
    let tight = Policy {
        max_total_bytes: 3 << 20,
        ..Policy::default()
    };
    assert!(ask(&tight).is_ok());
    let report = ask(&Policy {
        max_total_bytes: (3 << 20) - 1,
        ..Policy::default()
    })
    .unwrap_err();
    let ReportKind::Conflict { conflicts, .. } = report.kind else {
        panic!("{report:?}");
    };
    assert_eq!(conflicts[0].path.field, Field::MaxTotal);
    assert_eq!(conflicts[0].origin, wharf_core::negotiation::LimitOrigin::System);
}

#[test]
fn c15_luma_and_chroma_in_two_banks() {
    let bank = |name| Record::new().with(key::HEAPS, names(&[name]));
    let codec = linear(Fourcc::NV12)
        .image(Record::new().with(key::PLANE_MEMORY, "separate".into()))
        .planes(vec![bank("bank0"), bank("bank1")]);
    let parties = [
        who(1, "camera", plain().image(picture(1920, 1088))),
        who(2, "codec", plain().image(codec)),
    ];
    let banks = ["bank1", "bank0"].map(|name| heap(name, Guarantees::default()));
    let plan = planned(&parties, &banks);
    let memories: Vec<_> = plan
        .memories
        .iter()
        .map(|memory| (memory.size_bytes, &*memory.heaps[0]))
        .collect();
    assert_eq!(memories, [(1920 * 1088, "bank0"), (1920 * 544, "bank1")]);
    let places: Vec<_> = plan
        .image
        .unwrap()
        .planes
        .iter()
        .map(|plane| (plane.memory, plane.offset_bytes))
        .collect();
    assert_eq!(places, [(0, 0), (1, 0)]);
}

#[test]
fn c15_space_behind_the_picture_for_what_travels_with_it() {
    let tail = Record::new()
        .with(key::TAIL_PAD, Bytes(4096))
        .with(key::PLANE_SIZE_ALIGN, Bytes(8192));
    let parties = [
        who(
            1,
            "camera",
            plain().image(linear(Fourcc::R8).image(room(&[(1024, 16)]))),
        ),
        who(2, "isp", plain().image(linear(Fourcc::R8).every_plane(tail))),
    ];
    assert_eq!(
        planned(&parties, &[system()]).image.unwrap().planes[0].size_bytes,
        24_576
    );
}

#[test]
fn c16_a_buffer_is_checked_before_it_is_imported() {
    let heaps = [system()];
    let client = who(
        1,
        "client",
        plain().image(linear(Fourcc::XRGB8888).image(room(&[(1000, 700)]))),
    );
    let plan = planned(std::slice::from_ref(&client), &heaps);
    let compositor = |align| {
        who(
            2,
            "compositor",
            plain().image(linear(Fourcc::XRGB8888).every_plane(aligned(align))),
        )
    };
    let buffer = ActualBuffer::planned(&plan, &heaps, ParticipantId(2)).unwrap();
    assert!(suits(&buffer, &compositor(32)).is_ok());
    let misfit = suits(&buffer, &compositor(64)).unwrap_err();
    assert_eq!(
        (misfit.path.field, misfit.path.plane),
        (Field::StrideAlign, Some(0))
    );
    assert_eq!((misfit.have, misfit.need), (Value::Bytes(4000), Value::Bytes(64)));
}

#[test]
fn c17_neutron_base_alignment_and_imx_reach() {
    let neutron = DmaLimits::builder()
        .contiguous()
        .base_align_bytes(1 << 20)
        .build()
        .unwrap();
    let vpu = one_segment(4 * GIB);
    let gpu = DmaLimits::builder().windows([0..=3 * GIB - 1]).build().unwrap();
    let parties = [
        who(
            1,
            "neutron",
            plain().dma(neutron).with(key::MIN_SIZE, Bytes(3 << 20)),
        ),
        who(2, "vpu", plain().dma(vpu)),
        who(3, "gpu", plain().dma(gpu)),
    ];
    let aligned = |name, last, base_align_bytes| {
        let mut offer = cma(name, GIB, last);
        offer.guarantees.base_align_bytes = base_align_bytes;
        offer
    };
    let heaps = [
        aligned("above-3-gib", 4 * GIB - 1, 1 << 20),
        aligned("pages", 3 * GIB - 1, 4096),
        system(),
    ];
    let ReportKind::NoHeap { heaps: misfits } = refused(&parties, &heaps) else {
        panic!("another report");
    };
    let told: Vec<_> = misfits
        .iter()
        .map(|misfit| (&*misfit.heap, misfit.field, &*misfit.who[0].label))
        .collect();
    assert_eq!(
        told,
        [
            ("above-3-gib", Field::Windows, "gpu"),
            ("pages", Field::BaseAlign, "neutron"),
            ("system", Field::Contiguous, "neutron"),
        ]
    );
    let suits = aligned("suits", 3 * GIB - 1, 1 << 20);
    assert_eq!(first_heap(&planned(&parties, &[system(), suits])), "suits");
}

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
