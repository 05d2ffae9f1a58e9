//! Buffer sets.

use super::super::table::{Cell, Column, Row, Subject, numbers, words};
use super::bytes;
use crate::document::{Document, Set};

pub(super) const COLUMNS: &[Column] = &[
    numbers("SET"),
    words("NAME"),
    words("OWNER"),
    numbers("USER"),
    numbers("MEMORY"),
    numbers("BUFFERS"),
    numbers("EACH"),
    numbers("GENERATION"),
    words("STATE"),
    words("HEAP"),
    numbers("OLD MEMORY"),
    numbers("IMPORTERS"),
    numbers("STREAM"),
];

pub(super) fn rows(document: &Document) -> Vec<Row> {
    document.sets.iter().map(|set| row(document, set)).collect()
}

fn row(document: &Document, set: &Set) -> Row {
    let old: u64 = set
        .old
        .iter()
        .map(|old| old.memory_bytes)
        .fold(0, u64::saturating_add);
    let owner = set.owner.and_then(|owner| document.label(owner));
    let cells = vec![
        Cell::count(set.set),
        Cell::words(&set.name),
        Cell::words(owner.unwrap_or("-")),
        Cell::count(set.uid),
        bytes(set.memory_bytes),
        Cell::count(set.buffers),
        bytes(set.buffer_bytes),
        Cell::count(set.generation),
        Cell::words(state(set)),
        Cell::words(heaps(set)),
        bytes(old),
        Cell::count(set.importers.len() as u64),
        set.stream.map_or_else(Cell::unknown, Cell::count),
    ];
    Row {
        subject: Subject::Set(set.set),
        cells,
        is_alarming: !set.old.is_empty(),
    }
}

/// How far it is: that of its negotiation, or whether others may have it.
fn state(set: &Set) -> String {
    match (&set.moving, &set.negotiation) {
        (Some(moving), _) => format!("moving to {}", moving.generation),
        (None, Some(negotiation)) => negotiation.status.to_string(),
        (None, None) => (if set.sealed { "shared" } else { "private" }).to_owned(),
    }
}

/// Where its memory came from. What was not negotiated is ordinary memory.
fn heaps(set: &Set) -> String {
    let Some(negotiation) = &set.negotiation else {
        return "memfd".to_owned();
    };
    let mut heaps: Vec<&str> = negotiation.heaps.iter().map(String::as_str).collect();
    heaps.dedup();
    heaps.join(", ")
}
