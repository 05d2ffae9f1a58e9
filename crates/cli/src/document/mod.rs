//! Everything that is known of a broker and its streams, with stable names: what `--json` prints, and what tables are made of.
//!
//! [docs/state.md](../../../../docs/state.md) describes each field. Names end in their unit. A field is never given another
//! meaning; new ones may come.

mod broker;
#[cfg(test)]
pub(crate) mod fixture;
mod sets;
mod streams;
mod timelines;

pub(crate) use broker::{Broker, Session, User};
pub(crate) use sets::{Negotiation, Set};
pub(crate) use streams::{Consumer, Held, Latency, Stream};
pub(crate) use timelines::Timeline;

use std::path::Path;

use serde::Serialize;

use crate::look::Sample;

/// The version of the names. It grows when one of them goes or changes its meaning.
const SCHEMA: u32 = 1;

/// What there is at one moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Document {
    /// The version of these names.
    pub(crate) schema: u32,
    /// How much time rates and latencies are about; none for `wharf info`: rates are missing and latencies are of all frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval_ns: Option<u64>,
    /// The broker does not tell everything: of each list there are only the first entries.
    pub(crate) truncated: bool,
    pub(crate) broker: Broker,
    pub(crate) sessions: Vec<Session>,
    pub(crate) sets: Vec<Set>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) timelines: Vec<Timeline>,
    pub(crate) users: Vec<User>,
}

impl Document {
    /// What `now` shows of the broker at `path`, and how it has changed since `earlier`, if that is given.
    pub(crate) fn new(path: &Path, now: &Sample, earlier: Option<&Sample>) -> Self {
        let state = &now.state;
        let interval_ns = earlier.map(|earlier| now.taken_ns.saturating_sub(earlier.taken_ns));
        let mut document = Self {
            schema: SCHEMA,
            interval_ns,
            truncated: state.truncated,
            broker: Broker::new(path, &state.broker),
            sessions: state.sessions.iter().map(Session::new).collect(),
            sets: state.sets.iter().map(Set::new).collect(),
            streams: state.streams.iter().map(Stream::new).collect(),
            timelines: state.timelines.iter().map(Timeline::new).collect(),
            users: state.users.iter().map(User::new).collect(),
        };
        for stream in &mut document.streams {
            stream.add_statistics(now, earlier);
        }
        document
    }

    /// What a session calls itself, if it may be seen.
    pub(crate) fn label(&self, session: u64) -> Option<&str> {
        let found = self.sessions.iter().find(|found| found.session == session);
        found.map(|session| session.label.as_str())
    }
}

#[cfg(test)]
mod tests;
