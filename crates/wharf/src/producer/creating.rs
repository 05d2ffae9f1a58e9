//! How a producer makes a stream of its buffers.

use super::changes::News;
use super::members::Roster;
use super::{Producer, ProducerStats};
use crate::buffers::BufferSet;
use crate::connection::Connection;
use crate::error::SessionError;
use crate::frame::FrameMut;
use crate::generation::{Generation, stale};
use crate::liveness::Liveness;
use crate::moving::Mover;
use crate::page;
use crate::watch::Watch;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use wharf_linux::BellEnd;
use wharf_protocol::{CreateStream, CreateStreamReply, EndReason, EndStream, Incarnation};
use wharf_stream::{RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS, Waiting};

/// How often buffers are acquired without looking what consumers have released since. Each look moves a cache line from the other
/// processor; without one the buffers in turn are one more, which caches do not mind.
const LOOKS_EVERY: u32 = 2;

/// On which terms a stream is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamTerms {
    pub(crate) max_consumers: u32,
    /// How long it may take to make room for a consumer; `None` if none is made.
    pub(crate) room: Option<Duration>,
    /// Whether the producer is to have doorbells.
    pub(crate) polled: bool,
}

/// Places for the frames in these buffers.
pub(super) fn none_spent(memory: &Generation) -> Vec<Option<FrameMut>> {
    memory.buffers.iter().map(|_| None).collect()
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
        let ring = page::create("ring", RING_PAGE_BYTES, RING_PAGE_CELLS)?;
        let request = CreateStream {
            set: buffers.set(),
            name: name.to_owned(),
            max_consumers: terms.max_consumers,
            room_ms: terms
                .room
                .map(|room| u64::try_from(room.as_millis()).unwrap_or(u64::MAX)),
            polled: terms.polled.then_some(true),
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
        let mut ring = wharf_stream::Producer::new(ring.words, status, memory.buffers.len());
        let current = ring.news().current;
        if current != memory.number {
            undo(connection, &reply);
            return Err(stale(memory.number, current));
        }
        ring.set_waiting(Waiting::default());
        ring.look_every(LOOKS_EVERY);
        ring.switch(memory.number, memory.buffers.len());
        Ok(Self {
            connection: Arc::clone(connection),
            stream: reply.stream,
            name: name.to_owned(),
            ring,
            spent: none_spent(&memory),
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
