//! What single fields refuse: wrong types, wrong places, numbers and words that mean nothing.

use wharf_core::constraints::{
    Constraints, Field, ImageConstraints, InvalidConstraint, MAX_ENTRIES, Record, Scope, StrideRule, Value,
    ValueType,
};
use wharf_core::dma::{DmaLimits, LimitsError, Translation, Windows};
use wharf_core::layout::{Fourcc, Modifier};

use super::{buffers, bytes, names, pixels, refusal, rules, sizes, some, stated, stating, text};

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
