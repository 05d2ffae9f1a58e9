//! The status pages of streams and timelines: the broker writes, everybody else reads. Contract: S3.

use std::collections::HashMap;
use std::hash::Hash;

use rustix::io::Errno;
use wharf_linux::{Memfd, MemfdError};
use wharf_memory::{Access, MapError, Mapping, OwnedWords};
use wharf_protocol::{BrokerError, StreamId, TimelineId};
use wharf_stream::status::StatusWriter;
use wharf_stream::timeline::TimelineStatusWriter;
use wharf_stream::timeline::layout::{PAGE_BYTES, status};
use wharf_stream::{STATUS_PAGE_BYTES, STATUS_PAGE_CELLS};

use super::descriptors::Descriptor;
use super::system_error;

/// The status pages of everything of a kind that is not over: of all running streams, or of all timelines.
#[derive(Debug)]
pub(super) struct StatusPages<Id, Writer> {
    pages: HashMap<Id, Writer>,
}

/// Those of streams.
pub(super) type StreamPages = StatusPages<StreamId, StatusWriter<OwnedWords>>;
/// Those of timelines.
pub(super) type TimelinePages = StatusPages<TimelineId, TimelineStatusWriter<OwnedWords>>;

impl<Id, Writer> Default for StatusPages<Id, Writer> {
    fn default() -> Self {
        Self {
            pages: HashMap::new(),
        }
    }
}

impl<Id: Eq + Hash, Writer> StatusPages<Id, Writer> {
    /// Writes into the page of `id`, if there is one.
    pub(super) fn write(&self, id: Id, write: impl FnOnce(&Writer)) {
        if let Some(page) = self.pages.get(&id) {
            write(page);
        }
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.pages.remove(&id);
    }
}

impl StreamPages {
    /// Creates the page of a stream, and returns it as others may have it.
    pub(super) fn create(&mut self, stream: StreamId) -> Result<Descriptor, BrokerError> {
        let (words, page) = make(STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)?;
        self.pages.insert(stream, StatusWriter::new(words));
        Ok(page)
    }
}

impl TimelinePages {
    /// Creates the page of a timeline, and returns it as others may have it.
    pub(super) fn create(&mut self, timeline: TimelineId) -> Result<Descriptor, BrokerError> {
        let (words, page) = make(PAGE_BYTES, status::END)?;
        self.pages.insert(timeline, TimelineStatusWriter::new(words));
        Ok(page)
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
