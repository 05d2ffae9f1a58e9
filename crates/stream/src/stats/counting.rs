//! The side that counts: each participant in its own page.

use super::histogram::bucket_of;
use super::{consumer as mine, producer as its};
use wharf_memory::{Ordering, WriteWords};

/// Adds to a count of this process's own page.
///
/// ORDERING: relaxed: a count orders nothing, and readers judge each by itself. Only one thread at a time counts in a page, so a load
/// and a store do.
fn add<W: WriteWords>(page: &W, cell: usize, amount: u64) {
    // The models check the hand-over; counts take no part in it and would only multiply the schedules.
    if !cfg!(any(loom, shuttle)) {
        let count = page.load_u64(cell, Ordering::Relaxed);
        put(page, cell, count.wrapping_add(amount));
    }
}

fn put<W: WriteWords>(page: &W, cell: usize, value: u64) {
    if !cfg!(any(loom, shuttle)) {
        page.store_u64(cell, value, Ordering::Relaxed);
    }
}

/// The counts of a producer, from cell `first` of its ring page on.
#[derive(Debug)]
pub(crate) struct ProducerCounters<'a, W> {
    page: &'a W,
    first: usize,
}

impl<'a, W: WriteWords> ProducerCounters<'a, W> {
    pub(crate) fn new(page: &'a W, first: usize) -> Self {
        Self { page, first }
    }

    /// It waits for a buffer, since `since_ns`, because of the consumers in these slots.
    pub(crate) fn waits(&self, since_ns: u64, blockers: impl Iterator<Item = usize>) {
        let bits = blockers.filter_map(|slot| 1_u64.checked_shl(u32::try_from(slot).ok()?));
        put(
            self.page,
            self.first + its::BLOCKED_BY,
            bits.fold(0, |all, bit| all | bit),
        );
        put(self.page, self.first + its::WAITING_SINCE_NS, since_ns);
    }

    /// It has waited.
    pub(crate) fn has_waited(&self, waited_ns: u64) {
        put(self.page, self.first + its::WAITING_SINCE_NS, 0);
        add(self.page, self.first + its::WAITS, 1);
        add(self.page, self.first + its::WAITED_NS, waited_ns);
    }

    /// It goes without a buffer.
    pub(crate) fn failed(&self) {
        add(self.page, self.first + its::FAILURES, 1);
    }

    /// It took back a frame that somebody had not claimed.
    pub(crate) fn took_back(&self) {
        add(self.page, self.first + its::TAKEN_BACK, 1);
    }

    /// It woke somebody.
    pub(crate) fn woke(&self) {
        add(self.page, self.first + its::WAKES, 1);
    }
}

/// The counts of a consumer, from cell `first` of its page on.
#[derive(Debug)]
pub(crate) struct ConsumerCounters<'a, W> {
    page: &'a W,
    first: usize,
}

impl<'a, W: WriteWords> ConsumerCounters<'a, W> {
    pub(crate) fn new(page: &'a W, first: usize) -> Self {
        Self { page, first }
    }

    /// It received the frame in `buffer`, below [`MAX_BUFFERS`](crate::MAX_BUFFERS).
    pub(crate) fn received(&self, buffer: usize, published_ns: u64, received_ns: u64) {
        put(self.page, self.first + mine::RECEIVED_NS + buffer, received_ns);
        let bucket = bucket_of(received_ns.saturating_sub(published_ns));
        add(self.page, self.first + mine::LATENCY + bucket, 1);
    }

    /// It passed over frames.
    pub(crate) fn skipped(&self, frames: u64) {
        add(self.page, self.first + mine::SKIPPED, frames);
    }

    /// It has waited for a frame.
    pub(crate) fn has_waited(&self, waited_ns: u64) {
        add(self.page, self.first + mine::WAITS, 1);
        add(self.page, self.first + mine::WAITED_NS, waited_ns);
    }
}
