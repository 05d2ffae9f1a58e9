//! A stream as somebody sees it who has no part in it.

use super::{ConsumerLook, ProducerLook};
use crate::layout::{MAGIC, MAGIC_CELL, MAX_CONSUMERS, consumer as theirs, ring as at};
use crate::status::{StatusPage, StreamState};
use wharf_memory::{Ordering, ReadWords};

/// The pages of a stream, mapped by somebody who only looks. Nobody notices, and nothing that is written there can do harm: any
/// number is shown as it is.
#[derive(Debug)]
pub struct Watched<R> {
    ring: R,
    status: StatusPage<R>,
}

impl<R: ReadWords> Watched<R> {
    /// Takes a stream's ring page of [`RING_PAGE_CELLS`](crate::RING_PAGE_CELLS) cells and its status page of
    /// [`STATUS_PAGE_CELLS`](crate::STATUS_PAGE_CELLS).
    pub fn new(ring: R, status: R) -> Self {
        Self {
            ring,
            status: StatusPage::new(status),
        }
    }

    /// Whether the producer follows the layout this code knows. Otherwise what it shows means nothing.
    pub fn layout_matches(&self) -> bool {
        self.ring.load_u64(MAGIC_CELL, Ordering::Acquire) == MAGIC
    }

    /// What has become of the stream.
    pub fn stream_state(&self) -> StreamState {
        self.status.stream_state()
    }

    /// What the producer says of itself.
    pub fn producer(&self) -> ProducerLook {
        ProducerLook::at(&self.ring, at::STATS, self.head())
    }

    /// What the consumer `incarnation` in `slot` says of itself in its `page`, of
    /// [`CONSUMER_PAGE_CELLS`](crate::CONSUMER_PAGE_CELLS) cells. `None` if that follows another layout.
    pub fn consumer(&self, page: &R, slot: usize, incarnation: u64) -> Option<ConsumerLook> {
        if page.load_u64(MAGIC_CELL, Ordering::Acquire) != MAGIC {
            return None;
        }
        // ORDERING: the cursor before the head, so that a frame claimed between is not counted as waiting.
        let cursor = page.load_u64(theirs::CURSOR, Ordering::Acquire);
        let head = self.head();
        let queued = match self.frames_before(slot, incarnation) {
            Some(before) => head.saturating_sub(cursor.max(before)),
            None => 0,
        };
        let held = |buffer: usize| {
            let seq = page.load_u64(theirs::HOLDS + buffer, Ordering::Relaxed);
            // A frame that was never published is nonsense.
            if seq <= head { seq } else { 0 }
        };
        Some(ConsumerLook::at(page, theirs::STATS, queued, held))
    }

    fn head(&self) -> u64 {
        self.ring.load_u64(at::HEAD, Ordering::Acquire)
    }

    /// How many frames were published before a consumer was let in; `None` while it is not.
    fn frames_before(&self, slot: usize, incarnation: u64) -> Option<u64> {
        let cell = at::ADMISSIONS + 2 * slot;
        // ORDERING: Acquire: with the incarnation comes the number of the first frame.
        let is_in = slot < MAX_CONSUMERS && self.ring.load_u64(cell + 1, Ordering::Acquire) == incarnation;
        is_in.then(|| self.ring.load_u64(cell, Ordering::Relaxed).saturating_sub(1))
    }
}
