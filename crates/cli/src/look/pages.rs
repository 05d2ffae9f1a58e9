//! The pages of a stream, mapped to look at.

use std::os::fd::OwnedFd;

use wharf::PATIENCE;
use wharf_memory::{Access, Mapping, ReadOnlyWords};
use wharf_protocol::transport::{BlockingClient, CallError};
use wharf_protocol::{Incarnation, Member, StreamId, WatchStream};
use wharf_stream::stats::Watched;
use wharf_stream::status::StreamState;
use wharf_stream::{
    CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS, RING_PAGE_BYTES, RING_PAGE_CELLS, STATUS_PAGE_BYTES,
    STATUS_PAGE_CELLS,
};

use super::StreamLook;
use crate::failure::Failure;

/// The pages of a stream. Their descriptors are closed: mapped, they need none.
#[derive(Debug)]
pub(super) struct Pages {
    stream: Watched<ReadOnlyWords>,
    consumers: Vec<Consumer>,
}

#[derive(Debug)]
struct Consumer {
    slot: u32,
    incarnation: Incarnation,
    page: ReadOnlyWords,
}

/// Whether pages are those of a stream with these consumers.
pub(super) fn is_still_right(pages: &Pages, members: &[Member]) -> bool {
    let known = pages.consumers.iter().map(|consumer| consumer.incarnation);
    known.eq(members.iter().map(|member| member.incarnation))
}

impl Pages {
    /// Asks the broker for the pages of a stream and maps them. `None` where they are not to be had or are not what they should be.
    pub(super) fn take(client: &mut BlockingClient, stream: StreamId) -> Result<Option<Self>, Failure> {
        match client.call(WatchStream { stream }, &[], PATIENCE) {
            Ok((reply, fds)) => Ok(Self::map(&reply.members, &fds)),
            // The stream is over, the broker does not know the call, or there is no room for the descriptors.
            Err(CallError::Broker(_) | CallError::DescriptorsLost { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn map(members: &[Member], fds: &[OwnedFd]) -> Option<Self> {
        let [ring, status, pages @ ..] = fds else {
            return None;
        };
        let ring = map(ring, RING_PAGE_BYTES, RING_PAGE_CELLS)?;
        let status = map(status, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS)?;
        let consumer = |(member, page): (&Member, &OwnedFd)| {
            Some(Consumer {
                slot: member.slot.0,
                incarnation: member.incarnation,
                page: map(page, CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS)?,
            })
        };
        Some(Self {
            stream: Watched::new(ring, status),
            consumers: members.iter().zip(pages).filter_map(consumer).collect(),
        })
    }

    /// What the stream says of itself now. `None` once it is over, or if its producer speaks another language.
    pub(super) fn look(&self) -> Option<StreamLook> {
        let runs = self.stream.stream_state() == StreamState::Running;
        if !runs || !self.stream.layout_matches() {
            return None;
        }
        let look = |consumer: &Consumer| {
            // CAST: a u32 fits any usize of Linux.
            let slot = consumer.slot as usize;
            let look = self
                .stream
                .consumer(&consumer.page, slot, consumer.incarnation.0)?;
            Some((consumer.incarnation, look))
        };
        Some(StreamLook {
            // After the consumers, so that nobody has received more than was published.
            consumers: self.consumers.iter().filter_map(look).collect(),
            producer: self.stream.producer(),
        })
    }
}

fn map(fd: &OwnedFd, len_bytes: usize, cells: usize) -> Option<ReadOnlyWords> {
    let mapping = Mapping::map(fd, len_bytes, Access::ReadOnly).ok()?;
    ReadOnlyWords::new(mapping, cells).ok()
}
