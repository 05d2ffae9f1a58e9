//! Constraints that are impossible by themselves: each is refused, with the fields that are to blame and no others.

use wharf_core::Errno;
use wharf_core::constraints::{
    Constraints, ConstraintsBuilder, CpuUse, Extension, ExtensionKey, Field, FormatKey, ImageConstraints,
    InvalidConstraint, MAX_ENTRIES, MergeKind, Record, Rules, Scope, Size, Sizes, StrideRule, Tiling, Value,
    ValueType,
};
use wharf_core::dma::{Coherency, DmaLimits, LimitsError, Translation, Windows};
use wharf_core::layout::{Fourcc, Modifier};

const GIB: u64 = 1 << 30;

type Statement = (Field, Value);

fn image(fields: &[Statement]) -> ImageConstraints {
    let of = |scope| -> Record {
        let fields = fields.iter().filter(|(field, _)| field.scope() == scope);
        fields.cloned().collect()
    };
    ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
        .image(of(Scope::Image))
        .every_plane(of(Scope::Plane))
}

/// States fields wherever they belong.
fn stating(fields: &[Statement]) -> ConstraintsBuilder {
    let mut builder = Constraints::builder().image(image(fields));
    for (field, value) in fields {
        if !matches!(field.scope(), Scope::Image | Scope::Plane) {
            builder = builder.set(*field, value.clone());
        }
    }
    builder
}

fn refusal(fields: &[Statement]) -> InvalidConstraint {
    let error = stating(fields).build().unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    error
}

/// The fields must be refused together, whatever is stated besides, and with any one of them left out be possible.
fn contradict(fields: &[Statement]) {
    let mut sorted = fields.to_vec();
    sorted.sort();
    let expected = InvalidConstraint::Contradiction {
        statements: sorted.into_boxed_slice(),
    };
    assert_eq!(refusal(fields), expected);
    let beside = [
        (Field::NoBounce, Value::Needed),
        (Field::RowsAlign, Value::Rows(16)),
        bytes(Field::OffsetAlign, 16),
        (Field::Coherency, Value::Coherency(Coherency::Snoops)),
    ];
    assert_eq!(refusal(&[fields, &beside].concat()), expected);
    for left_out in 0..fields.len() {
        let mut rest = fields.to_vec();
        rest.remove(left_out);
        assert_eq!(stating(&rest).build().err(), None, "{rest:?}");
    }
}

fn bytes(field: Field, number: u64) -> Statement {
    (field, Value::Bytes(number))
}

fn pixels(field: Field, number: u64) -> Statement {
    (field, Value::Pixels(number))
}

fn buffers(field: Field, number: u64) -> Statement {
    (field, Value::Buffers(number))
}

fn text(field: Field, text: &str) -> Statement {
    (field, Value::Text(text.into()))
}

fn sizes<const N: usize>(sizes: [(u32, u32); N]) -> Statement {
    let sizes: Sizes = sizes
        .into_iter()
        .map(|(width, height)| Size { width, height })
        .collect();
    (Field::RequiredSizes, Value::Sizes(sizes))
}

fn rules<const N: usize>(rules: [StrideRule; N]) -> Statement {
    (Field::StrideRules, Value::Rules(rules.into_iter().collect()))
}

fn names<const N: usize>(names: [&str; N]) -> Value {
    Value::Names(names.into_iter().collect())
}

/// A value of a type; of the wrong one for most fields.
fn some(value_type: ValueType) -> Value {
    match value_type {
        ValueType::Bytes => Value::Bytes(4096),
        ValueType::Segments => Value::Segments(4),
        ValueType::Mask => Value::Mask(0xffff),
        ValueType::Address => Value::Address(0x1000),
        ValueType::Pixels => Value::Pixels(16),
        ValueType::Rows => Value::Rows(16),
        ValueType::Buffers => Value::Buffers(2),
        ValueType::Windows => Value::Windows([0..=0xffff_ffff].into_iter().collect()),
        ValueType::Translation => Value::Translation(Translation::PHYSICAL),
        ValueType::Coherency => Value::Coherency(Coherency::Snoops),
        ValueType::CpuUse => Value::CpuUse(CpuUse::Rarely),
        ValueType::Names => names(["cached"]),
        ValueType::Sizes => sizes([(64, 64)]).1,
        ValueType::Rules => rules([StrideRule::RoundUp(64)]).1,
        ValueType::Text => Value::Text("joint".into()),
        ValueType::Needed => Value::Needed,
        other => panic!("{other:?} is new"),
    }
}

fn stated() -> impl Iterator<Item = Field> {
    Field::ALL
        .iter()
        .copied()
        .filter(|field| field.scope() != Scope::Derived)
}

#[test]
fn every_field_takes_values_of_its_type_and_no_others() {
    let types: Vec<ValueType> = Field::ALL.iter().map(|field| field.value_type()).collect();
    for field in stated() {
        let good = some(field.value_type());
        assert_eq!(stating(&[(field, good)]).build().err(), None, "{field}");
        for other in types.iter().filter(|other| **other != field.value_type()) {
            let value = some(*other);
            let expected = InvalidConstraint::Type {
                field,
                value: value.clone(),
                need: field.value_type(),
            };
            assert_eq!(refusal(&[(field, value)]), expected);
        }
    }
}

#[test]
fn every_field_stays_where_it_belongs() {
    for field in Field::ALL.iter().copied() {
        let record: Record = [(field, some(field.value_type()))].into_iter().collect();
        let misplaced = |place| Some(InvalidConstraint::Misplaced { field, place });
        let plain = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR);
        let built = |image| Constraints::builder().image(image).build().err();
        if field.scope() != Scope::Image {
            assert_eq!(
                built(plain.clone().image(record.clone())),
                misplaced(Scope::Image)
            );
        }
        if field.scope() != Scope::Plane {
            assert_eq!(
                built(plain.clone().every_plane(record.clone())),
                misplaced(Scope::Plane)
            );
        }
        let of_one_plane = built(plain.planes(vec![record]));
        if matches!(field.scope(), Scope::Plane | Scope::Memory) {
            assert_eq!(of_one_plane, None);
        } else {
            assert_eq!(of_one_plane, misplaced(Scope::Plane));
        }
        if matches!(field.scope(), Scope::Image | Scope::Plane | Scope::Derived) {
            let value = some(field.value_type());
            let directly = Constraints::builder().set(field, value).build().err();
            assert_eq!(directly, misplaced(Scope::Memory));
        }
    }
}

#[test]
fn zero_is_refused_where_nothing_could_be_so_small_or_divide_by_it() {
    let refused: Vec<Field> = stated()
        .filter(|field| field.scope() != Scope::Device)
        .filter(|field| {
            let zero = match field.value_type() {
                ValueType::Bytes => Value::Bytes(0),
                ValueType::Pixels => Value::Pixels(0),
                ValueType::Rows => Value::Rows(0),
                ValueType::Buffers => Value::Buffers(0),
                _ => return false,
            };
            match stating(&[(*field, zero.clone())]).build() {
                Ok(_) => false,
                Err(InvalidConstraint::Value {
                    field: blamed, value, ..
                }) => {
                    assert_eq!((blamed, value), (*field, zero));
                    true
                }
                Err(error) => panic!("{error}"),
            }
        })
        .collect();
    let expected = [
        Field::MinChunk,
        Field::MaxSize,
        Field::SizeAlign,
        Field::MaxWidth,
        Field::WidthAlign,
        Field::MaxHeight,
        Field::HeightAlign,
        Field::MaxPixels,
        Field::RowsAlign,
        Field::MaxStride,
        Field::StrideAlign,
        Field::OffsetAlign,
        Field::PlaneSizeAlign,
        Field::MaxBuffers,
        Field::MaxTotal,
    ];
    assert_eq!(refused, expected);
}

#[test]
fn values_that_mean_nothing_are_refused_with_their_field() {
    let long = "x".repeat(257);
    let many = |count: usize| Value::Names((0..count).map(|number| number.to_string()).collect());
    let cases = [
        bytes(Field::MinChunk, 3 * 4096),
        pixels(Field::MinWidth, 32_769),
        pixels(Field::MinHeight, u64::MAX),
        pixels(Field::WidthAlign, 32_769),
        pixels(Field::HeightAlign, u64::MAX),
        buffers(Field::Camping, 1 << 32),
        buffers(Field::DedicatedSlack, u64::MAX),
        buffers(Field::SharedSlack, 1 << 32),
        buffers(Field::MinBuffers, 1 << 32),
        (Field::Heaps, names([])),
        (Field::Heaps, names([""])),
        (Field::Heaps, many(MAX_ENTRIES + 1)),
        (Field::ColorSpaces, names(["bt\u{1b}709"])),
        (Field::CacheModes, names(["cached", "write-back"])),
        text(Field::Protection, ""),
        text(Field::Alpha, &long),
        text(Field::PlaneMemory, "both"),
        sizes([]),
        sizes([(0, 64)]),
        sizes([(64, 32_769)]),
        rules([]),
        rules([StrideRule::RoundUp(0)]),
        rules([StrideRule::Fixed(0)]),
    ];
    for (field, value) in cases {
        match refusal(&[(field, value.clone())]) {
            InvalidConstraint::Value {
                field: blamed,
                value: refused,
                need,
            } => {
                assert_eq!((blamed, refused), (field, value));
                assert!(!need.is_empty());
            }
            error => panic!("{field}: {error}"),
        }
    }
    assert_eq!(stating(&[(Field::Heaps, many(MAX_ENTRIES))]).build().err(), None);
}

#[test]
fn limits_of_devices_are_checked_whichever_way_they_are_stated() {
    let cases = [
        (Field::MaxSegments, Value::Segments(0)),
        bytes(Field::MaxSegmentBytes, 4095),
        (Field::BoundaryMask, Value::Mask(0x1000)),
        bytes(Field::BaseAlign, 3),
        bytes(Field::SegmentAlign, 0),
        bytes(Field::LengthGranule, 48),
        (
            Field::Windows,
            Value::Windows([0..=0xffe].into_iter().collect::<Windows>()),
        ),
        (
            Field::Translation,
            Value::Translation(Translation::Direct { offset_bytes: 1 }),
        ),
    ];
    for (field, value) in cases {
        let error = refusal(&[(field, value)]);
        assert!(
            matches!(error, InvalidConstraint::Limits(LimitsError::Invalid { .. })),
            "{error}"
        );
        assert_eq!(error.fields(), [field]);
    }
    let both = refusal(&[
        bytes(Field::MaxSegmentBytes, 4096),
        bytes(Field::LengthGranule, 8192),
    ]);
    assert_eq!(both.fields(), [Field::MaxSegmentBytes, Field::LengthGranule]);
}

#[test]
fn single_fields_come_instead_of_those_of_the_limits() {
    let limits = DmaLimits::builder()
        .max_segments(4)
        .base_align_bytes(8192)
        .build()
        .unwrap();
    let built = Constraints::builder()
        .dma(limits)
        .set(Field::MaxSegments, Value::Segments(2))
        .build()
        .unwrap();
    assert_eq!(built.dma().max_segments(), Some(2));
    assert_eq!(built.dma().base_align_bytes(), Some(8192));
}

#[test]
fn bounds_that_leave_nothing_between_them() {
    contradict(&[bytes(Field::MinSize, 2 * GIB), bytes(Field::MaxSize, GIB)]);
    contradict(&[pixels(Field::MinWidth, 101), pixels(Field::MaxWidth, 100)]);
    contradict(&[pixels(Field::MinHeight, 101), pixels(Field::MaxHeight, 100)]);
    contradict(&[bytes(Field::MinStride, 4097), bytes(Field::MaxStride, 4096)]);
    contradict(&[buffers(Field::MinBuffers, 3), buffers(Field::MaxBuffers, 2)]);
}

#[test]
fn alignments_that_go_past_the_upper_bound() {
    contradict(&[bytes(Field::MaxSize, 8191), bytes(Field::SizeAlign, 8192)]);
    contradict(&[pixels(Field::MaxWidth, 63), pixels(Field::WidthAlign, 64)]);
    contradict(&[
        pixels(Field::MinWidth, 65),
        pixels(Field::MaxWidth, 127),
        pixels(Field::WidthAlign, 64),
    ]);
    contradict(&[
        pixels(Field::MinHeight, 20_000),
        pixels(Field::HeightAlign, 19_000),
    ]);
    contradict(&[
        bytes(Field::MinStride, 100),
        bytes(Field::MaxStride, 127),
        bytes(Field::StrideAlign, 64),
    ]);
    assert_eq!(refusal(&[bytes(Field::MaxSize, 4095)]).fields(), [Field::MaxSize]);
}

#[test]
fn numbers_beyond_64_bits_are_contradictions_not_overflows() {
    contradict(&[
        bytes(Field::MinSize, (1 << 63) + 1),
        bytes(Field::SizeAlign, 1 << 63),
    ]);
    contradict(&[
        bytes(Field::StrideAlign, u64::MAX),
        rules([StrideRule::RoundUp(u64::MAX - 1)]),
    ]);
    contradict(&[
        bytes(Field::MinSize, 1 << 62),
        buffers(Field::Camping, 8),
        bytes(Field::MaxTotal, u64::MAX),
    ]);
    let error = refusal(&[bytes(Field::SizeAlign, u64::MAX)]);
    assert_eq!(error.fields(), [Field::SizeAlign]);
    let error = refusal(&[bytes(Field::MinSize, u64::MAX)]);
    assert_eq!(error.fields(), [Field::MinSize]);
}

#[test]
fn pictures_that_are_larger_than_allowed() {
    contradict(&[
        pixels(Field::MinWidth, 100),
        pixels(Field::MinHeight, 100),
        pixels(Field::MaxPixels, 9_999),
    ]);
    contradict(&[pixels(Field::WidthAlign, 128), pixels(Field::MaxPixels, 127)]);
    contradict(&[pixels(Field::MinWidth, 641), sizes([(640, 480)])]);
    contradict(&[pixels(Field::MaxHeight, 1079), sizes([(1920, 1080), (1080, 64)])]);
    contradict(&[
        pixels(Field::MaxHeight, 1080),
        pixels(Field::HeightAlign, 16),
        sizes([(1920, 1080)]),
    ]);
    contradict(&[pixels(Field::MaxPixels, 2_073_599), sizes([(1920, 1080)])]);
    let both_ways = [
        sizes([(1920, 1080), (1080, 1920)]),
        pixels(Field::MaxPixels, 2_073_600),
    ];
    assert_eq!(stating(&both_ways).build().err(), None);
}

#[test]
fn strides_that_contradict_each_other() {
    contradict(&[bytes(Field::StrideAlign, 64), rules([StrideRule::Fixed(2000)])]);
    contradict(&[bytes(Field::MinStride, 2049), rules([StrideRule::Fixed(2048)])]);
    contradict(&[bytes(Field::MaxStride, 2047), rules([StrideRule::Fixed(2048)])]);
    contradict(&[bytes(Field::MaxStride, 255), rules([StrideRule::RoundUp(256)])]);
    for alone in [
        rules([StrideRule::Fixed(2048), StrideRule::Fixed(4096)]),
        rules([StrideRule::Fixed(2048), StrideRule::RoundUp(4096)]),
    ] {
        assert_eq!(refusal(&[alone]).fields(), [Field::StrideRules]);
    }
}

#[test]
fn rows_that_are_longer_than_their_stride() {
    contradict(&[pixels(Field::MinWidth, 1921), bytes(Field::MaxStride, 1920)]);
    contradict(&[sizes([(1921, 2)]), rules([StrideRule::Fixed(1920)])]);
    let wide = Record::new().with(
        wharf_core::constraints::key::MIN_WIDTH,
        wharf_core::constraints::Pixels(1001),
    );
    let short: Record = [bytes(Field::MaxStride, 4000)].into_iter().collect();
    let of = |fourcc| {
        ImageConstraints::new(fourcc, Modifier::LINEAR)
            .image(wide.clone())
            .every_plane(short.clone())
    };
    let error = Constraints::builder()
        .image(of(Fourcc::XRGB8888))
        .build()
        .unwrap_err();
    assert_eq!(error.fields(), [Field::MinWidth, Field::MaxStride]);
    assert!(Constraints::builder().image(of(Fourcc::R8)).build().is_ok());
    let tiled = ImageConstraints {
        key: FormatKey {
            fourcc: Some(Fourcc::XRGB8888),
            tiling: None,
        },
        ..of(Fourcc::R8)
    };
    assert!(Constraints::builder().image(tiled).build().is_ok());
}

#[test]
fn one_plane_contradicts_what_is_said_of_all() {
    let all: Record = [bytes(Field::MinStride, 4096)].into_iter().collect();
    let one: Record = [bytes(Field::MaxStride, 4095)].into_iter().collect();
    let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
        .every_plane(all)
        .planes(vec![Record::new(), one]);
    let error = Constraints::builder().image(image).build().unwrap_err();
    assert_eq!(error.fields(), [Field::MinStride, Field::MaxStride]);
}

#[test]
fn planes_in_one_memory_have_no_needs_of_memory_of_their_own() {
    let bank: Record = [(Field::Heaps, names(["bank1"]))].into_iter().collect();
    let placed = |place: &str| {
        let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
            .image([text(Field::PlaneMemory, place)].into_iter().collect())
            .planes(vec![Record::new(), bank.clone()]);
        Constraints::builder().image(image).build()
    };
    assert!(placed("separate").is_ok());
    assert_eq!(
        placed("joint").unwrap_err().fields(),
        [Field::Heaps, Field::PlaneMemory]
    );
}

#[test]
fn protected_memory_is_not_for_the_cpu() {
    for cpu_use in [CpuUse::Rarely, CpuUse::Often] {
        contradict(&[
            text(Field::Protection, "secure"),
            (Field::CpuAccess, Value::CpuUse(cpu_use)),
        ]);
    }
    let open = [
        text(Field::Protection, "none"),
        (Field::CpuAccess, Value::CpuUse(CpuUse::Often)),
    ];
    assert_eq!(stating(&open).build().err(), None);
    let never = [
        text(Field::Protection, "secure"),
        (Field::CpuAccess, Value::CpuUse(CpuUse::Never)),
    ];
    assert_eq!(stating(&never).build().err(), None);
}

#[test]
fn buffers_that_the_device_cannot_hold() {
    let window = |first, last| {
        (
            Field::Windows,
            Value::Windows([first..=last].into_iter().collect()),
        )
    };
    contradict(&[window(0, 0xffff), bytes(Field::MinSize, 0x1_0001)]);
    contradict(&[
        (Field::MaxSegments, Value::Segments(4)),
        bytes(Field::MaxSegmentBytes, 4096),
        bytes(Field::MinSize, 4 * 4096 + 1),
    ]);
    contradict(&[
        bytes(Field::LengthGranule, 0x1_0000),
        bytes(Field::MaxSize, 0xffff),
    ]);
    let gap = [0..=0xffff, 0x2_0000..=0x2_ffff].into_iter().collect::<Windows>();
    contradict(&[
        (Field::Windows, Value::Windows(gap)),
        (Field::Contiguous, Value::Needed),
        bytes(Field::MinSize, 0x1_8000),
    ]);
}

#[test]
fn more_buffers_than_allowed() {
    contradict(&[
        buffers(Field::Camping, 2),
        buffers(Field::DedicatedSlack, 1),
        buffers(Field::SharedSlack, 1),
        buffers(Field::MaxBuffers, 3),
    ]);
    contradict(&[bytes(Field::MinSize, 4097), bytes(Field::MaxTotal, 8191)]);
    contradict(&[
        buffers(Field::MinBuffers, 3),
        bytes(Field::MaxTotal, 3 * 4096 - 1),
    ]);
}

fn key(fourcc: Option<Fourcc>, tiling: Option<Tiling>) -> FormatKey {
    FormatKey { fourcc, tiling }
}

#[test]
fn formats_that_could_mean_the_same() {
    let linear = Some(Tiling::Explicit(Modifier::LINEAR));
    let tiled = Some(Tiling::Explicit(Modifier::from_raw(1)));
    let implicit = |driver: &str| Some(Tiling::Implicit(driver.into()));
    let nv12 = Some(Fourcc::NV12);
    let pair = |one: FormatKey, other: FormatKey| {
        let built = Constraints::builder()
            .image(ImageConstraints::of(one))
            .image(ImageConstraints::of(other))
            .build();
        built.map(|_| ())
    };
    for (one, other) in [
        (key(nv12, linear.clone()), key(nv12, linear.clone())),
        (key(nv12, None), key(nv12, linear.clone())),
        (key(None, linear.clone()), key(nv12, None)),
        (key(None, None), key(Some(Fourcc::R8), tiled.clone())),
        (key(nv12, implicit("a")), key(None, implicit("a"))),
    ] {
        let expected = Err(InvalidConstraint::Formats {
            one: one.clone(),
            other: other.clone(),
        });
        assert_eq!(pair(one, other), expected);
    }
    for (one, other) in [
        (key(nv12, linear.clone()), key(nv12, tiled)),
        (key(nv12, None), key(Some(Fourcc::R8), None)),
        (key(nv12, implicit("a")), key(nv12, implicit("b"))),
        (key(nv12, implicit("a")), key(nv12, linear)),
    ] {
        assert_eq!(pair(one, other), Ok(()));
    }
    let unnamed = Constraints::builder()
        .image(ImageConstraints::of(key(nv12, implicit(""))))
        .build();
    assert!(matches!(unnamed, Err(InvalidConstraint::Name { .. })));
}

// Mirrors sysmem_tests_v2.cc TooManyFormats.
#[test]
fn more_formats_than_64_are_too_many() {
    let listing = |count: u64| {
        let mut builder = Constraints::builder();
        for number in 0..count {
            builder = builder.image(ImageConstraints::new(Fourcc::NV12, Modifier::from_raw(number)));
        }
        builder.build().map(|_| ())
    };
    assert_eq!(listing(64), Ok(()));
    let expected = InvalidConstraint::TooMany {
        what: "formats",
        count: 65,
        most: 64,
    };
    assert_eq!(listing(65), Err(expected));
}

#[test]
fn more_planes_or_windows_than_there_are_are_too_many() {
    let planes = |tiling, count| {
        let image = ImageConstraints::of(key(Some(Fourcc::NV12), tiling)).planes(vec![Record::new(); count]);
        Constraints::builder().image(image).build().map(|_| ())
    };
    let linear = Some(Tiling::Explicit(Modifier::LINEAR));
    let too_many = |what, count, most| Err(InvalidConstraint::TooMany { what, count, most });
    assert_eq!(planes(linear.clone(), 2), Ok(()));
    assert_eq!(planes(linear, 3), too_many("planes", 3, 2));
    assert_eq!(planes(None, 4), Ok(()));
    assert_eq!(planes(None, 5), too_many("planes", 5, 4));
    let windows: Windows = (0..65_u64)
        .map(|number| number << 20..=(number << 20) + 0xfff)
        .collect();
    let stated = Constraints::builder()
        .set(Field::Windows, Value::Windows(windows))
        .build();
    assert_eq!(stated.map(|_| ()), too_many("windows", 65, 64));
}

#[test]
fn extensions_have_values_that_their_kind_can_merge() {
    let stated = |kind, value| {
        let key = ExtensionKey {
            vendor: "example.org".into(),
            name: "banks".into(),
        };
        let extension = Extension {
            key,
            kind,
            must_understand: false,
            value,
        };
        Constraints::builder().extension(extension).build().map(|_| ())
    };
    let kinds = [
        (MergeKind::Min, Value::Bytes(1)),
        (MergeKind::Max, Value::Rows(0)),
        (MergeKind::Lcm, Value::Bytes(48)),
        (MergeKind::And, Value::Bytes(0xfff)),
        (MergeKind::Sum, Value::Buffers(2)),
        (MergeKind::Intersection, names(["a"])),
        (MergeKind::Union, names(["a"])),
        (MergeKind::Or, Value::Needed),
        (MergeKind::Equal, Value::Text("a".into())),
        (MergeKind::Rules, rules([StrideRule::RoundUp(4)]).1),
    ];
    for (kind, value) in &kinds {
        assert_eq!(stated(*kind, value.clone()), Ok(()));
    }
    let bad = [
        (MergeKind::Min, Value::Needed),
        (MergeKind::Max, names(["a"])),
        (MergeKind::Lcm, Value::Bytes(0)),
        (MergeKind::And, Value::Bytes(0x1000)),
        (MergeKind::Sum, Value::CpuUse(CpuUse::Often)),
        (MergeKind::Intersection, names([])),
        (MergeKind::Intersection, Value::Bytes(1)),
        (MergeKind::Union, Value::Text("a".into())),
        (MergeKind::Or, Value::Bytes(1)),
        (MergeKind::Equal, Value::Text("".into())),
        (MergeKind::Rules, Value::Rules(Rules::default())),
    ];
    for (kind, value) in bad {
        let refused = stated(kind, value.clone()).unwrap_err();
        assert!(
            matches!(&refused, InvalidConstraint::Extension { kind: of, value: what, .. } if *of == kind && *what == value),
            "{refused}"
        );
    }
}

#[test]
fn extensions_are_named_and_stated_once() {
    let extension = |vendor: &str, name: &str| Extension {
        key: ExtensionKey {
            vendor: vendor.into(),
            name: name.into(),
        },
        kind: MergeKind::Or,
        must_understand: true,
        value: Value::Needed,
    };
    let stated = |extensions: Vec<Extension>| {
        let builder = extensions
            .into_iter()
            .fold(Constraints::builder(), ConstraintsBuilder::extension);
        builder.build().map(|_| ())
    };
    assert_eq!(
        stated(vec![
            extension("a", "x"),
            extension("b", "x"),
            extension("a", "y")
        ]),
        Ok(())
    );
    let twice = stated(vec![extension("a", "x"), extension("a", "x")]);
    assert!(matches!(twice, Err(InvalidConstraint::StatedTwice { .. })));
    for nameless in [extension("", "x"), extension("a", ""), extension("a", "\n")] {
        assert!(matches!(
            stated(vec![nameless]),
            Err(InvalidConstraint::Name { .. })
        ));
    }
    let many = (0..65)
        .map(|number| extension("a", &number.to_string()))
        .collect();
    assert!(matches!(
        stated(many),
        Err(InvalidConstraint::TooMany { count: 65, .. })
    ));
}

#[test]
fn refusals_are_one_line_that_names_the_fields() {
    let error = refusal(&[
        bytes(Field::MinStride, 100),
        bytes(Field::MaxStride, 127),
        bytes(Field::StrideAlign, 64),
    ]);
    assert_eq!(
        error.to_string(),
        "min_stride_bytes of 100 bytes and max_stride_bytes of 127 bytes and stride_align_bytes of 64 bytes cannot be had together"
    );
    let error = refusal(&[(Field::Zeroed, Value::Bytes(1))]);
    assert_eq!(error.to_string(), "zeroed of 1 byte; use needed, or nothing");
}
