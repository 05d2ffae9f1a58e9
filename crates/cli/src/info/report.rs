//! A broker's state, as people read it.

mod moves;
mod timelines;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use wharf_protocol::{
    GetStateReply, Member, SessionId, SessionState, SetId, SetState, StreamState, UserState,
};

use super::amounts::memory;
use super::table::Column::{Left, Right};
use super::table::Table;
use crate::document::Broker;

/// Describes everything in `state`, which came from the broker at `path`.
pub(super) fn describe(path: &Path, state: &GetStateReply) -> String {
    let names = Names::of(state);
    let sections = [
        Broker::new(path, &state.broker).title() + "\n" + remark(state),
        section("no sessions", &state.sessions, sessions),
        section("no buffer sets", &state.sets, |sets| self::sets(sets, &names)),
        moves::moves(&state.sets, &state.streams, &names),
        section("no streams", &state.streams, |streams| {
            self::streams(streams, &names)
        }),
        section("no consumers", &members(&state.streams), consumers),
        timelines::timelines(&state.timelines, &names),
        section("nobody holds anything", &state.users, users),
    ];
    let sections = sections.into_iter().filter(|section| !section.is_empty());
    sections.collect::<Vec<_>>().join("\n")
}

fn remark(state: &GetStateReply) -> &'static str {
    if state.truncated {
        "there is more than one reply can tell: only the first of each kind are listed\n"
    } else {
        ""
    }
}

/// A table of what there is, or a line that there is nothing.
fn section<T>(nothing: &str, rows: &[T], table: impl FnOnce(&[T]) -> String) -> String {
    if rows.is_empty() {
        format!("{nothing}\n")
    } else {
        table(rows)
    }
}

/// What other tables say of sessions and sets.
struct Names<'a> {
    sessions: BTreeMap<SessionId, &'a str>,
    buffers: BTreeMap<SetId, u32>,
}

impl<'a> Names<'a> {
    fn of(state: &'a GetStateReply) -> Self {
        let sessions = state.sessions.iter();
        let sets = state.sets.iter();
        Self {
            sessions: sessions
                .map(|session| (session.session, session.label.as_str()))
                .collect(),
            buffers: sets.map(|set| (set.set, set.count)).collect(),
        }
    }

    /// A session's number and label. The label of another user's session may be unknown.
    fn session(&self, id: SessionId) -> String {
        match self.sessions.get(&id) {
            Some(label) => format!("{} {label}", id.0),
            None => id.0.to_string(),
        }
    }

    /// Each of these sessions, in a sentence.
    fn each(&self, ids: &[SessionId]) -> Vec<String> {
        let ids = ids.iter();
        ids.map(|id| format!("session {}", self.session(*id))).collect()
    }
}

fn sessions(sessions: &[SessionState]) -> String {
    let mut table = Table::new([
        Right("SESSION"),
        Left("LABEL"),
        Right("PID"),
        Right("USER"),
        Right("MEMORY"),
        Right("FDS"),
        Left("HOLDS"),
    ]);
    for session in sessions {
        table.add([
            session.session.0.to_string(),
            session.label.clone(),
            session.pid.to_string(),
            session.uid.to_string(),
            memory(session.bytes),
            session.fds.to_string(),
            holdings(session),
        ]);
    }
    table.to_string()
}

fn holdings(session: &SessionState) -> String {
    let listed = [
        list("owns", &session.sets_owned),
        list("reads", &session.sets_imported),
        list("produces", &session.streams_produced),
        list("consumes", &session.streams_joined),
    ];
    let holdings: Vec<String> = listed.into_iter().flatten().collect();
    if holdings.is_empty() {
        "nothing".to_owned()
    } else {
        holdings.join(", ")
    }
}

/// Says `verb` of each of `things`.
fn list(verb: &str, things: &[impl Display]) -> Option<String> {
    let things: Vec<String> = things.iter().map(ToString::to_string).collect();
    (!things.is_empty()).then(|| format!("{verb} {}", things.join(" and ")))
}

fn sets(sets: &[SetState], names: &Names<'_>) -> String {
    let mut table = Table::new([
        Right("SET"),
        Left("NAME"),
        Left("OWNER"),
        Right("USER"),
        Right("BUFFERS"),
        Right("EACH"),
        Right("MEMORY"),
        Left("SEALED"),
        Left("USED BY"),
    ]);
    for set in sets {
        table.add([
            set.set.0.to_string(),
            set.name.clone(),
            names.session(set.owner),
            set.uid.to_string(),
            set.count.to_string(),
            memory(set.size_bytes),
            memory(set.size_bytes.saturating_mul(set.count.into())),
            (if set.sealed { "yes" } else { "no" }).to_owned(),
            users_of(set, names),
        ]);
    }
    table.to_string()
}

/// Who has a set besides its owner.
fn users_of(set: &SetState, names: &Names<'_>) -> String {
    let stream = set.stream.iter().map(ToString::to_string);
    let users: Vec<String> = stream.chain(names.each(&set.importers)).collect();
    users.join(", ")
}

fn streams(streams: &[StreamState], names: &Names<'_>) -> String {
    let mut table = Table::new([
        Right("STREAM"),
        Left("NAME"),
        Left("PRODUCER"),
        Right("USER"),
        Right("SET"),
        Right("CONSUMERS"),
        Right("BUFFERS PROMISED"),
    ]);
    for stream in streams {
        let promised: u64 = stream.members.iter().map(|member| u64::from(member.depth)).sum();
        let buffers = names.buffers.get(&stream.set);
        table.add([
            stream.stream.0.to_string(),
            stream.name.clone(),
            names.session(stream.producer),
            stream.uid.to_string(),
            stream.set.0.to_string(),
            of(stream.members.len(), stream.max_consumers),
            // One more is the producer's own.
            buffers.map_or_else(|| (promised + 1).to_string(), |count| of(promised + 1, count)),
        ]);
    }
    table.to_string()
}

/// The consumers of all streams, each with its stream.
fn members(streams: &[StreamState]) -> Vec<(&StreamState, &Member)> {
    let streams = streams.iter();
    streams
        .flat_map(|stream| stream.members.iter().map(move |member| (stream, member)))
        .collect()
}

fn consumers(consumers: &[(&StreamState, &Member)]) -> String {
    let mut table = Table::new([
        Left("CONSUMER"),
        Right("PID"),
        Right("USER"),
        Left("STREAM"),
        Right("SLOT"),
        Right("DEPTH"),
        Left("POLICY"),
    ]);
    for (stream, member) in consumers {
        table.add([
            member.label.clone(),
            member.pid.to_string(),
            member.uid.to_string(),
            format!("{} {}", stream.stream.0, stream.name),
            member.slot.0.to_string(),
            member.depth.to_string(),
            member.policy.to_string(),
        ]);
    }
    table.to_string()
}

fn users(users: &[UserState]) -> String {
    let mut table = Table::new([
        Right("USER"),
        Right("MEMORY"),
        Right("BUFFERS"),
        Right("SESSIONS"),
        Right("STREAMS"),
        Right("FDS"),
    ]);
    for UserState { uid, used, limit } in users {
        table.add([
            uid.to_string(),
            of(memory(used.bytes), memory(limit.bytes)),
            of(used.buffers, limit.buffers),
            of(used.sessions, limit.sessions),
            of(used.streams, limit.streams),
            of(used.fds, limit.fds),
        ]);
    }
    table.to_string()
}

fn of(part: impl Display, whole: impl Display) -> String {
    format!("{part} of {whole}")
}

#[cfg(test)]
mod tests;
