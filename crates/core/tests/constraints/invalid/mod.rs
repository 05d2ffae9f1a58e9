//! Constraints that are impossible by themselves: each is refused, with the fields that are to blame and no others.

mod contradictions;
mod fields;
mod lists;

use wharf_core::Errno;
use wharf_core::constraints::{
    Constraints, ConstraintsBuilder, CpuUse, Field, ImageConstraints, InvalidConstraint, Record, Scope, Size,
    Sizes, StrideRule, Value, ValueType,
};
use wharf_core::dma::{Coherency, Translation};
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
