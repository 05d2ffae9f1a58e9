//! The sets that are being moved to other memory, the memory that moves have left behind, and that which somebody can still read who has left.

use wharf_protocol::{SetState, StreamState};

use super::Names;
use crate::info::amounts::memory;
use crate::info::table::Column::{Left, Right};
use crate::info::table::Table;

/// A table of who is waited for. Empty where nobody is: most of the time.
pub(super) fn moves(sets: &[SetState], streams: &[StreamState], names: &Names<'_>) -> String {
    let is_due = |set: &SetState| {
        streams
            .iter()
            .any(|stream| stream.set == set.set && stream.rotation_due)
    };
    let is_at_rest = |set: &SetState| set.moving.is_none() && set.old.is_empty() && !is_due(set);
    if sets.iter().all(is_at_rest) {
        return String::new();
    }
    let mut table = Table::new([
        Right("SET"),
        Right("GENERATION"),
        Left("MEMORY"),
        Left("WAITS FOR"),
    ]);
    for set in sets {
        let number = set.set.0.to_string();
        for old in &set.old {
            let what = format!("{} replaced", memory(old.bytes));
            let who = names.each(&old.kept_by).join(", ");
            table.add([number.clone(), old.generation.to_string(), what, who]);
        }
        if is_due(set) {
            let what = "to be replaced: somebody left who may read it".to_owned();
            table.add([number.clone(), set.generation.to_string(), what, String::new()]);
        }
        if let Some(moving) = &set.moving {
            let (generation, who) = (moving.generation.to_string(), names.each(&moving.waits_for));
            table.add([number, generation, "not in use yet".to_owned(), who.join(", ")]);
        }
    }
    table.to_string()
}
