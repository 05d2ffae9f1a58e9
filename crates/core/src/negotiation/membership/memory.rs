//! Whether memory is as a participant needs it.

use super::{ActualBuffer, ActualMemory, Neighbor, Unsuitable, Verdict, ensure, promise};
use crate::constraints::{Constraints, CpuUse, Field, Names, Record, Value};
use crate::dma::{Coherency, DmaLimits};

/// Checks that a device reaches the memory as it is, or as its heap promises it.
pub(super) fn check_device(memory: &ActualMemory<'_>, limits: &DmaLimits) -> Verdict {
    let Some(storage) = memory.storage else {
        return promise::check(limits, memory.guarantees, memory.size_bytes);
    };
    let outcome = limits.check_storage(storage);
    outcome.map_err(|violation| Unsuitable::new(violation.field, violation.have, violation.need))
}

/// Checks fields of [`Scope::Memory`](crate::constraints::Scope::Memory), but for the size of the buffer.
pub(super) fn check_fields(memory: &ActualMemory<'_>, needs: &Record) -> Verdict {
    let guarantees = memory.guarantees;
    let by_cpu = matches!(
        needs.get(Field::CpuAccess),
        Some(Value::CpuUse(CpuUse::Rarely | CpuUse::Often))
    );
    for (field, need) in needs.iter() {
        match (field, need) {
            (Field::MinChunk, Value::Bytes(chunk)) => check_chunks(memory, *chunk)?,
            (Field::NoBounce, _) => promised(!guarantees.bounces, field)?,
            (Field::Zeroed, _) => promised(guarantees.zeroed, field)?,
            (Field::Locked, _) => promised(guarantees.locked, field)?,
            (Field::Heaps, Value::Names(names)) => is_one_of(field, Some(memory.heap), names)?,
            (Field::CacheModes, Value::Names(names)) if memory.cache_mode.is_some() => {
                is_one_of(field, memory.cache_mode, names)?;
            }
            (Field::CpuAccess, _) if by_cpu => {
                let have = || Value::CpuUse(CpuUse::Never);
                ensure(memory.cache_mode.is_some(), field, have, || need.clone())?;
                is_scheme(&guarantees.protection, "none")?;
            }
            (Field::Protection, Value::Text(scheme)) => is_scheme(&guarantees.protection, scheme)?,
            _ => {}
        }
    }
    Ok(())
}

fn promised(good: bool, field: Field) -> Verdict {
    ensure(
        good,
        field,
        || Value::Text("not promised".into()),
        || Value::Needed,
    )
}

fn is_one_of(field: Field, have: Option<&str>, names: &Names) -> Verdict {
    let good = have.is_some_and(|name| names.contains(name));
    let have = || Value::Names(have.into_iter().collect());
    ensure(good, field, have, || Value::Names(names.clone()))
}

fn is_scheme(have: &str, need: &str) -> Verdict {
    let text = |scheme: &str| Value::Text(scheme.into());
    ensure(have == need, Field::Protection, || text(have), || text(need))
}

/// Chunks begin at multiples of their length, and only the last of the memory is shorter.
fn check_chunks(memory: &ActualMemory<'_>, chunk_bytes: u64) -> Verdict {
    let guarantees = memory.guarantees;
    let have_bytes = match memory.storage {
        Some(storage) => {
            let (last, before) = match storage.runs() {
                [before @ .., last] => (Some(last), before),
                [] => (None, [].as_slice()),
            };
            let lengths = before.iter().map(|run| run.length_bytes);
            let begins = before.iter().chain(last).map(|run| run.address);
            let units = lengths.chain(begins).filter(|number| *number > 0);
            units
                .map(|number| 1 << number.trailing_zeros())
                .min()
                .unwrap_or(u64::MAX)
        }
        None if guarantees.contiguous => guarantees.chunk_bytes.max(guarantees.base_align_bytes),
        None => guarantees.chunk_bytes,
    };
    let (have, need) = (|| Value::Bytes(have_bytes), || Value::Bytes(chunk_bytes));
    ensure(have_bytes >= chunk_bytes, Field::MinChunk, have, need)
}

/// Checks the size of a buffer, or of what a plane has for itself.
pub(super) fn check_size(size_bytes: u64, needs: &Record) -> Verdict {
    type Rule = fn(u64, u64) -> bool;
    let rules: [(Field, Rule); 3] = [
        (Field::MinSize, |have, need| have >= need),
        (Field::MaxSize, |have, need| have <= need),
        (Field::SizeAlign, |have, need| have.is_multiple_of(need)),
    ];
    for (field, good) in rules {
        if let Some(need) = needs.number(field) {
            ensure(
                good(size_bytes, need),
                field,
                || Value::Bytes(size_bytes),
                || Value::Bytes(need),
            )?;
        }
    }
    Ok(())
}

/// Checks that the heap understands what it has to.
pub(super) fn check_extensions(memory: &ActualMemory<'_>, constraints: &Constraints) -> Verdict {
    let understood = &memory.guarantees.extensions;
    for extension in constraints
        .extensions()
        .filter(|extension| extension.must_understand)
    {
        let key = extension.key.to_string();
        if !understood.contains(&key) {
            let mut unsuitable = Unsuitable::new(
                Field::Extension,
                Value::Names(understood.clone()),
                Value::Names([key].into_iter().collect()),
            );
            unsuitable.path.extension = Some(extension.key.clone());
            return Err(unsuitable);
        }
    }
    Ok(())
}

/// Checks that whatever the CPU has in its caches gets to devices that do not see them, and the other way round.
pub(super) fn check_sync(buffer: &ActualBuffer<'_>, constraints: &Constraints) -> Verdict {
    let me = Neighbor::of(constraints);
    let concerned = |other: &&Neighbor| (me.uses_cpu && !other.snoops) || (other.uses_cpu && !me.snoops);
    for memory in buffer
        .memories
        .iter()
        .filter(|memory| memory.cache_mode == Some("cached"))
    {
        for other in buffer.neighbors.iter().chain([&me]).filter(concerned) {
            let (snoops, sync) = (
                Value::Coherency(Coherency::Snoops),
                Value::Coherency(Coherency::NeedsSync),
            );
            ensure(memory.guarantees.can_sync, Field::Coherency, || snoops, || sync)?;
            let somebody_can = me.can_sync || other.can_sync;
            ensure(
                somebody_can,
                Field::NoSync,
                || Value::Coherency(Coherency::NeedsSync),
                || Value::Needed,
            )?;
        }
    }
    Ok(())
}
