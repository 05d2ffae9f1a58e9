//! Complaints about heaps, limits and what a buffer promises: C9 to C17.

use crate::support::*;
use wharf_core::constraints::{Buffers, Bytes, CpuUse, Field, Record, Rows, Value, key};
use wharf_core::dma::{Coherency, DmaLimits, Translation};
use wharf_core::layout::Fourcc;
use wharf_core::negotiation::{
    ActualBuffer, Guarantees, HeapOffer, ParticipantId, Policy, Presence, Problem, ReportKind, solve, suits,
};

use super::{aligned, first_heap, names, picture};

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
