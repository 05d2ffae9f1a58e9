//! All about one row: who holds what, since when, and who is in the way.

use super::table::Subject;
use super::units::{duration, number, percent};
use crate::document::{Consumer, Document, Latency, Set, Stream};
use crate::info::memory;
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
        Subject::Stream(id) => stream(document, find_stream(document, id)?),
        Subject::Consumer(id, incarnation) => {
            let stream = find_stream(document, id)?;
            let mut consumers = stream.consumers.iter();
            let consumer = consumers.find(|consumer| consumer.incarnation == incarnation)?;
            let mut lines = self::consumer(consumer);
            lines.insert(
                1,
                Line::Text(format!("in stream {} {}", stream.stream, stream.name)),
            );
            lines
        }
        Subject::Session(id) => session(document, id)?,
        Subject::Set(id) => set(document, document.sets.iter().find(|set| set.set == id)?),
        Subject::Timeline(id) => timeline(document, id)?,
        Subject::User(uid) => user(document, uid)?,
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

fn latency(latency: &Latency) -> String {
    match (latency.p50_ns, latency.p99_ns, latency.p99_9_ns) {
        (Some(p50), Some(p99), Some(p999)) => format!(
            "latency of {} frames: p50 {}, p99 {}, p99.9 {}",
            latency.frames,
            duration(p50),
            duration(p99),
            duration(p999)
        ),
        _ => "no frame was received".to_owned(),
    }
}

fn stream(document: &Document, stream: &Stream) -> Vec<Line> {
    let mut lines = vec![
        Line::Heading(format!("stream {} {}", stream.stream, stream.name)),
        Line::Text(format!("produced by {}", named(document, stream.producer))),
        Line::Text(format!("in buffer set {}", stream.set)),
    ];
    let Some(its) = &stream.statistics else {
        lines.push(Line::Text("it says nothing of itself: it is over".to_owned()));
        return lines;
    };
    lines.push(Line::Text(format!("{} frames published", its.frames_published)));
    if let Some(rates) = &its.rates {
        lines.push(Line::Text(format!(
            "{} frames/s, {} of the time waiting for a buffer",
            number(rates.frames_published_per_s),
            percent(rates.waiting_share)
        )));
    }
    lines.push(Line::Text(latency(&its.latency)));
    lines.push(Line::Text(format!(
        "waited {} times for a buffer, {} in all; {} times in vain",
        its.acquire_waits,
        duration(its.acquire_waited_ns),
        its.acquire_failures
    )));
    lines.push(Line::Text(format!(
        "took {} frames back unclaimed; woke consumers {} times",
        its.frames_taken_back, its.wakes
    )));
    if let Some(waiting_ns) = its.waiting_ns {
        let who = blockers(stream);
        let text = format!("has been waiting for {}: {who}", duration(waiting_ns));
        lines.push(Line::Alarm(text));
    }
    lines.extend(holders(stream));
    for consumer in &stream.consumers {
        lines.extend(self::consumer(consumer));
    }
    lines
}

fn blockers(stream: &Stream) -> String {
    let blockers = stream
        .consumers
        .iter()
        .filter(|consumer| consumer.blocks_producer());
    let names: Vec<String> = blockers
        .map(|consumer| format!("{} (pid {}) is in the way", consumer.label, consumer.pid))
        .collect();
    if names.is_empty() {
        return "nobody is in the way any more".to_owned();
    }
    names.join(", ")
}

/// Each frame that somebody holds, by buffer.
fn holders(stream: &Stream) -> Vec<Line> {
    let mut held: Vec<_> = stream
        .consumers
        .iter()
        .filter_map(|consumer| Some((consumer, consumer.statistics.as_ref()?)))
        .flat_map(|(consumer, its)| its.held.iter().map(move |held| (held, consumer)))
        .collect();
    held.sort_by_key(|(held, consumer)| (held.buffer, consumer.slot));
    let mut lines = vec![Line::Heading(match held.is_empty() {
        true => "nobody holds a frame".to_owned(),
        false => "frames held".to_owned(),
    })];
    lines.extend(held.into_iter().map(|(held, consumer)| {
        Line::Text(format!(
            "buffer {:>2}  frame {}  {} (pid {}) for {}",
            held.buffer,
            held.frame,
            consumer.label,
            consumer.pid,
            duration(held.held_ns)
        ))
    }));
    lines
}

fn consumer(consumer: &Consumer) -> Vec<Line> {
    let mut lines = vec![Line::Heading(format!(
        "consumer {} (pid {}, user {}), depth {}, {}",
        consumer.label, consumer.pid, consumer.uid, consumer.depth, consumer.policy
    ))];
    let Some(its) = &consumer.statistics else {
        lines.push(Line::Text("it says nothing of itself".to_owned()));
        return lines;
    };
    if its.blocks_producer {
        lines.push(Line::Alarm("the producer waits for it".to_owned()));
    }
    lines.push(Line::Text(format!(
        "{} frames received, {} skipped, {} queued, {} held",
        its.frames_received,
        its.frames_skipped,
        its.frames_queued,
        its.held.len()
    )));
    lines.push(Line::Text(latency(&its.latency)));
    lines.push(Line::Text(format!(
        "waited {} times for a frame, {} in all",
        its.receive_waits,
        duration(its.receive_waited_ns)
    )));
    for held in &its.held {
        let text = format!(
            "holds frame {} in buffer {} for {}",
            held.frame,
            held.buffer,
            duration(held.held_ns)
        );
        lines.push(Line::Text(text));
    }
    lines
}

fn session(document: &Document, id: u64) -> Option<Vec<Line>> {
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

fn set(document: &Document, set: &Set) -> Vec<Line> {
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
    if let Some(negotiation) = &set.negotiation {
        lines.push(Line::Heading(format!("negotiated: {}", negotiation.status)));
        lines.push(Line::Text(format!(
            "memory from {}",
            negotiation.heaps.join(", ")
        )));
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

fn timeline(document: &Document, id: u64) -> Option<Vec<Line>> {
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

fn user(document: &Document, uid: u32) -> Option<Vec<Line>> {
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
