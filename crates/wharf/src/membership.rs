//! A consumer's place in a stream.

use crate::buffers::Hold;
use crate::connection::Connection;
use crate::fences::{FarWork, Releases};
use crate::negotiation::SeatHold;
use std::sync::Arc;
use wharf_memory::{OwnedWords, ReadOnlyWords};
use wharf_protocol::{Incarnation, LeaveStream, Slot, StreamId};
use wharf_stream::Doorbell;

/// What a consumer and its frames share: the place in the stream. It is left when the consumer and the last frame are dropped, so
/// that no frame is refilled while it can be read. Work on a frame that was lent counts as a frame.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) page: Arc<OwnedWords>,
    pub(crate) ring: Arc<ReadOnlyWords>,
    /// The producer's work on frames.
    pub(crate) contents: Arc<FarWork>,
    /// This consumer's work on frames that it has lent.
    pub(crate) releases: Releases,
    /// The producer's, if it polls.
    pub(crate) bell: Option<Arc<dyn Doorbell>>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        wharf_stream::leave(&self.page, &self.ring, self.bell.as_deref());
    }
}

/// The broker's record of the place. The buffers keep it, and it goes with the last of them.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) connection: Arc<Connection>,
    pub(crate) stream: StreamId,
    pub(crate) slot: Slot,
    pub(crate) incarnation: Incarnation,
    /// The seat it came with, to be given up after the place.
    pub(crate) _seat: Option<Arc<SeatHold>>,
}

impl Hold for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        // The producer has been told through the page.
        self.connection.give_back(LeaveStream {
            stream: self.stream,
            slot: self.slot,
            incarnation: self.incarnation,
        });
    }
}
