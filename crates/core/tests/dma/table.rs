use wharf_core::dma::{
    DirectDma, DmaLimits, DmaLimitsBuilder, DmaOps, Field, PhysicalRun, Place, SgSegment, SgTable, Storage,
    Translation, Violation, Window,
};
use wharf_core::{DataDirection, Errno};

fn table(segments: &[(u64, u64)]) -> SgTable {
    let segment = |(address, length_bytes): &(u64, u64)| SgSegment {
        address: *address,
        length_bytes: *length_bytes,
    };
    SgTable::new(segments.iter().map(segment))
}

fn storage(runs: &[(u64, u64)]) -> Storage {
    let run = |(address, length_bytes): &(u64, u64)| PhysicalRun {
        address: *address,
        length_bytes: *length_bytes,
    };
    Storage::new(runs.iter().map(run)).unwrap()
}

/// How a table, which covers its buffer, breaks limits.
fn broken(set: impl FnOnce(DmaLimitsBuilder) -> DmaLimitsBuilder, segments: &[(u64, u64)]) -> String {
    let table = table(segments);
    let limits = set(DmaLimits::builder()).build().unwrap();
    let violation = limits.check_table(&table, table.total_bytes()).unwrap_err();
    assert_eq!(violation.errno(), Errno::EBUSY);
    violation.to_string()
}

/// How memory breaks limits.
fn unsuitable(limits: &DmaLimits, runs: &[(u64, u64)]) -> Option<(Field, Place)> {
    let outcome = limits.check_storage(&storage(runs));
    outcome.err().map(|Violation { field, place, .. }| (field, place))
}

fn iommu(page_bytes: u64, coalesce: bool) -> Translation {
    let aperture = Window {
        first: 0,
        last: 0xf_ffff,
    };
    Translation::Iommu {
        aperture,
        page_bytes,
        coalesce,
    }
}

#[test]
fn each_limit_is_named_with_what_there_is_and_what_is_allowed() {
    let cases = [
        (
            broken(
                |limits| limits.address_mask(0xffff),
                &[(0x1000, 0x1000), (0xf000, 0x2000)],
            ),
            "windows: segment 1 at 0xf000..=0x10fff is not inside 0x0..=0xffff",
        ),
        (
            broken(
                |limits| limits.max_segments(1),
                &[(0x1000, 0x1000), (0x3000, 0x1000)],
            ),
            "max_segments: the buffer of 2 segments is not at most 1 segment",
        ),
        (
            broken(
                |limits| limits.contiguous(),
                &[(0x1000, 0x1000), (0x2000, 0x1000)],
            ),
            "contiguous: the buffer of 2 segments is not at most 1 segment",
        ),
        (
            broken(|limits| limits.max_segment_bytes(0x1000), &[(0x1000, 0x2000)]),
            "max_segment_bytes: segment 0 of 8192 bytes is not at most 4096 bytes",
        ),
        (
            broken(|limits| limits.boundary_mask(0xffff), &[(0xf000, 0x2000)]),
            "boundary_mask: segment 0 at 0xf000..=0x10fff is not within one block of 0xffff",
        ),
        (
            broken(|limits| limits.base_align_bytes(0x4000), &[(0x2000, 0x1000)]),
            "base_align_bytes: segment 0 at 0x2000 is not a multiple of 16384 bytes",
        ),
        (
            broken(
                |limits| limits.segment_align_bytes(0x4000),
                &[(0x4000, 0x1000), (0x2000, 0x1000)],
            ),
            "segment_align_bytes: segment 1 at 0x2000 is not a multiple of 16384 bytes",
        ),
        (
            broken(|limits| limits.length_granule_bytes(0x2000), &[(0x4000, 0x1000)]),
            "length_granule_bytes: segment 0 of 4096 bytes is not a non-zero multiple of 8192 bytes",
        ),
        (
            broken(|limits| limits, &[(0x1000, 0x1000), (0x4000, 0)]),
            "length_granule_bytes: segment 1 of 0 bytes is not a non-zero multiple of 4096 bytes",
        ),
        (
            broken(|limits| limits, &[(0x1004, 0x1000)]),
            "segment_align_bytes: segment 0 at 0x1004 is not a multiple of 4096 bytes",
        ),
    ];
    for (words, expected) in cases {
        assert_eq!(words, expected);
    }
}

#[test]
fn table_covers_its_buffer_exactly() {
    let limits = DmaLimits::unconstrained();
    let table = table(&[(0x1000, 0x1000), (0x4000, 0x1000)]);
    assert_eq!(limits.check_table(&table, 0x2000), Ok(()));
    for size_bytes in [0x1000, 0x3000] {
        let violation = limits.check_table(&table, size_bytes).unwrap_err();
        assert_eq!((violation.field, violation.place), (Field::Size, Place::Whole));
    }
    let words = limits.check_table(&table, 0x3000).unwrap_err().to_string();
    assert_eq!(
        words,
        "size_bytes: the buffer of 8192 bytes is not exactly 12288 bytes"
    );
    assert!(limits.check_table(&SgTable::new([]), 0x1000).is_err());
}

#[test]
fn base_alignment_concerns_the_first_segment_only() {
    let limits = DmaLimits::builder().base_align_bytes(0x4000).build().unwrap();
    assert_eq!(
        limits.check_table(&table(&[(0x4000, 0x1000), (0x1000, 0x1000)]), 0x2000),
        Ok(())
    );
}

#[test]
fn segments_at_the_end_of_all_addresses_do_not_wrap() {
    let limits = DmaLimits::unconstrained();
    let last = u64::MAX - 0xfff;
    assert_eq!(limits.check_table(&table(&[(last, 0x1000)]), 0x1000), Ok(()));
    let violation = limits.check_table(&table(&[(last, 0x2000)]), 0x2000).unwrap_err();
    assert_eq!(violation.field, Field::Windows);
    let huge = table(&[(0, u64::MAX - 0xfff), (0, u64::MAX - 0xfff)]);
    assert_eq!(huge.total_bytes(), u64::MAX);
    assert!(limits.check_table(&huge, u64::MAX - 0xfff).is_err());
}

#[test]
fn aperture_bounds_tables_as_windows_do() {
    let limits = DmaLimits::builder()
        .translation(iommu(4096, false))
        .build()
        .unwrap();
    assert_eq!(limits.check_table(&table(&[(0xf_f000, 0x1000)]), 0x1000), Ok(()));
    let violation = limits
        .check_table(&table(&[(0xf_f000, 0x2000)]), 0x2000)
        .unwrap_err();
    assert_eq!(violation.field, Field::Windows);
}

#[test]
fn memory_behind_an_iommu_may_be_anywhere() {
    let builder = DmaLimits::builder().address_mask(0xffff).contiguous();
    let limits = builder.translation(iommu(4096, true)).build().unwrap();
    assert_eq!(
        unsuitable(&limits, &[(0x7_0000_0000, 0x1000), (0x9_0000_0000, 0x3000)]),
        None
    );
}

#[test]
fn memory_behind_an_iommu_is_in_whole_pages_of_it() {
    let limits = DmaLimits::builder()
        .translation(iommu(0x4000, true))
        .build()
        .unwrap();
    assert_eq!(unsuitable(&limits, &[(0x8000, 0x4000), (0x2_0000, 0x4000)]), None);
    let page = Some((Field::PageGranule, Place::Run(1)));
    assert_eq!(unsuitable(&limits, &[(0x8000, 0x4000), (0x2_1000, 0x4000)]), page);
    assert_eq!(unsuitable(&limits, &[(0x8000, 0x4000), (0x2_0000, 0x3000)]), page);
}

#[test]
fn aperture_has_to_hold_the_buffer() {
    let limits = DmaLimits::builder()
        .translation(iommu(4096, true))
        .build()
        .unwrap();
    assert_eq!(unsuitable(&limits, &[(0, 0x10_0000)]), None);
    assert_eq!(
        unsuitable(&limits, &[(0, 0x10_1000)]),
        Some((Field::Windows, Place::Whole))
    );
}

#[test]
fn iommu_that_does_not_coalesce_makes_a_segment_of_each_run() {
    let with = |coalesce| {
        let builder = DmaLimits::builder().max_segments(2).length_granule_bytes(0x2000);
        builder.translation(iommu(4096, coalesce)).build().unwrap()
    };
    let three = [(0x2000, 0x2000), (0x6000, 0x2000), (0xa000, 0x2000)];
    assert_eq!(unsuitable(&with(true), &three), None);
    assert_eq!(
        unsuitable(&with(false), &three),
        Some((Field::MaxSegments, Place::Whole))
    );
    let odd = [(0x2000, 0x3000), (0x6000, 0x1000)];
    assert_eq!(unsuitable(&with(true), &odd), None);
    assert_eq!(
        unsuitable(&with(false), &odd),
        Some((Field::LengthGranule, Place::Run(0)))
    );
    assert_eq!(
        unsuitable(&with(true), &[(0x2000, 0x3000)]),
        Some((Field::LengthGranule, Place::Whole))
    );
}

#[test]
fn segments_of_the_longest_length_are_counted_behind_an_iommu_too() {
    let builder = DmaLimits::builder().max_segments(3).max_segment_bytes(0x1000);
    let limits = builder.translation(iommu(4096, true)).build().unwrap();
    assert_eq!(unsuitable(&limits, &[(0, 0x3000)]), None);
    assert_eq!(
        unsuitable(&limits, &[(0, 0x4000)]),
        Some((Field::MaxSegments, Place::Whole))
    );
}

#[test]
fn offset_moves_windows_and_boundaries() {
    let builder = DmaLimits::builder()
        .windows([0xc000_0000..=0xffff_ffff])
        .boundary_mask(0x1fff);
    let limits = builder
        .translation(Translation::Direct {
            offset_bytes: 0xc000_1000,
        })
        .build()
        .unwrap();
    assert_eq!(unsuitable(&limits, &[(0, 0x3fff_f000)]), None);
    assert_eq!(
        unsuitable(&limits, &[(0, 0x4000_0000)]).map(|(field, _)| field),
        Some(Field::Windows)
    );
    let mapped = DirectDma
        .map(&storage(&[(0, 0x4000)]), &limits, DataDirection::ToDevice)
        .unwrap();
    let expected = table(&[
        (0xc000_1000, 0x1000),
        (0xc000_2000, 0x2000),
        (0xc000_4000, 0x1000),
    ]);
    assert_eq!(mapped, expected);
}

#[test]
fn offsets_that_leave_64_bits_reach_nothing_there() {
    let with = |offset_bytes| {
        let translation = Translation::Direct { offset_bytes };
        DmaLimits::builder().translation(translation).build().unwrap()
    };
    let low = Some((Field::Windows, Place::Run(0)));
    assert_eq!(unsuitable(&with(-0x2000), &[(0x1000, 0x1000)]), low);
    assert_eq!(unsuitable(&with(-0x2000), &[(0x2000, 0x1000)]), None);
    assert_eq!(unsuitable(&with(0x1000), &[(u64::MAX - 0x1fff, 0x2000)]), low);
    assert_eq!(unsuitable(&with(0x1000), &[(u64::MAX - 0x1fff, 0x1000)]), None);
}

#[test]
fn direct_addressing_refuses_what_it_cannot_reach() {
    let limits = DmaLimits::builder().address_mask(0xffff).build().unwrap();
    let refusal = DirectDma
        .map(&storage(&[(0x1_0000, 0x1000)]), &limits, DataDirection::ToDevice)
        .unwrap_err();
    assert_eq!(refusal.errno, Errno::EBUSY);
    assert_eq!(
        refusal.reason,
        "windows: segment 0 at 0x10000..=0x10fff is not inside 0x0..=0xffff"
    );
}

#[test]
fn direct_addressing_is_not_for_devices_behind_an_iommu() {
    let limits = DmaLimits::builder()
        .translation(iommu(4096, true))
        .build()
        .unwrap();
    let refusal = DirectDma
        .map(&storage(&[(0x1000, 0x1000)]), &limits, DataDirection::ToDevice)
        .unwrap_err();
    assert_eq!(refusal.errno, Errno::EOPNOTSUPP);
}

#[test]
fn pieces_of_a_table_follow_the_bytes_of_the_buffer() {
    let table = table(&[(0x1000, 0x1000), (0x8000, 0x2000), (0x4000, 0x1000)]);
    let pieces = |range| {
        table
            .pieces(range)
            .map(|piece| (piece.address, piece.length_bytes))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        pieces(0..0x4000),
        [(0x1000, 0x1000), (0x8000, 0x2000), (0x4000, 0x1000)]
    );
    assert_eq!(pieces(0x800..0x1001), [(0x1800, 0x800), (0x8000, 1)]);
    assert_eq!(pieces(0x3fff..0x9000), [(0x4fff, 1)]);
    assert_eq!(pieces(0x1000..0x1000), []);
    assert_eq!(pieces(0x4000..0x5000), []);
}

#[test]
fn what_cannot_be_cut_at_aligned_addresses_does_not_suit_behind_an_iommu_either() {
    let with = |coalesce| {
        let builder = DmaLimits::builder()
            .max_segment_bytes(0x2000)
            .segment_align_bytes(0x4000);
        builder.translation(iommu(4096, coalesce)).build().unwrap()
    };
    let (two, long) = ([(0, 0x2000), (0x8000, 0x1000)], [(0, 0x3000)]);
    assert_eq!(
        unsuitable(&with(true), &two),
        Some((Field::MaxSegmentBytes, Place::Whole))
    );
    assert_eq!(unsuitable(&with(false), &two), None);
    assert_eq!(
        unsuitable(&with(false), &long),
        Some((Field::MaxSegmentBytes, Place::Run(0)))
    );
    let builder = DmaLimits::builder()
        .boundary_mask(0x1fff)
        .segment_align_bytes(0x4000);
    let limits = builder.translation(iommu(4096, true)).build().unwrap();
    assert_eq!(
        unsuitable(&limits, &two),
        Some((Field::BoundaryMask, Place::Whole))
    );
}
