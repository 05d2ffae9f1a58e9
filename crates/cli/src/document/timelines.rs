//! Timelines.

use serde::Serialize;
use wharf_protocol::TimelineState;

/// A timeline.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timeline {
    pub(crate) timeline: u64,
    pub(crate) name: String,
    /// The session that signals it.
    pub(crate) owner: u64,
    pub(crate) uid: u32,
    /// The sessions that imported it, one entry for each import.
    pub(crate) importers: Vec<u64>,
}

impl Timeline {
    pub(super) fn new(state: &TimelineState) -> Self {
        Self {
            timeline: state.timeline.0,
            name: state.name.clone(),
            owner: state.owner.0,
            uid: state.uid,
            importers: state.importers.iter().map(|session| session.0).collect(),
        }
    }
}
