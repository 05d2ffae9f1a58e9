//! The side that looks: at pages that others write.

use super::{Histogram, consumer as theirs, producer as its};
use crate::layout::MAX_BUFFERS;
use wharf_memory::{Ordering, ReadWords};

/// What a producer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerLook {
    /// Frames published.
    pub published: u64,
    /// Times it had to wait for a buffer.
    pub waits: u64,
    /// Nanoseconds it has waited in all, without a wait that is not over.
    pub waited_ns: u64,
    /// Since when it waits, in nanoseconds of `CLOCK_MONOTONIC`, if it does.
    pub waiting_since_ns: Option<u64>,
    /// The slots of the consumers that were in the way when it began to wait last, one bit each.
    pub blocked_by: u64,
    /// Acquisitions that ended without a buffer.
    pub failures: u64,
    /// Frames taken back that a consumer had not claimed.
    pub taken_back: u64,
    /// Wake-ups.
    pub wakes: u64,
}

impl ProducerLook {
    /// Reads the counts from cell `first` on of a page that the producer writes; `published` is read elsewhere.
    pub(crate) fn at<R: ReadWords>(page: &R, first: usize, published: u64) -> Self {
        // ORDERING: relaxed: nothing follows from a count but that it is shown.
        let read = |cell: usize| page.load_u64(first + cell, Ordering::Relaxed);
        Self {
            published,
            waits: read(its::WAITS),
            waited_ns: read(its::WAITED_NS),
            waiting_since_ns: Some(read(its::WAITING_SINCE_NS)).filter(|since| *since != 0),
            blocked_by: read(its::BLOCKED_BY),
            failures: read(its::FAILURES),
            taken_back: read(its::TAKEN_BACK),
            wakes: read(its::WAKES),
        }
    }

    /// Whether the consumer in a slot is in the way of a producer that waits.
    pub fn is_blocked_by(&self, slot: usize) -> bool {
        let bit = u32::try_from(slot).ok().and_then(|slot| 1_u64.checked_shl(slot));
        self.waiting_since_ns.is_some() && bit.is_some_and(|bit| self.blocked_by & bit != 0)
    }
}

/// A frame that a consumer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The buffer it lies in.
    pub buffer: usize,
    /// Its sequence number.
    pub seq: u64,
    /// Since when, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
}

/// What a consumer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerLook {
    /// The times from publication to receipt of all frames received.
    pub latency: Histogram,
    /// Frames passed over.
    pub skipped: u64,
    /// Times it had to wait for a frame.
    pub waits: u64,
    /// Nanoseconds it has waited in all.
    pub waited_ns: u64,
    /// Frames published and not yet claimed or passed over.
    pub queued: u64,
    /// The frames it holds, by ascending buffer.
    pub holds: Vec<Hold>,
}

impl ConsumerLook {
    /// Reads the counts from cell `first` on of a page that the consumer writes. `held` tells the frame it holds in a buffer, 0 if none.
    pub(crate) fn at<R: ReadWords>(page: &R, first: usize, queued: u64, held: impl Fn(usize) -> u64) -> Self {
        // ORDERING: relaxed, as in `ProducerLook`.
        let read = |cell: usize| page.load_u64(first + cell, Ordering::Relaxed);
        let hold = |buffer: usize| {
            let seq = held(buffer);
            (seq != 0).then(|| Hold {
                buffer,
                seq,
                since_ns: read(theirs::RECEIVED_NS + buffer),
            })
        };
        Self {
            latency: Histogram::from_buckets(|bucket| read(theirs::LATENCY + bucket)),
            skipped: read(theirs::SKIPPED),
            waits: read(theirs::WAITS),
            waited_ns: read(theirs::WAITED_NS),
            queued,
            holds: (0..MAX_BUFFERS).filter_map(hold).collect(),
        }
    }

    /// Frames received.
    pub fn received(&self) -> u64 {
        self.latency.count()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::super::{ConsumerCounters, ProducerCounters, Quantile};
    use super::*;
    use crate::stats;
    use wharf_memory::{HeapWords, WriteWords};

    /// Where the counts begin in these pages.
    const FIRST: usize = 5;

    fn page(cells: usize) -> HeapWords {
        HeapWords::new(FIRST..FIRST + cells, [])
    }

    #[test]
    fn what_a_producer_counts_is_what_readers_see() {
        let page = page(stats::producer::CELLS);
        let counters = ProducerCounters::new(&page, FIRST);
        counters.took_back();
        counters.took_back();
        counters.woke();
        counters.failed();
        counters.waits(1000, [0, 5, 63, 64, usize::MAX].into_iter());
        let look = ProducerLook::at(&page, FIRST, 9);
        assert_eq!(look.waiting_since_ns, Some(1000));
        let blocked: Vec<usize> = (0..70).filter(|slot| look.is_blocked_by(*slot)).collect();
        assert_eq!(blocked, [0, 5, 63]);
        counters.has_waited(250);
        counters.has_waited(0);
        let look = ProducerLook::at(&page, FIRST, 9);
        let expected = ProducerLook {
            published: 9,
            waits: 2,
            waited_ns: 250,
            waiting_since_ns: None,
            blocked_by: 1 | 1 << 5 | 1 << 63,
            failures: 1,
            taken_back: 2,
            wakes: 1,
        };
        assert_eq!(look, expected);
        assert!(!look.is_blocked_by(0), "it does not wait any more");
    }

    #[test]
    fn what_a_consumer_counts_is_what_readers_see() {
        let page = page(stats::consumer::CELLS);
        let counters = ConsumerCounters::new(&page, FIRST);
        counters.received(0, 1000, 3000);
        counters.received(63, 5000, 4000);
        counters.received(2, 10_000, 12_000);
        counters.skipped(4);
        counters.has_waited(30);
        counters.has_waited(12);
        let held = |buffer| [7, 0, 9].get(buffer).copied().unwrap_or(0);
        let look = ConsumerLook::at(&page, FIRST, 3, held);
        assert_eq!((look.received(), look.skipped, look.queued), (3, 4, 3));
        assert_eq!((look.waits, look.waited_ns), (2, 42));
        let hold = |buffer, seq, since_ns| Hold {
            buffer,
            seq,
            since_ns,
        };
        assert_eq!(look.holds, [hold(0, 7, 3000), hold(2, 9, 12_000)]);
        let median = look.latency.quantile_ns(Quantile::P50).unwrap();
        assert!((1792..2048).contains(&median), "{median}");
    }

    #[test]
    fn counts_wrap_rather_than_panic() {
        let page = page(stats::consumer::CELLS);
        page.store_u64(FIRST + stats::consumer::SKIPPED, u64::MAX, Ordering::Relaxed);
        ConsumerCounters::new(&page, FIRST).skipped(2);
        assert_eq!(ConsumerLook::at(&page, FIRST, 0, |_| 0).skipped, 1);
    }
}
