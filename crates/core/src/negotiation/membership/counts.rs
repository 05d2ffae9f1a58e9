//! Whether there are buffers enough, and not too many.

use super::{ActualBuffer, Verdict, Ways, ensure};
use crate::constraints::{Field, Record, Value};
use crate::negotiation::Alternative;

/// Checks what is said of the set, but for the buffers that a participant counts on.
pub(super) fn check(buffer: &ActualBuffer<'_>, set: &Record) -> Verdict {
    let count = u64::from(buffer.count);
    let bound = |field, have: u64, good: fn(u64, u64) -> bool| match set.number(field) {
        Some(need) => {
            let value = |number| {
                if field == Field::MaxTotal {
                    Value::Bytes(number)
                } else {
                    Value::Buffers(number)
                }
            };
            ensure(good(have, need), field, || value(have), || value(need))
        }
        None => Ok(()),
    };
    bound(Field::MinBuffers, count, |have, need| have >= need)?;
    bound(Field::MaxBuffers, count, |have, need| have <= need)?;
    let total_bytes = count.saturating_mul(buffer.size_bytes());
    bound(Field::MaxTotal, total_bytes, |have, need| have <= need)?;
    if buffer.slack {
        bound(
            Field::SharedSlack,
            u64::from(buffer.shared_slack),
            |have, need| have >= need,
        )?;
    }
    Ok(())
}

/// How many buffers one way of working counts on.
pub(super) fn counted_on(buffer: &ActualBuffer<'_>, alternative: &Alternative) -> u64 {
    let set = alternative.constraints.set();
    let slack = set.number(Field::DedicatedSlack).filter(|_| buffer.slack);
    // Each is below 2^32.
    set.number(Field::Camping).unwrap_or(0) + slack.unwrap_or(0)
}

/// How many buffers functions count on at least, all together.
pub(super) fn left_for(functions: &[Ways<'_>]) -> u64 {
    functions.iter().map(Ways::fewest).sum()
}
