//! The example of reference 4.7, with all its numbers.

use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Bytes, CpuUse, Field, FormatKey, Record, Rows, Value, key};
use wharf_core::dma::Coherency;
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Eliminated, HeapOffer, Participant, ParticipantId, PlanePlan, ReportKind, SyncStep,
};

use crate::support::*;

const CAMERA: ParticipantId = ParticipantId(1);
const READER: ParticipantId = ParticipantId(5);

/// Camera, encoder, display, GPU and a reader on the CPU.
pub(crate) fn parties() -> Vec<Participant> {
    let aligned = |bytes| Record::new().with(key::STRIDE_ALIGN, Bytes(bytes));
    let nv12 = || linear(Fourcc::NV12);
    let isp = wharf_core::DmaLimits::builder()
        .windows([0..=4 * GIB - 1])
        .max_segments(1)
        .coherency(Coherency::NeedsSync);
    let camera = plain()
        .dma(isp.build().unwrap())
        .image(nv12().image(room(&[(1920, 1080)])).every_plane(aligned(64)))
        .with(key::CAMPING, Buffers(4));
    let window = wharf_core::DmaLimits::builder().windows([0..=4 * GIB - 1]);
    let encoder = plain()
        .dma(window.build().unwrap())
        .image(
            nv12()
                .image(Record::new().with(key::ROWS_ALIGN, Rows(16)))
                .every_plane(aligned(32)),
        )
        .with(key::CAMPING, Buffers(3))
        .with(key::DEDICATED_SLACK, Buffers(1));
    let display = plain()
        .dma(one_segment(GIB))
        .with(key::NO_BOUNCE, ())
        .image(nv12().every_plane(aligned(16)))
        .with(key::CAMPING, Buffers(2));
    let tiled = any_tiling(Fourcc::NV12);
    let gpu = plain().dma(iommu()).image(tiled.every_plane(aligned(64)));
    let reader = plain()
        .image(any_tiling(Fourcc::NV12))
        .with(key::CACHE_MODES, ["cached"].into_iter().collect())
        .with(key::CPU_ACCESS, CpuUse::Often)
        .with(key::CAMPING, Buffers(1));
    vec![
        who(1, "camera", camera),
        reading(who(2, "encoder", encoder)),
        reading(who(3, "display.primary", display)).contract(Contract::Static),
        reading(who(4, "gpu", gpu)),
        reading(who(5, "reader", reader)),
    ]
}

pub(crate) fn heaps() -> Vec<HeapOffer> {
    vec![
        cma("cma-high", GIB, 4 * GIB - 1),
        cma("cma-low", 0, GIB - 1),
        system(),
    ]
}

#[test]
fn everything_comes_to_one_point() {
    let plan = planned(&parties(), &heaps());
    let image = plan.image.as_ref().unwrap();
    let linear_nv12 = linear(Fourcc::NV12).key;
    assert_eq!((&image.format, image.size), (&linear_nv12, size(1920, 1080)));
    let planes = [
        PlanePlan {
            memory: 0,
            offset_bytes: 0,
            stride_bytes: 1920,
            rows: 1088,
            size_bytes: 1920 * 1088,
        },
        PlanePlan {
            memory: 0,
            offset_bytes: 1920 * 1088,
            stride_bytes: 1920,
            rows: 544,
            size_bytes: 1920 * 544,
        },
    ];
    assert_eq!(image.planes, planes);
    assert_eq!((plan.size_bytes(), plan.count()), (3_133_440, 11));
    assert_eq!(plan.size_bytes() * u64::from(plan.count()), 34_467_840);
    let shares: Vec<_> = plan
        .ledger
        .entries
        .iter()
        .map(|entry| (entry.participant.0, entry.camping, entry.slack))
        .collect();
    assert_eq!(shares, [(1, 4, 0), (2, 3, 1), (3, 2, 0), (5, 1, 0)]);
}

#[test]
fn the_cpu_forgets_what_it_read_before_the_camera_wrote() {
    let plan = planned(&parties(), &heaps());
    let step = SyncStep {
        from: CAMERA,
        to: READER,
        clean: false,
        invalidate: true,
    };
    assert_eq!(plan.sync, [step]);
    assert_eq!(plan.memories[0].cache_mode.as_deref(), Some("cached"));
}

#[test]
fn memory_is_from_the_only_heap_that_suits() {
    let plan = planned(&parties(), &heaps());
    assert_eq!(plan.memories.len(), 1);
    assert_eq!(plan.memories[0].heaps, ["cma-low".into()]);
    let removed: Vec<&str> = plan
        .eliminated
        .iter()
        .filter_map(|one| match &one.what {
            Eliminated::Heap(name) => Some(&**name),
            _ => None,
        })
        .collect();
    assert_eq!(removed, ["cma-high", "system"]);
}

#[test]
fn without_that_heap_the_others_say_why_they_do_not_suit() {
    let heaps = [cma("cma-high", GIB, 4 * GIB - 1), system()];
    let ReportKind::NoHeap { heaps } = refused(&parties(), &heaps) else {
        panic!("another report");
    };
    let told: Vec<(&str, Field, Vec<&str>)> = heaps
        .iter()
        .map(|misfit| {
            let who = misfit.who.iter().map(|who| &*who.label).collect();
            (&*misfit.heap, misfit.field, who)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("cma-high", Field::Windows, vec!["display.primary"]),
            ("system", Field::Contiguous, vec!["camera", "display.primary"]),
        ]
    );
}

#[test]
fn tiled_pictures_are_removed_by_the_display() {
    let mut parties = parties();
    let tiled = wharf_core::constraints::ImageConstraints::new(Fourcc::NV12, TILED);
    let gpu = plain().dma(iommu()).image(tiled).image(linear(Fourcc::NV12));
    parties[3] = reading(who(4, "gpu", gpu));
    for one in [0, 1] {
        let mut constraints = plain().dma(one_segment(4 * GIB)).with(key::CAMPING, Buffers(3));
        for modifier in [TILED, Modifier::LINEAR] {
            let image = wharf_core::constraints::ImageConstraints::new(Fourcc::NV12, modifier);
            constraints = constraints.image(image.image(room(&[(1920, 1080)])));
        }
        let label = parties[one].label.clone();
        parties[one] = who(one as u64 + 1, &label, constraints);
    }
    let plan = planned(&parties, &heaps());
    let removed: Vec<(&FormatKey, Vec<&str>)> = plan
        .eliminated
        .iter()
        .filter_map(|one| match &one.what {
            Eliminated::Format(format) => {
                let who = one.members.iter().map(|member| &*member.who.label);
                Some((format, who.collect()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert_eq!(removed[0].0.to_string(), format!("NV12:{TILED}"));
    assert!(removed[0].1.contains(&"display.primary"), "{removed:?}");
}

#[test]
fn a_display_out_of_reach_of_another_is_a_conflict_of_two() {
    let mut parties = parties();
    let window = wharf_core::DmaLimits::builder().windows([GIB..=4 * GIB - 1]);
    parties.push(who(6, "y", plain().dma(window.build().unwrap())));
    let ReportKind::Conflict { conflicts, total } = refused(&parties, &heaps()) else {
        panic!("another report");
    };
    assert_eq!((conflicts.len(), total), (1, 1));
    let members: Vec<(&str, &Value)> = conflicts[0]
        .members
        .iter()
        .map(|member| (&*member.who.label, &member.value))
        .collect();
    let window = |first, last| Value::Windows([first..=last].into_iter().collect());
    assert_eq!(conflicts[0].path.field, Field::Windows);
    assert!(conflicts[0].minimal);
    assert_eq!(
        members,
        [
            ("display.primary", &window(0, GIB - 1)),
            ("y", &window(GIB, 4 * GIB - 1))
        ]
    );
}
