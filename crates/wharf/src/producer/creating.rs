//! How a producer makes a stream of its buffers.

use super::changes::News;
use super::fenced::Fences;
use super::members::Roster;
use super::spent::Spent;
use super::{Producer, ProducerStats};
use crate::buffers::BufferSet;
use crate::connection::Connection;
use crate::error::SessionError;
use crate::generation::{Generation, stale};
use crate::liveness::Liveness;
use crate::moving::Mover;
use crate::page;
use crate::watch::Watch;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use wharf_core::DmaBuf;
use wharf_linux::BellEnd;
use wharf_protocol::{CreateStream, CreateStreamReply, EndReason, EndStream, Incarnation, Rotation};
use wharf_stream::{RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS, Waiting};

/// So many bytes of buffers in turn stay in the nearest caches.
const NEAR_BYTES: u64 = 256 << 10;
/// The most acquisitions without a look.
const MOST: u64 = 8;

/// At how many acquisitions producers look once what consumers have released since. Each look moves a cache line from the other processor; without
/// one the buffers in turn are one more. For small buffers the lines cost more, for large ones their contents.
pub(super) fn looks_every(memory: &Generation) -> u32 {
    let largest = memory.buffers.iter().map(DmaBuf::size_bytes).max();
    let near = NEAR_BYTES / largest.unwrap_or(NEAR_BYTES).max(1);
    // CAST: at most eight.
    near.clamp(1, MOST) as u32
}

/// On which terms a stream is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamTerms {
    max_consumers: u32,
    room: Option<Duration>,
    rotation: Option<Rotation>,
    /// Whether the producer is to have doorbells.
    polled: bool,
}

impl StreamTerms {
    /// Up to `max_consumers` (1..=64) can be in the stream at a time.
    pub fn new(max_consumers: u32) -> Self {
        Self {
            max_consumers,
            ..Self::default()
        }
    }

    /// Makes room for consumers that do not fit, within `patience`: see
    /// [`Session::create_stream_with_room`](crate::Session::create_stream_with_room).
    #[must_use]
    pub fn with_room(self, patience: Duration) -> Self {
        Self {
            room: Some(patience),
            ..self
        }
    }

    /// Moves the stream to other memory after such departures; [`Rotation::OtherUsers`] if this is not called.
    ///
    /// Who departs may keep its mappings for ever, and reads there what was published until the move was over, and nothing later. The move
    /// is a live one, like any other, at this user's cost; a [`Reallocation`](crate::Reallocation) asked for meanwhile is refused (`EBUSY`). If it
    /// cannot be made, it is tried again when somebody else departs or lets old memory go, and `wharf info` says so. The buffers of
    /// a negotiated set do not move for this.
    #[must_use]
    pub fn with_rotation(self, rotation: Rotation) -> Self {
        Self {
            rotation: Some(rotation),
            ..self
        }
    }
}

impl StreamTerms {
    /// For a producer that has doorbells.
    pub(super) fn polled(self) -> Self {
        Self { polled: true, ..self }
    }
}

impl Producer {
    pub(crate) fn create(
        connection: &Arc<Connection>,
        name: &str,
        buffers: BufferSet,
        terms: StreamTerms,
    ) -> Result<Self, SessionError> {
        if !buffers.is_writable() {
            return Err(SessionError::NotWritable {
                name: buffers.name().to_owned(),
            });
        }
        buffers.seal();
        let ring = page::create("ring", RING_PAGE_BYTES, RING_PAGE_CELLS)?;
        let request = CreateStream {
            set: buffers.set(),
            name: name.to_owned(),
            max_consumers: terms.max_consumers,
            room_ms: terms
                .room
                .map(|room| u64::try_from(room.as_millis()).unwrap_or(u64::MAX)),
            polled: terms.polled.then_some(true),
            rotation: terms.rotation,
        };
        let undo = |connection: &Connection, reply: &CreateStreamReply| {
            connection.give_back(EndStream {
                stream: reply.stream,
                reason: EndReason::Ended,
            });
        };
        let expected = 1 + usize::from(terms.polled);
        let (reply, mut fds) = connection.obtain(request, &[ring.memfd.as_fd()], |_| expected, undo)?;
        let bell = fds.drain(1..).next().map(BellEnd::from_fd);
        let watch = bell.map(|bell| Watch::new(bell, connection)).transpose();
        let watch = watch.inspect_err(|_| undo(connection, &reply))?;
        let status = page::open("status", fds.first(), STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)
            .inspect_err(|_| undo(connection, &reply))?;
        let (memory, share) = buffers.into_parts();
        let (words, status) = (Arc::new(ring.words), Arc::new(status));
        let fences = Fences::new(&words, &status, name, watch.as_ref().map(Watch::own_bell));
        let mut ring = wharf_stream::Producer::new(words, status, memory.buffers.len());
        let current = ring.news().current;
        if current != memory.number {
            undo(connection, &reply);
            return Err(stale(memory.number, current));
        }
        ring.set_waiting(Waiting::default());
        ring.look_every(looks_every(&memory));
        ring.switch(memory.number, memory.buffers.len());
        Ok(Self {
            connection: Arc::clone(connection),
            stream: reply.stream,
            name: name.to_owned(),
            ring,
            fences,
            spent: Spent::places(&memory),
            memory,
            older: Vec::new(),
            mover: Mover::new(share),
            returned: Arc::default(),
            roster: Roster::default(),
            news: News::default(),
            admitted: Incarnation(0),
            trouble: None,
            liveness: Liveness::new(),
            watch,
            stats: ProducerStats::default(),
            ended: false,
        })
    }
}
