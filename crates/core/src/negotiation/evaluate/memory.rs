//! What one memory of a buffer has to be like.

use std::collections::BTreeSet;

use super::merged::{Merged, join};
use super::{Failure, FailureKind};
use crate::PAGE_BYTES;
use crate::constraints::{Field, MergeKind, Record, Scope, merge_numbers};
use crate::dma::{DmaLimits, Physical};
use crate::negotiation::FieldPath;
use crate::negotiation::needs::Surroundings;

/// One memory of a buffer, of a fixed size.
#[derive(Debug, Clone)]
pub(super) struct Memory<'a> {
    pub(super) size_bytes: u64,
    pub(super) fields: Record,
    pub(super) physical: Physical,
    /// Whether chunks of some length suit everybody.
    pub(super) chunks_suffice: bool,
    pub(super) limits: &'a BTreeSet<DmaLimits>,
}

/// Gives the memories of a buffer their sizes.
///
/// `taken` says, for each, what is needed of it besides, and how many of its bytes are taken.
pub(super) fn sized<'a>(
    merged: &'a Merged,
    taken: &[(Record, u64)],
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Memory<'a>>, Failure> {
    let mut memories = Vec::with_capacity(taken.len());
    let mut sum = 0_u64;
    for (number, (besides, bytes)) in taken.iter().enumerate() {
        // What is needed of the whole buffer is made up for in the last of its memories.
        let rest = (number + 1 == taken.len()).then(|| {
            merged
                .fields
                .number(Field::MinSize)
                .unwrap_or(0)
                .saturating_sub(sum)
        });
        let least = rest.unwrap_or(0).max(*bytes);
        let memory = of(merged, besides, least)?;
        sum = sum
            .checked_add(memory.size_bytes)
            .ok_or_else(|| fail(Field::MaxSize, FailureKind::Overflow))?;
        memories.push(memory);
    }
    let most = merged.fields.number(Field::MaxSize).unwrap_or(u64::MAX);
    if sum > most.min(surroundings.policy.max_buffer_bytes) {
        return Err(fail(Field::MaxSize, FailureKind::Conflict));
    }
    Ok(memories)
}

fn of<'a>(merged: &'a Merged, besides: &Record, bytes: u64) -> Result<Memory<'a>, Failure> {
    let least = besides.number(Field::MinSize).unwrap_or(0).max(bytes).max(1);
    let mut fields: Record = merged
        .fields
        .iter()
        .filter(|(field, _)| field.scope() == Scope::Memory)
        .map(|(field, value)| (field, value.clone()))
        .collect();
    for (field, value) in besides.iter() {
        join(&mut fields, field, value, || FieldPath::from(field))?;
    }
    let units = merged
        .limits
        .iter()
        .map(DmaLimits::size_unit_bytes)
        .chain(fields.number(Field::SizeAlign));
    let overflow = || fail(Field::SizeAlign, FailureKind::Overflow);
    let unit = units
        .into_iter()
        .try_fold(PAGE_BYTES, |unit, more| merge_numbers(MergeKind::Lcm, unit, more))
        .ok_or_else(overflow)?;
    let size_bytes = least.checked_next_multiple_of(unit).ok_or_else(overflow)?;
    if besides
        .number(Field::MaxSize)
        .is_some_and(|most| size_bytes > most)
    {
        return Err(fail(Field::MaxSize, FailureKind::Conflict));
    }
    let (physical, chunks_suffice) = Physical::of_all(merged.limits.iter(), size_bytes)
        .map_err(|field| fail(field, FailureKind::Conflict))?;
    Ok(Memory {
        size_bytes,
        fields,
        physical,
        chunks_suffice,
        limits: &merged.limits,
    })
}

fn fail(field: Field, kind: FailureKind) -> Failure {
    Failure::new(FieldPath::from(field), kind)
}
