//! Buffer sets: their memory, where it came from, who has it.

use serde::Serialize;
use wharf_protocol::{
    FailureDomain, MoveState, NegotiationState, SeatRight, SeatState, SeatStatus, SetState, SetStatus,
};

/// A buffer set.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Set {
    pub(crate) set: u64,
    pub(crate) name: String,
    /// The session it belongs to; none if that is gone.
    pub(crate) owner: Option<u64>,
    pub(crate) uid: u32,
    /// Which memory it has, counted from 1; 0 while there is none.
    pub(crate) generation: u64,
    pub(crate) buffer_bytes: u64,
    pub(crate) buffers: u32,
    /// The size of all its buffers together, without old memory.
    pub(crate) memory_bytes: u64,
    /// Whether the kernel refuses new writable mappings.
    pub(crate) sealed: bool,
    /// The sessions that imported it.
    pub(crate) importers: Vec<u64>,
    pub(crate) stream: Option<u64>,
    pub(crate) moving: Option<Move>,
    pub(crate) old: Vec<OldMemory>,
    pub(crate) negotiation: Option<Negotiation>,
}

/// A move to other memory.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Move {
    pub(crate) generation: u64,
    /// The sessions whose turn it is.
    pub(crate) waits_for: Vec<u64>,
}

/// Memory that was replaced and that somebody still keeps.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OldMemory {
    pub(crate) generation: u64,
    pub(crate) memory_bytes: u64,
    /// The sessions that have not released it.
    pub(crate) kept_by: Vec<u64>,
}

/// How the negotiation of a set stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Negotiation {
    pub(crate) status: SetStatus,
    /// Where its memory came from: one heap for each memory of a buffer.
    pub(crate) heaps: Vec<String>,
    /// Those who are expected and have said nothing.
    pub(crate) missing: Vec<String>,
    pub(crate) seats: Vec<Seat>,
}

/// A seat in a negotiated set.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seat {
    pub(crate) participant: u64,
    pub(crate) label: String,
    /// Its holder's process, once it was taken.
    pub(crate) pid: Option<u32>,
    pub(crate) status: SeatStatus,
    pub(crate) rights: Vec<SeatRight>,
    pub(crate) domain: FailureDomain,
    /// The buffers its holder may keep at once.
    pub(crate) camping_buffers: u32,
    /// The buffers it wants beyond that.
    pub(crate) slack_buffers: u32,
}

impl Set {
    pub(super) fn new(state: &SetState) -> Self {
        let count = u64::from(state.count);
        Self {
            set: state.set.0,
            name: state.name.clone(),
            owner: Some(state.owner.0).filter(|owner| *owner != 0),
            uid: state.uid,
            generation: state.generation,
            buffer_bytes: state.size_bytes,
            buffers: state.count,
            memory_bytes: state.size_bytes.saturating_mul(count),
            sealed: state.sealed,
            importers: state.importers.iter().map(|session| session.0).collect(),
            stream: state.stream.map(|stream| stream.0),
            moving: state.moving.as_ref().map(Move::new),
            old: state.old.iter().map(OldMemory::new).collect(),
            negotiation: state.negotiation.as_ref().map(Negotiation::new),
        }
    }
}

impl Move {
    fn new(state: &MoveState) -> Self {
        Self {
            generation: state.generation,
            waits_for: state.waits_for.iter().map(|session| session.0).collect(),
        }
    }
}

impl OldMemory {
    fn new(state: &wharf_protocol::OldMemory) -> Self {
        Self {
            generation: state.generation,
            memory_bytes: state.bytes,
            kept_by: state.kept_by.iter().map(|session| session.0).collect(),
        }
    }
}

impl Negotiation {
    fn new(state: &NegotiationState) -> Self {
        Self {
            status: state.status,
            heaps: state.heaps.clone(),
            missing: state.missing.clone(),
            seats: state.seats.iter().map(Seat::new).collect(),
        }
    }
}

impl Seat {
    fn new(state: &SeatState) -> Self {
        Self {
            participant: state.participant,
            label: state.label.clone(),
            pid: state.pid,
            status: state.status,
            rights: state.rights.clone(),
            domain: state.domain,
            camping_buffers: state.camping,
            slack_buffers: state.slack,
        }
    }
}
