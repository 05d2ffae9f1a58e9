//! Random values for every field of the table.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use wharf_core::constraints::{
    CACHE_MODES, CpuUse, Field, MergeKind, Record, Scope, Size, StrideRule, Value, ValueType,
};
use wharf_core::dma::{Coherency, Translation, Window};

/// Cases for each field.
const CASES: u32 = 96;

/// Runs a check for every field of the table, each with random cases.
pub(crate) fn for_every_field<S: Strategy>(
    cases: impl Fn(Field) -> S,
    check: impl Fn(Field, S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    for field in Field::ALL.iter().copied() {
        let mut runner = TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(CASES)
        });
        let outcome = runner.run(&cases(field), |case| check(field, case));
        outcome.unwrap_or_else(|failure| panic!("{field}: {failure}"));
    }
}

/// Numbers that collide, divide each other, and overflow.
fn number(kind: MergeKind) -> BoxedStrategy<u64> {
    match kind {
        MergeKind::And => (0..=64_u32)
            .prop_map(|bits| u64::MAX.checked_shr(64 - bits).unwrap_or(0))
            .boxed(),
        MergeKind::Lcm => prop_oneof![4 => 1..=24_u64, 1 => u64::MAX - 64..=u64::MAX].boxed(),
        _ => prop_oneof![4 => 0..=24_u64, 1 => Just(u64::MAX), 1 => any::<u64>()].boxed(),
    }
}

fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        Just("cached".into()),
        Just("none".into()),
        "[a-c]",
        Just("\u{e4} \"x\" \\ #".into())
    ]
    .prop_map(|name: String| name.into())
}

fn window() -> impl Strategy<Value = RangeInclusive<u64>> {
    let end = || prop_oneof![4 => 0..=40_u64, 1 => Just(u64::MAX)];
    (end(), end()).prop_map(|(one, other)| one.min(other)..=one.max(other))
}

fn translation() -> impl Strategy<Value = Translation> {
    let direct = prop_oneof![-2..=2_i64, Just(i64::MIN), Just(i64::MAX)];
    prop_oneof![
        direct.prop_map(|offset_bytes| Translation::Direct { offset_bytes }),
        (window(), any::<u64>(), any::<bool>()).prop_map(|(aperture, page_bytes, coalesce)| {
            Translation::Iommu {
                aperture: Window {
                    first: *aperture.start(),
                    last: *aperture.end(),
                },
                page_bytes,
                coalesce,
            }
        }),
    ]
}

fn rule() -> impl Strategy<Value = StrideRule> {
    let number = || prop_oneof![1..=8_u64, any::<u64>()];
    prop_oneof![
        number().prop_map(StrideRule::RoundUp),
        number().prop_map(StrideRule::Fixed)
    ]
}

/// Any value of the type of a field, if it means something or not.
pub(crate) fn value(field: Field) -> BoxedStrategy<Value> {
    let number = number(field.merge_kind());
    match field.value_type() {
        ValueType::Bytes => number.prop_map(Value::Bytes).boxed(),
        ValueType::Segments => number.prop_map(Value::Segments).boxed(),
        ValueType::Mask => number.prop_map(Value::Mask).boxed(),
        ValueType::Address => number.prop_map(Value::Address).boxed(),
        ValueType::Pixels => number.prop_map(Value::Pixels).boxed(),
        ValueType::Rows => number.prop_map(Value::Rows).boxed(),
        ValueType::Buffers => number.prop_map(Value::Buffers).boxed(),
        ValueType::Windows => prop::collection::vec(window(), 1..4)
            .prop_map(|windows| Value::Windows(windows.into_iter().collect()))
            .boxed(),
        ValueType::Translation => translation().prop_map(Value::Translation).boxed(),
        ValueType::Coherency => prop_oneof![Just(Coherency::Snoops), Just(Coherency::NeedsSync)]
            .prop_map(Value::Coherency)
            .boxed(),
        ValueType::CpuUse => prop_oneof![Just(CpuUse::Never), Just(CpuUse::Rarely), Just(CpuUse::Often)]
            .prop_map(Value::CpuUse)
            .boxed(),
        ValueType::Names if field == Field::CacheModes => {
            prop::sample::subsequence(CACHE_MODES.to_vec(), 1..=3)
                .prop_map(|names| Value::Names(names.into_iter().collect()))
                .boxed()
        }
        ValueType::Names => prop::collection::vec(name(), 1..4)
            .prop_map(|names| Value::Names(names.into_iter().collect()))
            .boxed(),
        ValueType::Sizes => prop::collection::vec((1..9_u32, 1..9_u32), 1..4)
            .prop_map(|sizes| {
                let sizes = sizes.into_iter().map(|(width, height)| Size { width, height });
                Value::Sizes(sizes.collect())
            })
            .boxed(),
        ValueType::Rules => prop::collection::vec(rule(), 1..4)
            .prop_map(|rules| Value::Rules(rules.into_iter().collect()))
            .boxed(),
        ValueType::Text => name().prop_map(Value::Text).boxed(),
        ValueType::Needed => Just(Value::Needed).boxed(),
        other => panic!("{other:?} is new"),
    }
}

/// Any record of fields that participants state.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let stated: Vec<Field> = Field::ALL
        .iter()
        .copied()
        .filter(|field| field.scope() != Scope::Derived)
        .collect();
    let statement = prop::sample::select(stated).prop_flat_map(|field| (Just(field), value(field)));
    prop::collection::vec(statement, 0..12).prop_map(|statements| statements.into_iter().collect())
}
