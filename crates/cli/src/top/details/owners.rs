//! All about a session, and about a user.

use super::streams::consumer;
use super::{Line, named};
use crate::document::Document;
use crate::info::memory;

pub(super) fn session(document: &Document, id: u64) -> Option<Vec<Line>> {
    let session = document.sessions.iter().find(|session| session.session == id)?;
    let mut lines = vec![
        Line::Heading(named(document, id)),
        Line::Text(format!("process {}, user {}", session.pid, session.uid)),
        Line::Text(format!(
            "{} of buffers, {} descriptors with the broker",
            memory(session.memory_bytes),
            session.fds
        )),
    ];
    let lists = [
        ("owns buffer set", &session.sets_owned),
        ("reads buffer set", &session.sets_imported),
        ("produces stream", &session.streams_produced),
        ("consumes stream", &session.streams_joined),
    ];
    for (what, ids) in lists {
        lines.extend(ids.iter().map(|id| Line::Text(format!("{what} {id}"))));
    }
    let keeps_old = document
        .sets
        .iter()
        .filter(|set| set.old.iter().any(|old| old.kept_by.contains(&id)));
    lines.extend(keeps_old.map(|set| Line::Alarm(format!("keeps old memory of buffer set {}", set.set))));
    for stream in &document.streams {
        if session.streams_joined.contains(&stream.stream) {
            let its = stream.consumers.iter().filter(|consumer| session.has(consumer));
            lines.extend(its.flat_map(consumer));
        }
    }
    Some(lines)
}

pub(super) fn user(document: &Document, uid: u32) -> Option<Vec<Line>> {
    let user = document.users.iter().find(|user| user.uid == uid)?;
    let (used, limit) = (&user.used, &user.limit);
    let mut lines = vec![
        Line::Heading(format!("user {uid}")),
        Line::Text(format!(
            "memory {} of {}",
            memory(used.memory_bytes),
            memory(limit.memory_bytes)
        )),
    ];
    let amounts = [
        ("buffers", used.buffers, limit.buffers),
        ("sessions", used.sessions, limit.sessions),
        ("streams", used.streams, limit.streams),
        ("descriptors", used.fds, limit.fds),
    ];
    lines.extend(amounts.map(|(what, used, limit)| Line::Text(format!("{what} {used} of {limit}"))));
    for session in document.sessions.iter().filter(|session| session.uid == uid) {
        let text = format!(
            "session {} {} (pid {}): {}",
            session.session,
            session.label,
            session.pid,
            memory(session.memory_bytes)
        );
        lines.push(Line::Text(text));
    }
    Some(lines)
}
