//! Several values of a field become one, by the kind that the table says.

use super::{Field, MergeKind, Rules, Sizes, Value};

/// Values of one field that nothing satisfies together, or whose merged value is beyond 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {one} and {other} cannot be had together{}", if *.overflow { ": what suits both is beyond 64 bits" } else { "" })]
pub struct Unmergeable {
    /// The field.
    pub field: Field,
    /// One value.
    pub one: Value,
    /// The other.
    pub other: Value,
    /// Whether something would suit both but is too large a number.
    pub overflow: bool,
}

/// Puts two values of a field together.
///
/// # Errors
/// [`Unmergeable`]: they are of different types, they leave nothing, or the number is too large. Contract: N2.
///
/// ```
/// use wharf_core::constraints::{Bytes, Field, Value, merge};
/// let (one, other) = (Value::from(Bytes(48)), Value::from(Bytes(64)));
/// assert_eq!(merge(Field::StrideAlign, &one, &other)?, Value::from(Bytes(192)));
/// assert_eq!(merge(Field::MaxStride, &one, &other)?, one);
/// # Ok::<(), wharf_core::constraints::Unmergeable>(())
/// ```
pub fn merge(field: Field, one: &Value, other: &Value) -> Result<Value, Unmergeable> {
    merge_as(field.merge_kind(), one, other).map_err(|failure| Unmergeable {
        field,
        one: one.clone(),
        other: other.clone(),
        overflow: failure == MergeFailure::Overflow,
    })
}

/// Why two values do not become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeFailure {
    /// Nothing suits both, or they cannot be compared.
    Nothing,
    /// What suits both is beyond 64 bits.
    Overflow,
}

/// Puts two values together whose kind comes from elsewhere than the table.
pub(crate) fn merge_as(kind: MergeKind, one: &Value, other: &Value) -> Result<Value, MergeFailure> {
    if one.value_type() != other.value_type() {
        return Err(MergeFailure::Nothing);
    }
    let merged = match (kind, one, other) {
        (MergeKind::Equal, one, other) => (one == other).then(|| one.clone()),
        (MergeKind::Intersection, Value::Windows(one), Value::Windows(other)) => {
            let both = one.intersection(other);
            (!both.is_empty()).then_some(Value::Windows(both))
        }
        (MergeKind::Intersection, Value::Names(one), Value::Names(other)) => {
            let both = one.intersection(other);
            (!both.is_empty()).then_some(Value::Names(both))
        }
        (MergeKind::Union, Value::Names(one), Value::Names(other)) => Some(Value::Names(one.union(other))),
        (MergeKind::Union, Value::Sizes(one), Value::Sizes(other)) => {
            let all: Sizes = one.as_slice().iter().chain(other.as_slice()).copied().collect();
            Some(Value::Sizes(all))
        }
        (MergeKind::Rules, Value::Rules(one), Value::Rules(other)) => {
            Some(Value::Rules(one.iter().chain(other.iter()).collect::<Rules>()))
        }
        (MergeKind::Or, Value::Needed, Value::Needed) => Some(Value::Needed),
        (MergeKind::Max, Value::Coherency(one), Value::Coherency(other)) => {
            Some(Value::Coherency(*one.max(other)))
        }
        (MergeKind::Max, Value::CpuUse(one), Value::CpuUse(other)) => Some(Value::CpuUse(*one.max(other))),
        (kind, one_value, other) => match (one_value.number(), other.number()) {
            (Some(one), Some(other)) => {
                let number = merge_numbers(kind, one, other).ok_or(MergeFailure::Overflow)?;
                one_value.with_number(number)
            }
            _ => None,
        },
    };
    merged.ok_or(MergeFailure::Nothing)
}

/// The number that two become; `None` when it is beyond 64 bits.
pub(crate) fn merge_numbers(kind: MergeKind, one: u64, other: u64) -> Option<u64> {
    match kind {
        MergeKind::Min => Some(one.min(other)),
        MergeKind::And => Some(one & other),
        MergeKind::Sum => one.checked_add(other),
        MergeKind::Lcm => least_common_multiple(one, other),
        MergeKind::Max
        | MergeKind::Or
        | MergeKind::Intersection
        | MergeKind::Equal
        | MergeKind::Union
        | MergeKind::Rules => Some(one.max(other)),
    }
}

/// The least common multiple; zero counts as one.
fn least_common_multiple(one: u64, other: u64) -> Option<u64> {
    let (one, other) = (one.max(1), other.max(1));
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (one / divisor).checked_mul(other)
}
