use wharf_core::Errno;
use wharf_core::dma::{
    Coherency, DmaLimits, DmaLimitsBuilder, Field, LimitsError, MergeKind, Translation, Unit, Value, Window,
};

const FIELDS: [Field; 13] = [
    Field::Windows,
    Field::Translation,
    Field::MaxSegments,
    Field::MaxSegmentBytes,
    Field::BoundaryMask,
    Field::BaseAlign,
    Field::SegmentAlign,
    Field::LengthGranule,
    Field::PageGranule,
    Field::Contiguous,
    Field::MinChunk,
    Field::Coherency,
    Field::Size,
];

fn build(set: impl FnOnce(DmaLimitsBuilder) -> DmaLimitsBuilder) -> Result<DmaLimits, LimitsError> {
    set(DmaLimits::builder()).build()
}

fn iommu(first: u64, last: u64, page_bytes: u64) -> Translation {
    Translation::Iommu {
        aperture: Window { first, last },
        page_bytes,
        coalesce: true,
    }
}

fn direct(offset_bytes: i64) -> Translation {
    Translation::Direct { offset_bytes }
}

/// The field blamed, or none.
fn blamed(set: impl FnOnce(DmaLimitsBuilder) -> DmaLimitsBuilder) -> Option<Field> {
    build(set).err().map(|error| {
        assert_eq!(error.errno(), Errno::EINVAL);
        error.field()
    })
}

#[test]
fn every_field_has_its_own_name() {
    for (number, field) in FIELDS.iter().enumerate() {
        assert!(
            FIELDS[..number].iter().all(|other| other.name() != field.name()),
            "{field}"
        );
        assert_eq!(field.to_string(), field.name());
        assert_eq!(
            field.unit() == Unit::Bytes,
            field.name().ends_with("_bytes"),
            "{field}"
        );
    }
    assert_eq!(Field::Contiguous.merge_kind(), MergeKind::Or);
}

#[test]
fn what_is_set_is_what_comes_back() {
    let limits = build(|limits| {
        limits
            .windows([0x1000..=0xffff, 0x10_0000..=0xffff_ffff])
            .translation(direct(0x1000_0000))
            .max_segments(7)
            .max_segment_bytes(65535)
            .boundary_mask(0xffff_ffff)
            .base_align_bytes(0x4000)
            .segment_align_bytes(0x2000)
            .length_granule_bytes(64)
            .contiguous()
            .coherency(Coherency::NeedsSync)
    })
    .unwrap();
    let windows = limits.windows().unwrap().as_slice();
    assert_eq!(
        windows,
        [
            Window {
                first: 0x1000,
                last: 0xffff
            },
            Window {
                first: 0x10_0000,
                last: 0xffff_ffff
            }
        ]
    );
    assert_eq!(limits.translation(), Some(direct(0x1000_0000)));
    assert_eq!(limits.max_segments(), Some(7));
    assert_eq!(limits.max_segment_bytes(), Some(65535));
    assert_eq!(limits.boundary_mask(), Some(0xffff_ffff));
    assert_eq!(limits.base_align_bytes(), Some(0x4000));
    assert_eq!(limits.segment_align_bytes(), Some(0x2000));
    assert_eq!(limits.length_granule_bytes(), Some(64));
    assert!(limits.is_contiguous());
    assert_eq!(limits.coherency(), Some(Coherency::NeedsSync));
    assert_eq!(limits.fields().count(), 10);
}

#[test]
fn nothing_is_set_unless_said() {
    let limits = DmaLimits::unconstrained();
    assert_eq!(limits.fields().count(), 0);
    assert_eq!(
        (limits.windows(), limits.translation(), limits.coherency()),
        (None, None, None)
    );
    assert!(!limits.is_contiguous());
}

#[test]
fn kernel_default_is_what_its_parts_build() {
    let built = build(|limits| {
        limits
            .address_mask(0xffff_ffff)
            .max_segment_bytes(0x1_0000)
            .boundary_mask(0xffff_ffff)
    });
    assert_eq!(built.unwrap(), DmaLimits::kernel_default());
}

#[test]
fn windows_are_rounded_to_the_pages_inside() {
    let limits = build(|limits| limits.windows([0x800..=0x3400])).unwrap();
    assert_eq!(
        limits.windows().unwrap().as_slice(),
        [Window {
            first: 0x1000,
            last: 0x2fff
        }]
    );
}

#[test]
fn values_that_mean_nothing_are_refused() {
    assert_eq!(blamed(|limits| limits.windows([])), Some(Field::Windows));
    assert_eq!(
        blamed(|limits| limits.windows([0x800..=0x1800])),
        Some(Field::Windows)
    );
    assert_eq!(blamed(|limits| limits.address_mask(0xffe)), Some(Field::Windows));
    assert_eq!(blamed(|limits| limits.max_segments(0)), Some(Field::MaxSegments));
    assert_eq!(
        blamed(|limits| limits.max_segment_bytes(4095)),
        Some(Field::MaxSegmentBytes)
    );
    for mask in [0, 0x7ff, 0x1000, 0xffff_fffe] {
        assert_eq!(
            blamed(|limits| limits.boundary_mask(mask)),
            Some(Field::BoundaryMask),
            "{mask:#x}"
        );
    }
    for bytes in [0, 3, 12288] {
        assert_eq!(
            blamed(|limits| limits.base_align_bytes(bytes)),
            Some(Field::BaseAlign)
        );
        assert_eq!(
            blamed(|limits| limits.segment_align_bytes(bytes)),
            Some(Field::SegmentAlign)
        );
        assert_eq!(
            blamed(|limits| limits.length_granule_bytes(bytes)),
            Some(Field::LengthGranule)
        );
    }
    for translation in [
        direct(1),
        direct(-2048),
        iommu(0, 0xffff, 2048),
        iommu(0, 0xffff, 12288),
        iommu(0, 0xffe, 4096),
    ] {
        assert_eq!(
            blamed(|limits| limits.translation(translation)),
            Some(Field::Translation),
            "{translation}"
        );
    }
    let backwards = iommu(0x10000, 0, 4096);
    assert_eq!(
        blamed(|limits| limits.translation(backwards)),
        Some(Field::Translation)
    );
}

#[test]
fn smallest_and_largest_values_are_accepted() {
    assert_eq!(blamed(|limits| limits.address_mask(0xfff)), None);
    assert_eq!(blamed(|limits| limits.address_mask(u64::MAX)), None);
    assert_eq!(
        blamed(|limits| limits.max_segment_bytes(4096).max_segments(1)),
        None
    );
    assert_eq!(blamed(|limits| limits.boundary_mask(0xfff)), None);
    assert_eq!(blamed(|limits| limits.boundary_mask(u64::MAX)), None);
    assert_eq!(
        blamed(|limits| limits
            .base_align_bytes(1)
            .segment_align_bytes(1)
            .length_granule_bytes(1)),
        None
    );
    assert_eq!(blamed(|limits| limits.base_align_bytes(1 << 63)), None);
    assert_eq!(blamed(|limits| limits.translation(direct(i64::MIN))), None);
    assert_eq!(
        blamed(|limits| limits.translation(iommu(0, u64::MAX, 4096))),
        None
    );
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    let cases: [(&str, Option<Field>); 9] = [
        (
            "granule above segment",
            blamed(|limits| limits.max_segment_bytes(8191).length_granule_bytes(8192)),
        ),
        (
            "granule above boundary",
            blamed(|limits| limits.boundary_mask(0xfff).length_granule_bytes(8192)),
        ),
        (
            "window below the bus",
            blamed(|limits| limits.address_mask(0xffff).translation(direct(0x1_0000))),
        ),
        (
            "window outside the aperture",
            blamed(|limits| {
                limits
                    .address_mask(0xffff)
                    .translation(iommu(0x1_0000, 0x2_0000, 4096))
            }),
        ),
        (
            "window without an aligned base",
            blamed(|limits| limits.windows([0x1000..=0x7fff]).base_align_bytes(0x8000)),
        ),
        (
            "window without an aligned segment",
            blamed(|limits| limits.windows([0x1000..=0x7fff]).segment_align_bytes(0x8000)),
        ),
        (
            "window shorter than the granule",
            blamed(|limits| limits.windows([0..=0x3fff]).length_granule_bytes(0x8000)),
        ),
        (
            "offset off the alignment",
            blamed(|limits| limits.translation(direct(0x1000)).base_align_bytes(0x2000)),
        ),
        (
            "offset off the granule",
            blamed(|limits| limits.translation(direct(0x1000)).length_granule_bytes(0x2000)),
        ),
    ];
    let expected = [
        Field::MaxSegmentBytes,
        Field::BoundaryMask,
        Field::Windows,
        Field::Windows,
        Field::Windows,
        Field::Windows,
        Field::Windows,
        Field::Translation,
        Field::Translation,
    ];
    for ((what, blamed), expected) in cases.into_iter().zip(expected) {
        assert_eq!(blamed, Some(expected), "{what}");
    }
}

#[test]
fn errors_say_field_value_and_what_to_use() {
    let error = build(|limits| limits.max_segments(0)).unwrap_err();
    assert_eq!(error.to_string(), "max_segments of 0 segments; use at least 1");
    let error = build(|limits| limits.boundary_mask(0x1000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "boundary_mask of 0x1000; use 2^k - 1 of at least 0xfff"
    );
    let error = build(|limits| limits.max_segment_bytes(4096).length_granule_bytes(8192)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_segment_bytes of 4096 bytes leaves nothing to length_granule_bytes of 8192 bytes; a segment has to be at \
         least as long as its unit"
    );
}

#[test]
fn values_read_well() {
    let values = [
        (Value::Bytes(1), "1 byte"),
        (Value::Bytes(4096), "4096 bytes"),
        (Value::Segments(1), "1 segment"),
        (Value::Segments(4), "4 segments"),
        (Value::Mask(0xffff_ffff), "0xffffffff"),
        (Value::Address(0x1000), "0x1000"),
        (Value::Windows([0..=0xfff].into_iter().collect()), "0x0..=0xfff"),
        (Value::Translation(direct(-0x1000)), "directly at -0x1000"),
        (
            Value::Translation(iommu(0, 0xfff, 4096)),
            "by an IOMMU with 4096-byte pages at 0x0..=0xfff, coalescing",
        ),
        (Value::Coherency(Coherency::Snoops), "snooping"),
        (Value::Coherency(Coherency::NeedsSync), "sync at every hand-over"),
        (Value::Needed, "needed"),
    ];
    for (value, words) in values {
        assert_eq!(value.to_string(), words);
    }
}
