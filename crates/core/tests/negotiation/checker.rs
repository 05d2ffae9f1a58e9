//! Every planned buffer suits everyone, as a checker says that has nothing in common with the solver. Reference 5 (d), (f).

use proptest::prelude::*;
use wharf_core::constraints::{
    Buffers, Bytes, ConstraintsBuilder, CpuUse, ImageConstraints, Pixels, Record, Rows, StrideRule, key,
};
use wharf_core::dma::{Coherency, DmaLimits, Translation};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    ActualBuffer, Function, Guarantees, HeapOffer, Neighbor, Participant, ParticipantId, Plan, suits,
};

use crate::support::*;

const FOURCCS: [Fourcc; 4] = [
    Fourcc::NV12,
    Fourcc::YUV420,
    Fourcc::XRGB8888,
    Fourcc::from_bytes(*b"YUYV"),
];

fn limits() -> impl Strategy<Value = DmaLimits> {
    let windows = prop::option::weighted(0.4, prop::sample::select(vec![GIB, 4 * GIB]));
    let segments = prop::option::weighted(0.4, prop::sample::select(vec![1_u32, 4, 64]));
    let longest = prop::option::weighted(0.3, prop::sample::select(vec![1_u64 << 16, 1 << 20]));
    let align = prop::option::weighted(0.3, prop::sample::select(vec![1_u64 << 14, 1 << 16]));
    let offset = prop::option::weighted(0.2, Just(1_i64 << 28));
    (windows, segments, longest, align, offset, any::<(bool, bool)>()).prop_map(
        |(windows, segments, longest, align, offset, (mapped, sync))| {
            let mut limits = DmaLimits::builder();
            if mapped {
                limits = limits.translation(iommu().translation().unwrap());
            } else if let Some(offset_bytes) = offset {
                limits = limits.translation(Translation::Direct { offset_bytes });
            }
            if let Some(end) = windows {
                limits = limits.windows([0..=end - 1]);
            }
            if let Some(segments) = segments {
                limits = limits.max_segments(segments);
            }
            if let Some(longest) = longest {
                limits = limits.max_segment_bytes(longest);
            }
            if let Some(align) = align {
                limits = limits.base_align_bytes(align);
            }
            if sync {
                limits = limits.coherency(Coherency::NeedsSync);
            }
            limits.build().unwrap_or_default()
        },
    )
}

fn images() -> impl Strategy<Value = Vec<ImageConstraints>> {
    let plane = (
        prop::sample::select(vec![1_u64, 16, 64, 96]),
        prop::option::weighted(0.2, prop::sample::select(vec![64_u64, 256])),
        prop::sample::select(vec![1_u64, 4096]),
        prop::sample::select(vec![0_u64, 100]),
    );
    let image = (
        prop::sample::select(vec![1_u64, 2, 16]),
        prop::option::weighted(
            0.5,
            prop::sample::select(vec![(640, 480), (480, 640), (1366, 768)]),
        ),
        prop::sample::select(vec![1_u64, 2, 8]),
        prop::bool::weighted(0.2),
    );
    let formats = prop::sample::subsequence((0..FOURCCS.len()).collect::<Vec<_>>(), 1..=FOURCCS.len());
    (formats, plane, image).prop_map(
        |(formats, (stride, exact, offset, tail), (rows, sizes, width, separate))| {
            let mut plane = Record::new()
                .with(key::STRIDE_ALIGN, Bytes(stride))
                .with(key::OFFSET_ALIGN, Bytes(offset))
                .with(key::TAIL_PAD, Bytes(tail));
            if let Some(align) = exact {
                plane = plane.with(key::STRIDE_RULES, rules(&[StrideRule::RoundUp(align)]));
            }
            let mut image = sizes.map_or(Record::new(), |size| room(&[size]));
            image = image
                .with(key::ROWS_ALIGN, Rows(rows))
                .with(key::WIDTH_ALIGN, Pixels(width));
            if separate {
                image = image.with(key::PLANE_MEMORY, "separate".into());
            }
            let one = |index: usize| {
                let format = ImageConstraints::new(FOURCCS[index], Modifier::LINEAR);
                format.image(image.clone()).every_plane(plane.clone())
            };
            formats.into_iter().map(one).collect()
        },
    )
}

fn way() -> impl Strategy<Value = ConstraintsBuilder> {
    let memory = (
        prop::option::weighted(0.2, prop::sample::select(vec![8192_u64, 1 << 16])),
        prop::option::weighted(0.3, prop::sample::select(vec![CpuUse::Rarely, CpuUse::Often])),
        any::<(bool, bool)>(),
        0_u64..3,
    );
    (limits(), prop::option::weighted(0.8, images()), memory).prop_map(
        |(limits, images, (chunk, cpu, (no_sync, locked), camping))| {
            let mut all = plain().dma(limits).with(key::CAMPING, Buffers(camping));
            for image in images.into_iter().flatten() {
                all = all.image(image);
            }
            if let Some(chunk) = chunk {
                all = all.with(key::MIN_CHUNK, Bytes(chunk));
            }
            if let Some(cpu) = cpu {
                all = all.with(key::CPU_ACCESS, cpu);
            }
            if no_sync {
                all = all.with(key::NO_SYNC, ());
            }
            if locked {
                all = all.with(key::LOCKED, ());
            }
            all
        },
    )
}

fn offers() -> Vec<HeapOffer> {
    let locked = |mut offer: HeapOffer| {
        offer.guarantees.locked = true;
        offer
    };
    let modes = |mut offer: HeapOffer, modes: &[&str]| {
        offer.guarantees.cache_modes = modes.iter().copied().collect();
        offer
    };
    let huge = Guarantees {
        chunk_bytes: 1 << 21,
        ..Guarantees::default()
    };
    vec![
        system(),
        locked(HeapOffer {
            cost: 5,
            ..heap("huge", huge)
        }),
        modes(locked(cma("low", GIB >> 1, GIB - 1)), &["cached", "uncached"]),
        modes(cma("high", 2 * GIB, 4 * GIB - 1), &["write_combined"]),
    ]
}

/// The buffers of a plan as one participant sees them, with what the others do.
fn seen<'a>(
    plan: &'a Plan,
    heaps: &'a [HeapOffer],
    all: &[Participant],
    who: ParticipantId,
) -> ActualBuffer<'a> {
    let mut buffer = ActualBuffer::planned(plan, heaps, who).unwrap();
    let others = all
        .iter()
        .filter(|one| one.id != who)
        .flat_map(|one| &one.functions);
    let neighbors = others.map(|function| Neighbor::of(&function.alternatives[0].constraints));
    buffer.neighbors = neighbors.collect();
    buffer
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_is_planned_suits_everyone(ways in prop::collection::vec(way(), 1..=3)) {
        let built: Result<Vec<_>, _> = ways.into_iter().map(ConstraintsBuilder::build).collect();
        prop_assume!(built.is_ok());
        let participants: Vec<Participant> = built
            .unwrap()
            .into_iter()
            .enumerate()
            .map(|(index, needs)| {
                Participant::new(ParticipantId(index as u64), &format!("party {index}")).function(Function::new("use", needs))
            })
            .collect();
        let heaps = offers();
        let Ok(plan) = solved(&participants, &heaps) else {
            return Ok(());
        };
        for one in &participants {
            let buffer = seen(&plan, &heaps, &participants, one.id);
            let outcome = suits(&buffer, one);
            prop_assert!(outcome.is_ok(), "{:?}\n{:#?}", outcome, plan);
        }
    }
}
