use wharf_core::Errno;
use wharf_core::dma::{
    self, Coherency, Conflict, DmaLimits, DmaLimitsBuilder, Field, PhysicalRun, Requirements, Storage,
    Translation, Value, Window,
};

const SIZE_BYTES: u64 = 0x10_0000;

fn limits(set: impl FnOnce(DmaLimitsBuilder) -> DmaLimitsBuilder) -> DmaLimits {
    set(DmaLimits::builder()).build().unwrap()
}

fn iommu(page_bytes: u64, coalesce: bool) -> Translation {
    let aperture = Window {
        first: 0,
        last: 0xffff_ffff,
    };
    Translation::Iommu {
        aperture,
        page_bytes,
        coalesce,
    }
}

fn collate(parties: &[(&str, DmaLimits)]) -> Result<Requirements, Conflict> {
    dma::collate(parties.iter().map(|(who, limits)| (*who, limits)), SIZE_BYTES)
}

/// Field and participants of a conflict.
fn blamed(parties: &[(&str, DmaLimits)]) -> (Field, Vec<(String, Field)>) {
    let conflict = collate(parties).unwrap_err();
    assert_eq!(conflict.errno(), Errno::EOPNOTSUPP);
    let needs = conflict
        .needs
        .iter()
        .map(|need| (need.who.to_string(), need.field));
    (conflict.field, needs.collect())
}

fn who(name: &str, field: Field) -> (String, Field) {
    (name.to_owned(), field)
}

#[test]
fn nobody_needs_nothing() {
    let needs = collate(&[]).unwrap();
    assert_eq!(
        (needs.windows(), needs.max_segments(), needs.is_contiguous()),
        (None, None, false)
    );
    assert_eq!(
        (needs.base_align_bytes(), needs.segment_align_bytes()),
        (4096, 4096)
    );
    assert_eq!(
        (needs.length_granule_bytes(), needs.min_chunk_bytes()),
        (4096, Some(4096))
    );
    assert_eq!(needs.coherency(), Coherency::Snoops);
    assert_eq!(needs.to_string(), "1048576 bytes");
}

#[test]
fn strictest_of_each_field_holds_with_who_needs_it() {
    let needs = collate(&[
        (
            "camera",
            limits(|some| {
                some.address_mask(0xffff_ffff)
                    .max_segments(8)
                    .base_align_bytes(0x1_0000)
            }),
        ),
        (
            "display",
            limits(|some| some.address_mask(0x3fff_ffff).segment_align_bytes(0x2000)),
        ),
        (
            "encoder",
            limits(|some| {
                some.max_segments(4)
                    .length_granule_bytes(0x4000)
                    .coherency(Coherency::NeedsSync)
            }),
        ),
    ])
    .unwrap();
    assert_eq!(
        needs.windows().unwrap().as_slice(),
        [Window {
            first: 0,
            last: 0x3fff_ffff
        }]
    );
    assert_eq!(needs.max_segments(), Some(4));
    assert_eq!(needs.base_align_bytes(), 0x1_0000);
    assert_eq!(needs.segment_align_bytes(), 0x2000);
    assert_eq!(needs.length_granule_bytes(), 0x4000);
    assert_eq!(needs.min_chunk_bytes(), Some(0x4_0000));
    assert_eq!(needs.coherency(), Coherency::NeedsSync);
    let by = |field| {
        needs
            .needs(field)
            .map(|need| (&*need.who, need.value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        by(Field::MaxSegments),
        [("camera", Value::Segments(8)), ("encoder", Value::Segments(4))]
    );
    assert_eq!(
        by(Field::Coherency),
        [("encoder", Value::Coherency(Coherency::NeedsSync))]
    );
    assert_eq!(
        by(Field::MinChunk),
        [
            ("camera", Value::Bytes(0x2_0000)),
            ("encoder", Value::Bytes(0x4_0000))
        ]
    );
}

#[test]
fn offset_moves_windows_to_physical_addresses() {
    let bus = limits(|some| {
        some.windows([0xc000_0000..=0xffff_ffff])
            .translation(Translation::Direct {
                offset_bytes: 0xc000_0000,
            })
    });
    let needs = collate(&[("display", bus)]).unwrap();
    assert_eq!(
        needs.windows().unwrap().as_slice(),
        [Window {
            first: 0,
            last: 0x3fff_ffff
        }]
    );
}

#[test]
fn coalescing_iommu_asks_for_its_page_only() {
    let gpu = limits(|some| {
        some.address_mask(0xffff_ffff)
            .contiguous()
            .base_align_bytes(0x10_0000)
            .translation(iommu(0x4000, true))
    });
    let needs = collate(&[("gpu", gpu)]).unwrap();
    assert_eq!((needs.windows(), needs.max_segments()), (None, None));
    assert_eq!(
        (needs.base_align_bytes(), needs.segment_align_bytes()),
        (0x4000, 0x4000)
    );
    assert_eq!(
        (needs.length_granule_bytes(), needs.min_chunk_bytes()),
        (0x4000, Some(0x4000))
    );
    assert_eq!(
        needs.to_string(),
        "1048576 bytes; gpu needs page_granule_bytes a multiple of 16384 bytes"
    );
}

#[test]
fn iommu_that_does_not_coalesce_asks_for_few_runs_anywhere() {
    let gpu = limits(|some| {
        some.address_mask(0xff_ffff)
            .max_segments(4)
            .translation(iommu(4096, false))
    });
    let needs = collate(&[("gpu", gpu)]).unwrap();
    assert_eq!((needs.windows(), needs.max_segments()), (None, Some(4)));
    assert_eq!(needs.min_chunk_bytes(), Some(0x4_0000));
}

#[test]
fn chunks_of_the_design_s_figures() {
    let chunk = |segments| {
        let gpu = limits(|some| some.max_segments(segments));
        dma::collate([("gpu", &gpu)], 3_133_440)
            .unwrap()
            .min_chunk_bytes()
    };
    assert_eq!(chunk(16), Some(256 << 10));
    assert_eq!(chunk(64), Some(64 << 10));
    assert_eq!(chunk(1), Some(4 << 20));
}

#[test]
fn chunks_that_are_no_power_of_two_are_left_to_the_exporter() {
    // Six segments of three pages are 18 pages; every power of two wastes segments at the boundaries.
    let gpu = limits(|some| {
        some.max_segments(6)
            .max_segment_bytes(3 * 4096)
            .boundary_mask(0xffff)
    });
    let size_bytes = 18 * 4096;
    let needs = dma::collate([("gpu", &gpu)], size_bytes).unwrap();
    assert_eq!(needs.min_chunk_bytes(), None);
    let chunks = (0..6).map(|number| PhysicalRun {
        address: number * 0x1_0000,
        length_bytes: 3 * 4096,
    });
    assert_eq!(needs.allows(&Storage::new(chunks).unwrap()), Ok(()));
}

#[test]
fn windows_without_anything_in_common_blame_the_two() {
    let parties = [
        ("camera", limits(|some| some.address_mask(0xffff_ffff))),
        ("display", limits(|some| some.address_mask(0x3fff_ffff))),
        ("late", limits(|some| some.windows([0x4000_0000..=0xffff_ffff]))),
    ];
    let expected = vec![who("display", Field::Windows), who("late", Field::Windows)];
    assert_eq!(blamed(&parties), (Field::Windows, expected));
}

#[test]
fn windows_with_holes_blame_all_that_are_needed_for_it() {
    let without = |number: u64| {
        let hole = number * SIZE_BYTES;
        let below = (number > 0).then(|| 0..=hole - 1);
        let above = hole + SIZE_BYTES..=3 * SIZE_BYTES - 1;
        limits(|some| some.windows(below.into_iter().chain((number < 2).then_some(above))))
    };
    let parties = [
        ("a", without(0)),
        ("b", without(1)),
        ("c", without(2)),
        ("d", limits(|some| some.address_mask(0xffff_ffff))),
    ];
    let expected = ["a", "b", "c"].map(|name| who(name, Field::Windows)).to_vec();
    assert_eq!(blamed(&parties), (Field::Windows, expected));
}

#[test]
fn common_window_too_small_for_the_buffer_is_a_conflict() {
    let parties = [
        ("a", limits(|some| some.address_mask(2 * SIZE_BYTES - 1))),
        (
            "b",
            limits(|some| some.windows([SIZE_BYTES + 4096..=0xffff_ffff])),
        ),
    ];
    assert_eq!(blamed(&parties).0, Field::Windows);
}

#[test]
fn contiguous_memory_in_windows_with_a_gap_blames_both() {
    let half = SIZE_BYTES / 2;
    let holed = limits(|some| some.windows([0..=half - 1, 2 * half..=3 * half - 1]));
    let parties = [
        ("camera", limits(|some| some.contiguous())),
        ("gpu", holed.clone()),
    ];
    let expected = vec![who("gpu", Field::Windows), who("camera", Field::Contiguous)];
    assert_eq!(blamed(&parties), (Field::Contiguous, expected));
    let two = [("camera", limits(|some| some.max_segments(2))), ("gpu", holed)];
    assert_eq!(collate(&two).unwrap().max_segments(), Some(2));
}

#[test]
fn base_alignment_without_room_blames_both() {
    let window = limits(|some| some.windows([0x1000..=0x1000 + 2 * SIZE_BYTES - 1]));
    let parties = [
        ("npu", limits(|some| some.base_align_bytes(0x4000_0000))),
        ("display", window),
    ];
    let expected = vec![who("display", Field::Windows), who("npu", Field::BaseAlign)];
    assert_eq!(blamed(&parties), (Field::BaseAlign, expected));
}

#[test]
fn too_few_segments_for_the_size_blame_one() {
    let short = limits(|some| {
        some.address_mask(0xffff_ffff)
            .max_segments(15)
            .max_segment_bytes(0x1_0000)
            .boundary_mask(0xffff_ffff)
    });
    let expected = vec![who("dma", Field::MaxSegments), who("dma", Field::MaxSegmentBytes)];
    assert_eq!(blamed(&[("dma", short)]), (Field::MaxSegments, expected));
    let enough = limits(|some| some.max_segments(16).max_segment_bytes(0x1_0000));
    assert!(collate(&[("dma", enough)]).is_ok());
    let by_boundary = limits(|some| some.contiguous().boundary_mask(0xffff));
    let expected = vec![who("dma", Field::BoundaryMask), who("dma", Field::Contiguous)];
    assert_eq!(blamed(&[("dma", by_boundary)]), (Field::Contiguous, expected));
}

#[test]
fn size_that_does_not_divide_blames_the_granule() {
    let coarse = limits(|some| some.length_granule_bytes(2 * SIZE_BYTES));
    let expected = vec![who("dma", Field::LengthGranule)];
    assert_eq!(blamed(&[("dma", coarse)]), (Field::LengthGranule, expected));
    let pages = limits(|some| some.translation(iommu(2 * SIZE_BYTES, true)));
    assert_eq!(
        blamed(&[("gpu", pages)]),
        (Field::Translation, vec![who("gpu", Field::Translation)])
    );
}

#[test]
fn aperture_too_small_blames_the_iommu() {
    let aperture = Window {
        first: 0,
        last: SIZE_BYTES / 2 - 1,
    };
    let small = limits(|some| {
        some.translation(Translation::Iommu {
            aperture,
            page_bytes: 4096,
            coalesce: true,
        })
    });
    assert_eq!(
        blamed(&[("gpu", small)]),
        (Field::Windows, vec![who("gpu", Field::Translation)])
    );
}

#[test]
fn equal_participants_are_told_by_the_first_name() {
    let low = || limits(|some| some.address_mask(0x3fff_ffff));
    let high = || limits(|some| some.windows([0x4000_0000..=0xffff_ffff]));
    let parties = [("d", low()), ("b", high()), ("c", low()), ("a", high())];
    let expected = vec![who("a", Field::Windows), who("c", Field::Windows)];
    assert_eq!(blamed(&parties), (Field::Windows, expected));
}

#[test]
fn memory_of_another_size_is_not_allowed() {
    let needs = collate(&[]).unwrap();
    let short = Storage::new([PhysicalRun {
        address: 0,
        length_bytes: 4096,
    }])
    .unwrap();
    let unsuitable = needs.allows(&short).unwrap_err();
    assert_eq!(unsuitable.errno(), Errno::EBUSY);
    assert_eq!(
        unsuitable.to_string(),
        "memory does not suit the buffer: size_bytes: the buffer of 4096 bytes is not exactly 1048576 bytes"
    );
}

#[test]
fn ten_thousand_attachments_of_few_devices_are_few_participants() {
    let camera = limits(|some| some.address_mask(0xffff_ffff));
    let display = limits(|some| some.address_mask(0x3fff_ffff));
    let all = (0..10_000).map(|number| {
        if number % 2 == 0 {
            ("camera", &camera)
        } else {
            ("display", &display)
        }
    });
    let needs = dma::collate(all, SIZE_BYTES).unwrap();
    assert_eq!(needs.needs(Field::Windows).count(), 2);
}

#[test]
fn iommu_that_places_the_buffer_at_a_boundary_counts_segments_from_there() {
    // 18 pages in segments of three, with boundaries at every 16 pages: 3+3+3+3+3+1 and 2.
    let gpu = |segments| {
        let builder = DmaLimits::builder()
            .max_segments(segments)
            .max_segment_bytes(3 * 4096)
            .boundary_mask(0xffff);
        builder.translation(iommu(4096, true)).build().unwrap()
    };
    let conflict = dma::collate([("gpu", &gpu(6))], 18 * 4096).unwrap_err();
    assert_eq!(conflict.field, Field::MaxSegments);
    assert_eq!(conflict.needs.len(), 4);
    let needs = dma::collate([("gpu", &gpu(7))], 18 * 4096).unwrap();
    assert_eq!(needs.min_chunk_bytes(), Some(4096));
}

#[test]
fn iommu_cannot_join_what_then_cannot_be_cut() {
    let gpu = |coalesce| {
        limits(|some| {
            some.max_segment_bytes(0x2000)
                .segment_align_bytes(0x4000)
                .translation(iommu(4096, coalesce))
        })
    };
    let expected =
        [Field::Translation, Field::MaxSegmentBytes, Field::SegmentAlign].map(|field| who("gpu", field));
    assert_eq!(
        blamed(&[("gpu", gpu(true))]),
        (Field::MaxSegmentBytes, expected.to_vec())
    );
    assert_eq!(collate(&[("gpu", gpu(false))]).unwrap().min_chunk_bytes(), None);
}

#[test]
fn longest_segment_counts_in_whole_granules() {
    let dma = limits(|some| {
        some.max_segments(9)
            .max_segment_bytes(28_672)
            .length_granule_bytes(16_384)
    });
    let conflict = dma::collate([("dma", &dma)], 10 * 16_384).unwrap_err();
    assert_eq!(conflict.field, Field::MaxSegments);
    assert_eq!(conflict.needs.len(), 3);
    assert!(dma::collate([("dma", &dma)], 9 * 16_384).is_ok());
}
