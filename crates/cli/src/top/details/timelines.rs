//! A timeline: who signals it and who imported it.

use super::{Line, all_named, named};
use crate::document::Document;

pub(super) fn timeline(document: &Document, id: u64) -> Option<Vec<Line>> {
    let timeline = document
        .timelines
        .iter()
        .find(|timeline| timeline.timeline == id)?;
    let importers = match timeline.importers.as_slice() {
        [] => "nobody has imported it".to_owned(),
        importers => format!("imported by {}", all_named(document, importers)),
    };
    Some(vec![
        Line::Heading(format!("timeline {id} {}", timeline.name)),
        Line::Text(format!("signaled by {}", named(document, timeline.owner))),
        Line::Text(importers),
    ])
}
