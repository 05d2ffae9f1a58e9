//! The broker, its sessions and its users.

use std::path::Path;

use serde::Serialize;
use wharf_protocol::{BrokerState, SessionState, UserState};

use super::Consumer;
use crate::output::marked;

/// The broker.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Broker {
    pub(crate) socket: String,
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

impl Broker {
    pub(crate) fn new(path: &Path, state: &BrokerState) -> Self {
        Self {
            socket: path.display().to_string(),
            version: state.version.clone(),
            pid: state.pid,
            uid: state.uid,
        }
    }

    /// Which broker it is, in one line.
    pub(crate) fn title(&self) -> String {
        marked(&format!(
            "broker {} at {}, process {}, user {}",
            self.version, self.socket, self.pid, self.uid
        ))
    }
}

/// A session and what it holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Session {
    pub(crate) session: u64,
    pub(crate) label: String,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) sets_owned: Vec<u64>,
    pub(crate) sets_imported: Vec<u64>,
    pub(crate) streams_produced: Vec<u64>,
    pub(crate) streams_joined: Vec<u64>,
    /// The sizes of the buffers of the sets it owns.
    pub(crate) memory_bytes: u64,
    /// The file descriptors the broker holds for it.
    pub(crate) fds: u64,
}

impl Session {
    pub(super) fn new(state: &SessionState) -> Self {
        Self {
            session: state.session.0,
            label: state.label.clone(),
            pid: state.pid,
            uid: state.uid,
            sets_owned: state.sets_owned.iter().map(|set| set.0).collect(),
            sets_imported: state.sets_imported.iter().map(|set| set.0).collect(),
            streams_produced: state.streams_produced.iter().map(|stream| stream.0).collect(),
            streams_joined: state.streams_joined.iter().map(|stream| stream.0).collect(),
            memory_bytes: state.bytes,
            fds: state.fds,
        }
    }

    /// Whether a consumer of a stream that it has joined is its own, as far as can be seen from outside.
    pub(crate) fn has(&self, consumer: &Consumer) -> bool {
        (consumer.pid, &consumer.label) == (self.pid, &self.label)
    }
}

/// What a user has and may have.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) used: Amounts,
    pub(crate) limit: Amounts,
}

/// An amount of each thing that is counted for a user.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Amounts {
    pub(crate) memory_bytes: u64,
    pub(crate) buffers: u64,
    pub(crate) sessions: u64,
    pub(crate) streams: u64,
    pub(crate) fds: u64,
}

impl User {
    pub(super) fn new(state: &UserState) -> Self {
        Self {
            uid: state.uid,
            used: Amounts::new(&state.used),
            limit: Amounts::new(&state.limit),
        }
    }
}

impl Amounts {
    fn new(amounts: &wharf_protocol::Amounts) -> Self {
        Self {
            memory_bytes: amounts.bytes,
            buffers: amounts.buffers,
            sessions: amounts.sessions,
            streams: amounts.streams,
            fds: amounts.fds,
        }
    }
}
