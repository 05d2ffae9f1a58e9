//! Sessions.

use super::super::table::{Cell, Column, Row, Subject, numbers, words};
use super::{bytes, rate};
use crate::document::{Document, Session};

pub(super) const COLUMNS: &[Column] = &[
    numbers("SESSION"),
    words("LABEL"),
    numbers("PID"),
    numbers("USER"),
    numbers("MEMORY"),
    numbers("FDS"),
    numbers("PUBLISHES/S"),
    numbers("RECEIVES/S"),
    numbers("SETS"),
    words("PRODUCES"),
    words("CONSUMES"),
];

pub(super) fn rows(document: &Document) -> Vec<Row> {
    let sessions = document.sessions.iter();
    sessions.map(|session| row(document, session)).collect()
}

fn row(document: &Document, session: &Session) -> Row {
    let sets = (session.sets_owned.len() + session.sets_imported.len()) as u64;
    let cells = vec![
        Cell::count(session.session),
        Cell::words(&session.label),
        Cell::count(session.pid),
        Cell::count(session.uid),
        bytes(session.memory_bytes),
        Cell::count(session.fds),
        rate(published_per_s(document, session)),
        rate(received_per_s(document, session)),
        Cell::count(sets),
        Cell::words(numbers_of(&session.streams_produced)),
        Cell::words(numbers_of(&session.streams_joined)),
    ];
    Row {
        subject: Subject::Session(session.session),
        cells,
        is_alarming: false,
    }
}

fn numbers_of(ids: &[u64]) -> String {
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    ids.join(", ")
}

/// Frames of all its streams; none if it produces nothing.
fn published_per_s(document: &Document, session: &Session) -> Option<f64> {
    let streams = document.streams.iter();
    let rates = streams
        .filter(|stream| session.streams_produced.contains(&stream.stream))
        .filter_map(|stream| stream.statistics.as_ref()?.rates.as_ref());
    sum(rates.map(|rates| rates.frames_published_per_s))
}

/// Frames of all consumers of its process in its streams; none if it consumes nothing.
fn received_per_s(document: &Document, session: &Session) -> Option<f64> {
    let streams = document.streams.iter();
    let rates = streams
        .filter(|stream| session.streams_joined.contains(&stream.stream))
        .flat_map(|stream| &stream.consumers)
        .filter(|consumer| session.has(consumer))
        .filter_map(|consumer| consumer.statistics.as_ref()?.rates.as_ref());
    sum(rates.map(|rates| rates.frames_received_per_s))
}

fn sum(rates: impl Iterator<Item = f64>) -> Option<f64> {
    rates.reduce(|a, b| a + b)
}
