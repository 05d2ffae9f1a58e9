//! The status pages of streams and timelines: the broker writes, everybody else reads. Contract: S3.

use std::collections::HashMap;

use rustix::io::Errno;
use wharf_linux::{Memfd, MemfdError};
use wharf_memory::{Access, MapError, Mapping, OwnedWords};
use wharf_protocol::{BrokerError, Incarnation, Slot, StreamId, TimelineId};
use wharf_stream::status::{Generations, SlotState, StatusWriter, StreamState};
use wharf_stream::timeline::layout::{PAGE_BYTES, status};
use wharf_stream::timeline::{End, TimelineStatusWriter};
use wharf_stream::{STATUS_PAGE_BYTES, STATUS_PAGE_CELLS};

use super::descriptors::Descriptor;
use super::system_error;

/// The status pages of all running streams.
#[derive(Debug, Default)]
pub(super) struct StatusPages {
    pages: HashMap<StreamId, StatusWriter<OwnedWords>>,
}

impl StatusPages {
    /// Creates the page of a stream, and returns it as others may have it.
    pub(super) fn create(&mut self, stream: StreamId) -> Result<Descriptor, BrokerError> {
        let (words, page) = make(STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)?;
        self.pages.insert(stream, StatusWriter::new(words));
        Ok(page)
    }

    pub(super) fn set_slot(&self, stream: StreamId, slot: Slot, incarnation: Incarnation, state: SlotState) {
        if let (Some(page), Ok(slot)) = (self.pages.get(&stream), usize::try_from(slot.0)) {
            page.set_slot(slot, incarnation.0, state);
        }
    }

    pub(super) fn set_generations(&self, stream: StreamId, generations: Generations) {
        if let Some(page) = self.pages.get(&stream) {
            page.set_generations(generations);
        }
    }

    pub(super) fn set_stream_state(&self, stream: StreamId, state: StreamState) {
        if let Some(page) = self.pages.get(&stream) {
            page.set_stream_state(state);
        }
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        self.pages.remove(&stream);
    }
}

/// The status pages of all timelines.
#[derive(Debug, Default)]
pub(super) struct TimelinePages {
    pages: HashMap<TimelineId, TimelineStatusWriter<OwnedWords>>,
}

impl TimelinePages {
    /// Creates the page of a timeline, and returns it as others may have it.
    pub(super) fn create(&mut self, timeline: TimelineId) -> Result<Descriptor, BrokerError> {
        let (words, page) = make(PAGE_BYTES, status::END)?;
        self.pages.insert(timeline, TimelineStatusWriter::new(words));
        Ok(page)
    }

    pub(super) fn set_imports(&self, timeline: TimelineId, newest: u64) {
        if let Some(page) = self.pages.get(&timeline) {
            page.set_imports(newest);
        }
    }

    pub(super) fn set_over(&self, timeline: TimelineId, end: End) {
        if let Some(page) = self.pages.get(&timeline) {
            page.set_over(end);
        }
    }

    pub(super) fn remove(&mut self, timeline: TimelineId) {
        self.pages.remove(&timeline);
    }
}

/// Makes a page that only the broker writes: for the broker, and as others may have it.
fn make(len_bytes: usize, cells: usize) -> Result<(OwnedWords, Descriptor), BrokerError> {
    let made = |error: MemfdError| system_error(error.errno(), "making a status page");
    let mapped = |error: MapError| system_error(error.errno(), "mapping a status page");
    // CAST: usize is at most 64 bits wide on Linux.
    let memory = Memfd::create("wharf-status", len_bytes as u64).map_err(made)?;
    let mapping = Mapping::map(&memory, len_bytes, Access::ReadWrite).map_err(mapped)?;
    memory.seal_future_writes().map_err(made)?;
    let words = OwnedWords::new(mapping, cells)
        .map_err(|_| system_error(Errno::INVAL, "laying out a status page"))?;
    Ok((words, Descriptor::read_only(memory)))
}
