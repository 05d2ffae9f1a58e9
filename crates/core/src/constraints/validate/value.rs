//! Values that mean nothing by themselves.

use super::super::{
    CACHE_MODES, Field, InvalidConstraint, MAX_ENTRIES, MergeKind, Names, Rules, Scope, Sizes, StrideRule,
    Value,
};
use crate::layout::MAX_SIDE_PIXELS;
use crate::text::is_name;

/// Checks the value of a field of memory, set, image or plane; its type is right. Those of devices are checked with their limits.
pub(super) fn check_value(field: Field, value: &Value) -> Result<(), InvalidConstraint> {
    let checked = match value {
        Value::Names(names) => check_names(field, names),
        Value::Sizes(sizes) => check_sizes(sizes),
        Value::Rules(rules) => check_rules(rules),
        Value::Text(text) => check_text(field, text),
        value => value
            .number()
            .map_or(Ok(()), |number| check_number(field, number)),
    };
    checked.map_err(|need| InvalidConstraint::Value {
        field,
        value: value.clone(),
        need,
    })
}

fn check_number(field: Field, number: u64) -> Result<(), &'static str> {
    let most_sides = u64::from(MAX_SIDE_PIXELS);
    match field {
        Field::MinChunk => needed(number.is_power_of_two(), "a power of two"),
        Field::MinWidth | Field::MinHeight => needed(number <= most_sides, "at most 32768"),
        Field::WidthAlign | Field::HeightAlign => {
            needed((1..=most_sides).contains(&number), "from 1 to 32768")
        }
        Field::Camping | Field::DedicatedSlack | Field::SharedSlack | Field::MinBuffers => {
            needed(u32::try_from(number).is_ok(), "at most 4294967295")
        }
        _ if upper_bound_or_divisor(field) => needed(number > 0, "at least 1"),
        _ => Ok(()),
    }
}

/// Nothing is at most 0, and nothing is a multiple of 0.
fn upper_bound_or_divisor(field: Field) -> bool {
    matches!(field.merge_kind(), MergeKind::Min | MergeKind::Lcm) && field.scope() != Scope::Device
}

fn check_names(field: Field, names: &Names) -> Result<(), &'static str> {
    needed((1..=MAX_ENTRIES).contains(&names.len()), "1 to 64 names")?;
    needed(
        names.iter().all(is_name),
        "names of 1 to 256 bytes without control characters",
    )?;
    let known = field != Field::CacheModes || names.iter().all(|mode| CACHE_MODES.contains(&mode));
    needed(known, "cached, write_combined and uncached")
}

fn check_text(field: Field, text: &str) -> Result<(), &'static str> {
    let known = field != Field::PlaneMemory || ["joint", "separate"].contains(&text);
    needed(known, "joint or separate")?;
    needed(is_name(text), "1 to 256 bytes without control characters")
}

fn check_sizes(sizes: &Sizes) -> Result<(), &'static str> {
    needed(
        (1..=MAX_ENTRIES).contains(&sizes.as_slice().len()),
        "1 to 64 sizes",
    )?;
    let possible = |side: u32| (1..=MAX_SIDE_PIXELS).contains(&side);
    let all = sizes
        .as_slice()
        .iter()
        .all(|size| possible(size.width) && possible(size.height));
    needed(all, "sides of 1 to 32768 pixels")
}

fn check_rules(rules: &Rules) -> Result<(), &'static str> {
    needed((1..=MAX_ENTRIES).contains(&rules.iter().count()), "1 to 64 rules")?;
    let possible = |rule| match rule {
        StrideRule::RoundUp(number) | StrideRule::Fixed(number) => number > 0,
    };
    needed(rules.iter().all(possible), "rules of at least 1 byte")
}

/// Checks that a kind of merging can handle a value.
pub(super) fn check_extension_value(kind: MergeKind, value: &Value) -> Result<(), &'static str> {
    let counted = match value {
        Value::Coherency(_) | Value::CpuUse(_) | Value::Needed => None,
        value => value.number(),
    };
    match (kind, value) {
        (MergeKind::Min | MergeKind::Max | MergeKind::Sum, _) => needed(counted.is_some(), "a number"),
        (MergeKind::Lcm, _) => needed(counted.is_some_and(|number| number > 0), "a number of at least 1"),
        (MergeKind::And, _) => {
            let is_mask = |number: u64| number.wrapping_add(1) & number == 0;
            needed(counted.is_some_and(is_mask), "a number of the form 2^k - 1")
        }
        (MergeKind::Intersection | MergeKind::Union, Value::Names(names)) => {
            check_names(Field::Extension, names)
        }
        (MergeKind::Intersection, Value::Windows(windows)) => {
            needed(!windows.is_empty(), "at least one window")
        }
        (MergeKind::Union, Value::Sizes(sizes)) => check_sizes(sizes),
        (MergeKind::Rules, Value::Rules(rules)) => check_rules(rules),
        (MergeKind::Equal, Value::Text(text)) => check_text(Field::Extension, text),
        (MergeKind::Or, Value::Needed) | (MergeKind::Equal, _) => Ok(()),
        (MergeKind::Intersection | MergeKind::Union, _) => Err("names"),
        (MergeKind::Or, _) => Err("needed"),
        (MergeKind::Rules, _) => Err("rules"),
    }
}

fn needed(good: bool, need: &'static str) -> Result<(), &'static str> {
    if good { Ok(()) } else { Err(need) }
}
