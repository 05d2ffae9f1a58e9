//! The laws of merging, for every field of the table.

use proptest::prelude::*;
use wharf_core::constraints::{
    Extension, ExtensionKey, Field, MergeKind, Record, StrideRule, Value, ValueType, merge,
};

use crate::random::{for_every_field, record, value};

fn three(field: Field) -> impl Strategy<Value = [Value; 3]> {
    [value(field), value(field), value(field)]
}

#[test]
fn order_does_not_matter() {
    for_every_field(three, |field, [one, other, _]| {
        prop_assert_eq!(merge(field, &one, &other).ok(), merge(field, &other, &one).ok());
        Ok(())
    });
}

#[test]
fn grouping_does_not_matter() {
    for_every_field(three, |field, [a, b, c]| {
        let left = merge(field, &a, &b).and_then(|both| merge(field, &both, &c));
        let right = merge(field, &b, &c).and_then(|both| merge(field, &a, &both));
        prop_assert_eq!(left.ok(), right.ok());
        Ok(())
    });
}

#[test]
fn saying_it_twice_changes_nothing_but_sums() {
    for_every_field(value, |field, value| {
        let twice = merge(field, &value, &value).ok();
        if field.merge_kind() == MergeKind::Sum {
            let Value::Buffers(number) = value else {
                return Err(TestCaseError::fail("only buffers are added up"));
            };
            prop_assert_eq!(twice, number.checked_mul(2).map(Value::Buffers));
        } else {
            prop_assert_eq!(twice, Some(value));
        }
        Ok(())
    });
}

#[test]
fn identity_is_neutral() {
    let neutral = |kind| !matches!(kind, MergeKind::Or | MergeKind::Equal);
    for_every_field(value, |field, value| {
        match field.identity() {
            Some(identity) => {
                prop_assert_eq!(identity.value_type(), field.value_type());
                prop_assert_eq!(merge(field, &identity, &value).ok(), Some(value.clone()));
                prop_assert_eq!(merge(field, &value, &identity).ok(), Some(value));
            }
            None => {
                let names = field.value_type() == ValueType::Names;
                prop_assert!(names || !neutral(field.merge_kind()));
            }
        }
        Ok(())
    });
}

/// Whether something that is `have` keeps what is stated; said once more, without merging.
fn keeps(kind: MergeKind, have: u64, stated: &Value) -> Option<bool> {
    let number = match stated {
        Value::Bytes(number)
        | Value::Segments(number)
        | Value::Pixels(number)
        | Value::Rows(number)
        | Value::Buffers(number) => *number,
        Value::Mask(mask) => return Some(have <= *mask),
        Value::Windows(windows) => return Some(windows.contains(have, 1)),
        Value::Names(names) if kind == MergeKind::Intersection => {
            return Some(names.contains(["cached", "none", "a", "b"][(have % 4) as usize]));
        }
        Value::Rules(rules) => {
            let keeps_rule = |rule| match rule {
                StrideRule::RoundUp(align) => have.is_multiple_of(align.max(1)),
                StrideRule::Fixed(number) => have == number,
            };
            return Some(rules.iter().all(keeps_rule));
        }
        _ => return None,
    };
    match kind {
        MergeKind::Min => Some(have <= number),
        MergeKind::Max => Some(have >= number),
        MergeKind::Lcm => Some(have.is_multiple_of(number)),
        MergeKind::Equal => Some(have == number),
        _ => None,
    }
}

#[test]
fn what_keeps_the_merged_value_keeps_both_and_the_reverse() {
    let cases = |field| (three(field), prop_oneof![0..=600_u64, any::<u64>()]);
    for_every_field(cases, |field, ([one, other, _], have)| {
        let kind = field.merge_kind();
        let (Some(first), Some(second)) = (keeps(kind, have, &one), keeps(kind, have, &other)) else {
            return Ok(());
        };
        // Zero is a multiple of what is beyond 64 bits, too.
        prop_assume!(have > 0 || kind != MergeKind::Lcm);
        let both = merge(field, &one, &other).ok();
        let merged = both.is_some_and(|both| keeps(kind, have, &both) == Some(true));
        prop_assert_eq!(merged, first && second);
        Ok(())
    });
}

#[test]
fn values_of_different_types_do_not_merge() {
    for_every_field(value, |field, one| {
        for other in Field::ALL.iter().filter_map(|other| other.identity()) {
            if other.value_type() != one.value_type() {
                let failure = merge(field, &one, &other).unwrap_err();
                prop_assert!(!failure.overflow && failure.field == field);
            }
        }
        Ok(())
    });
}

#[test]
fn numbers_beyond_64_bits_are_errors_with_the_name_of_the_field() {
    let mut fields = 0;
    for field in Field::ALL.iter().copied() {
        let (one, other) = match field.merge_kind() {
            MergeKind::Lcm => (u64::MAX, u64::MAX - 1),
            MergeKind::Sum => (u64::MAX, 1),
            _ => continue,
        };
        let of = |number| match field.value_type() {
            ValueType::Bytes => Value::Bytes(number),
            ValueType::Pixels => Value::Pixels(number),
            ValueType::Rows => Value::Rows(number),
            ValueType::Buffers => Value::Buffers(number),
            other => panic!("{other:?} does not overflow"),
        };
        let failure = merge(field, &of(one), &of(other)).unwrap_err();
        assert_eq!((failure.field, failure.overflow), (field, true));
        assert!(failure.to_string().starts_with(field.name()), "{failure}");
        assert!(failure.to_string().contains("beyond 64 bits"), "{failure}");
        fields += 1;
    }
    assert_eq!(fields, 9);
}

/// Without sums, which count.
fn without_sums(record: &Record) -> Record {
    let fields = record
        .iter()
        .filter(|(field, _)| field.merge_kind() != MergeKind::Sum);
    fields.map(|(field, value)| (field, value.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn records_keep_the_laws(a in record(), b in record(), c in record()) {
        let ab = a.merged(&b).ok();
        prop_assert_eq!(&ab, &b.merged(&a).ok());
        let left = ab.as_ref().and_then(|ab| ab.merged(&c).ok());
        let right = b.merged(&c).ok().and_then(|bc| a.merged(&bc).ok());
        prop_assert_eq!(left, right);
        prop_assert_eq!(a.merged(&Record::new()).ok(), Some(a.clone()));
        prop_assert_eq!(Record::new().merged(&a).ok(), Some(a.clone()));
        let once = without_sums(&a);
        prop_assert_eq!(once.merged(&once).ok(), Some(once.clone()));
    }

    #[test]
    fn records_merge_field_by_field(a in record(), b in record()) {
        match a.merged(&b) {
            Ok(both) => {
                for field in Field::ALL.iter().copied() {
                    let expected = match (a.get(field), b.get(field)) {
                        (Some(one), Some(other)) => merge(field, one, other).ok(),
                        (one, other) => one.or(other).cloned(),
                    };
                    prop_assert_eq!(both.get(field), expected.as_ref());
                }
            }
            Err(failure) => {
                let (one, other) = (a.get(failure.field).unwrap(), b.get(failure.field).unwrap());
                prop_assert_eq!(merge(failure.field, one, other), Err(failure));
            }
        }
    }
}

fn banks(kind: MergeKind, must_understand: bool, value: Value) -> Extension {
    Extension {
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "banks".into(),
        },
        kind,
        must_understand,
        value,
    }
}

#[test]
fn extensions_merge_by_the_kind_they_bring_along() {
    for_every_field(three, |field, [a, b, c]| {
        let kind = field.merge_kind();
        let of = |value: &Value| banks(kind, false, value.clone());
        let merged = of(&a).merged(&of(&b)).ok().map(|both| both.value);
        prop_assert_eq!(merged, merge(field, &a, &b).ok());
        let left = of(&a).merged(&of(&b)).and_then(|both| both.merged(&of(&c)));
        let right = of(&b).merged(&of(&c)).and_then(|both| of(&a).merged(&both));
        prop_assert_eq!(left.ok(), right.ok());
        Ok(())
    });
}

#[test]
fn extension_has_to_be_understood_as_soon_as_one_says_so() {
    let of = |must_understand| banks(MergeKind::Max, must_understand, Value::Bytes(1));
    for (one, other) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(of(one).merged(&of(other)).unwrap().must_understand, one || other);
    }
}

#[test]
fn extensions_of_different_kinds_or_keys_do_not_merge() {
    let max = banks(MergeKind::Max, false, Value::Bytes(1));
    let min = banks(MergeKind::Min, false, Value::Bytes(1));
    assert_eq!(max.merged(&min).unwrap_err().field, Field::Extension);
    let mut other = max.clone();
    other.key.name = "rows".into();
    assert!(max.merged(&other).is_err());
}
