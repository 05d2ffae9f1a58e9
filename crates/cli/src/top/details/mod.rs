//! All about one row: who holds what, since when, and who is in the way.

mod owners;
mod sets;
mod streams;
mod timelines;

use super::table::Subject;
use crate::document::{Document, Stream};
use crate::output::marked;

/// A line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// What comes next.
    Heading(String),
    /// Something about it.
    Text(String),
    /// Something that is wrong.
    Alarm(String),
}

impl Line {
    /// The line without what names of others could do to a terminal.
    fn printable(self) -> Self {
        match self {
            Self::Heading(text) => Self::Heading(marked(&text)),
            Self::Text(text) => Self::Text(marked(&text)),
            Self::Alarm(text) => Self::Alarm(marked(&text)),
        }
    }
}

/// Describes a thing; `None` if it is not there any more.
pub(super) fn describe(document: &Document, subject: Subject) -> Option<Vec<Line>> {
    let lines = match subject {
        Subject::Stream(id) => streams::stream(document, find_stream(document, id)?),
        Subject::Consumer(id, incarnation) => {
            let stream = find_stream(document, id)?;
            let mut consumers = stream.consumers.iter();
            let consumer = consumers.find(|consumer| consumer.incarnation == incarnation)?;
            let mut lines = streams::consumer(consumer);
            lines.insert(
                1,
                Line::Text(format!("in stream {} {}", stream.stream, stream.name)),
            );
            lines
        }
        Subject::Session(id) => owners::session(document, id)?,
        Subject::Set(id) => sets::set(document, document.sets.iter().find(|set| set.set == id)?),
        Subject::Timeline(id) => timelines::timeline(document, id)?,
        Subject::User(uid) => owners::user(document, uid)?,
    };
    Some(lines.into_iter().map(Line::printable).collect())
}

fn find_stream(document: &Document, id: u64) -> Option<&Stream> {
    document.streams.iter().find(|stream| stream.stream == id)
}

/// A session's number and what it calls itself.
fn named(document: &Document, session: u64) -> String {
    match document.label(session) {
        Some(label) => format!("session {session} {label}"),
        None => format!("session {session}"),
    }
}

/// Each of these sessions.
fn all_named(document: &Document, sessions: &[u64]) -> String {
    let names: Vec<String> = sessions.iter().map(|session| named(document, *session)).collect();
    names.join(", ")
}
