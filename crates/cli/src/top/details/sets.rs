//! All about a buffer set: its memory, whose it is, and who is waited for.

use super::streams::holders;
use super::{Line, all_named, find_stream, named};
use crate::document::{Document, Negotiation, Set};
use crate::info::memory;

pub(super) fn set(document: &Document, set: &Set) -> Vec<Line> {
    let mut lines = vec![
        Line::Heading(format!("buffer set {} {}", set.set, set.name)),
        Line::Text(format!(
            "{} buffers of {}, {} in all; generation {}",
            set.buffers,
            memory(set.buffer_bytes),
            memory(set.memory_bytes),
            set.generation
        )),
    ];
    lines.extend(
        set.owner
            .map(|owner| Line::Text(format!("owned by {}", named(document, owner)))),
    );
    let importers = set.importers.iter();
    lines.extend(importers.map(|session| Line::Text(format!("read by {}", named(document, *session)))));
    lines.extend(moves(document, set));
    if let Some(negotiation) = &set.negotiation {
        lines.extend(self::negotiation(negotiation));
    }
    let stream = set.stream.and_then(|id| find_stream(document, id));
    if let Some(stream) = stream {
        lines.push(Line::Heading(format!(
            "carries stream {} {}",
            stream.stream, stream.name
        )));
        lines.extend(holders(stream));
    }
    lines
}

/// The move that is under way, and what moves have left behind.
fn moves(document: &Document, set: &Set) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(moving) = &set.moving {
        let who = all_named(document, &moving.waits_for);
        let text = format!("moving to generation {}, waits for {who}", moving.generation);
        lines.push(Line::Alarm(text));
    }
    for old in &set.old {
        let who = all_named(document, &old.kept_by);
        let text = format!(
            "{} of generation {} are kept by {who}",
            memory(old.memory_bytes),
            old.generation
        );
        lines.push(Line::Alarm(text));
    }
    lines
}

fn negotiation(negotiation: &Negotiation) -> Vec<Line> {
    let mut lines = vec![
        Line::Heading(format!("negotiated: {}", negotiation.status)),
        Line::Text(format!("memory from {}", negotiation.heaps.join(", "))),
    ];
    let missing = negotiation.missing.iter();
    lines.extend(missing.map(|label| Line::Alarm(format!("{label} is expected"))));
    for seat in &negotiation.seats {
        let pid = seat.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let text = format!(
            "seat {} {}{pid}: {}, {} buffers",
            seat.participant,
            seat.label,
            seat.status,
            seat.camping_buffers.saturating_add(seat.slack_buffers)
        );
        lines.push(Line::Text(text));
    }
    lines
}
