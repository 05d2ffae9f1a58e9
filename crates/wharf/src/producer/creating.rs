//! How a producer makes a stream of its buffers.

use super::changes::News;
use super::fenced::Fences;
use super::members::Roster;
use super::{Producer, ProducerStats};
use crate::buffers::BufferSet;
use crate::connection::Connection;
use crate::error::SessionError;
use crate::generation::stale;
use crate::liveness::Liveness;
use crate::moving::Mover;
use crate::page;
use std::os::fd::AsFd;
use std::sync::Arc;
use wharf_protocol::{CreateStream, CreateStreamReply, EndReason, EndStream, Incarnation};
use wharf_stream::{RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS};

impl Producer {
    pub(crate) fn create(
        connection: &Arc<Connection>,
        name: &str,
        buffers: BufferSet,
        (max_consumers, room_ms): (u32, Option<u64>),
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
            max_consumers,
            room_ms,
        };
        let undo = |connection: &Connection, reply: &CreateStreamReply| {
            connection.give_back(EndStream {
                stream: reply.stream,
                reason: EndReason::Ended,
            });
        };
        let (reply, fds) = connection.obtain(request, &[ring.memfd.as_fd()], |_| 1, undo)?;
        let status = page::open("status", fds.first(), STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)
            .inspect_err(|_| undo(connection, &reply))?;
        let (memory, share) = buffers.into_parts();
        let (words, status) = (Arc::new(ring.words), Arc::new(status));
        let fences = Fences::new(&words, &status, name);
        let mut ring = wharf_stream::Producer::new(words, status, memory.buffers.len());
        let current = ring.news().current;
        if current != memory.number {
            undo(connection, &reply);
            return Err(stale(memory.number, current));
        }
        ring.switch(memory.number, memory.buffers.len());
        Ok(Self {
            connection: Arc::clone(connection),
            stream: reply.stream,
            name: name.to_owned(),
            ring,
            fences,
            memory,
            older: Vec::new(),
            mover: Mover::new(share),
            returned: Arc::default(),
            roster: Roster::default(),
            news: News::default(),
            admitted: Incarnation(0),
            trouble: None,
            liveness: Liveness::new(),
            stats: ProducerStats::default(),
            ended: false,
        })
    }
}
