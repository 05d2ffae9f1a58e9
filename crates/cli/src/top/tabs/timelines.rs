//! Timelines.

use super::super::table::{Cell, Column, Row, Subject, numbers, words};
use crate::document::{Document, Timeline};

pub(super) const COLUMNS: &[Column] = &[
    numbers("TIMELINE"),
    words("NAME"),
    numbers("OWNER"),
    words("LABEL"),
    numbers("USER"),
    numbers("IMPORTS"),
];

pub(super) fn rows(document: &Document) -> Vec<Row> {
    let timelines = document.timelines.iter();
    timelines.map(|timeline| row(document, timeline)).collect()
}

fn row(document: &Document, timeline: &Timeline) -> Row {
    let cells = vec![
        Cell::count(timeline.timeline),
        Cell::words(&timeline.name),
        Cell::count(timeline.owner),
        Cell::words(document.label(timeline.owner).unwrap_or_default()),
        Cell::count(timeline.uid),
        Cell::count(timeline.importers.len() as u64),
    ];
    Row {
        subject: Subject::Timeline(timeline.timeline),
        cells,
        is_alarming: false,
    }
}
