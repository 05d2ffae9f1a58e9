//! The sets that are being moved to other memory, and the memory that moves have left behind.

use wharf_protocol::{SessionId, SetState};

use super::Names;
use crate::info::amounts::memory;
use crate::info::table::Column::{Left, Right};
use crate::info::table::Table;

/// A table of who is waited for. Empty where nobody is: most of the time.
pub(super) fn moves(sets: &[SetState], names: &Names<'_>) -> String {
    if sets.iter().all(|set| set.moving.is_none() && set.old.is_empty()) {
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
            let who = list(&old.kept_by, names);
            table.add([number.clone(), old.generation.to_string(), what, who]);
        }
        if let Some(moving) = &set.moving {
            let (generation, who) = (moving.generation.to_string(), list(&moving.waits_for, names));
            table.add([number, generation, "not in use yet".to_owned(), who]);
        }
    }
    table.to_string()
}

fn list(sessions: &[SessionId], names: &Names<'_>) -> String {
    let sessions = sessions.iter();
    let sessions: Vec<_> = sessions
        .map(|session| format!("session {}", names.session(*session)))
        .collect();
    sessions.join(", ")
}
