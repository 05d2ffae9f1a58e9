//! Where each word of the three shared pages lives.
//!
//! Positions count cells of eight bytes. Words that different moments of the protocol touch are a cache line (eight cells)
//! apart. The layout is part of the protocol between processes: [`MAGIC`] changes with it.

/// Most buffers a stream can rotate: the ring remembers this many frames.
pub const MAX_BUFFERS: usize = 64;
/// Most consumers of one stream at a time.
pub const MAX_CONSUMERS: usize = 64;

/// First cell of every page: says that the page follows this layout.
pub const MAGIC: u64 = u64::from_le_bytes(*b"wharf\0\0\x02");
/// Cell of [`MAGIC`] in every page.
pub const MAGIC_CELL: usize = 0;

/// The ring page: written by the producer.
pub mod ring {
    use super::{MAX_BUFFERS, MAX_CONSUMERS};

    /// u64: sequence number of the newest frame; 0 before the first.
    pub const HEAD: usize = 8;
    /// u32: low half of `HEAD`, stored after it; consumers sleep on it.
    pub const BELL: usize = 9;
    /// u64: every frame from `OLDEST_FROM` on lies in this generation of the buffers or a later one; stored after it.
    pub const OLDEST: usize = 10;
    /// u64: the first frame that `OLDEST` speaks of.
    pub const OLDEST_FROM: usize = 11;
    /// u32: 1 while the producer sleeps or is about to.
    pub const WAITING: usize = 16;
    /// u64 each: frame `seq` is in the buffer named by slot `seq % MAX_BUFFERS`, as `seq << 8 | buffer`.
    pub const SLOTS: usize = 24;
    /// u64 each: sequence number of the valid frame in a buffer; 0 while there is none.
    pub const FRAME_SEQ: usize = SLOTS + MAX_BUFFERS;
    /// Two u64 each: first frame meant for the consumer in a slot, then its incarnation, stored in this order.
    pub const ADMISSIONS: usize = FRAME_SEQ + MAX_BUFFERS;
    /// [`DESCRIPTOR_CELLS`] cells each: what the frame in a buffer is.
    pub const DESCRIPTORS: usize = ADMISSIONS + 2 * MAX_CONSUMERS;
    /// Cells of one descriptor.
    pub const DESCRIPTOR_CELLS: usize = 24;
    /// Which cell of a descriptor says in which generation of the buffers the frame lies.
    pub const DESCRIPTOR_GENERATION: usize = 2;

    /// What the producer counts ([`crate::stats`]).
    pub const STATS: usize = DESCRIPTORS + MAX_BUFFERS * DESCRIPTOR_CELLS;
    /// Cells of the page.
    pub const END: usize = STATS + crate::stats::producer::CELLS;

    /// Cell of the slot of frame `seq`.
    pub const fn slot(seq: u64) -> usize {
        // CAST: the remainder is below MAX_BUFFERS.
        SLOTS + (seq % MAX_BUFFERS as u64) as usize
    }
}

/// A consumer's page: written by that consumer.
pub mod consumer {
    use super::MAX_BUFFERS;

    /// u64: every frame up to this one was claimed or passed over.
    pub const CURSOR: usize = 8;
    /// u32: counts releases; the producer sleeps on it.
    pub const RELEASES: usize = 9;
    /// u32: 1 once the consumer has left in order.
    pub const LEFT: usize = 10;
    /// u32: 1 while the consumer sleeps or is about to.
    pub const WAITING: usize = 16;
    /// u64 each: sequence number of the frame held in a buffer; 0 when none is.
    pub const HOLDS: usize = 24;
    /// What the consumer counts ([`crate::stats`]).
    pub const STATS: usize = HOLDS + MAX_BUFFERS;
    /// Cells of the page.
    pub const END: usize = STATS + crate::stats::consumer::CELLS;
}

/// The status page: written by the broker.
pub mod status {
    use super::MAX_CONSUMERS;

    /// u32: counts changes of this page; everybody sleeps on it.
    pub const VERSION: usize = 8;
    /// u32: state of the stream.
    pub const STREAM: usize = 9;
    /// u64: the generation of the buffers that is in use.
    pub const GENERATION: usize = 10;
    /// u64: the generation that the producer is to take, 0 if none.
    pub const OFFERED_TO_PRODUCER: usize = 11;
    /// u64: the generation that consumers are to take, 0 if none.
    pub const OFFERED_TO_CONSUMERS: usize = 12;
    /// u64 each: `incarnation << 2 | state` of a consumer slot.
    pub const SLOTS: usize = 16;
    /// Cells of the page.
    pub const END: usize = SLOTS + MAX_CONSUMERS;
}

/// Cells of a ring page.
pub const RING_PAGE_CELLS: usize = ring::END;
/// Cells of a consumer page.
pub const CONSUMER_PAGE_CELLS: usize = consumer::END;
/// Cells of a status page.
pub const STATUS_PAGE_CELLS: usize = status::END;

/// Exact size in bytes of the memfd of a ring page.
pub const RING_PAGE_BYTES: usize = whole_pages(RING_PAGE_CELLS);
/// Exact size in bytes of the memfd of a consumer page.
pub const CONSUMER_PAGE_BYTES: usize = whole_pages(CONSUMER_PAGE_CELLS);
/// Exact size in bytes of the memfd of a status page.
pub const STATUS_PAGE_BYTES: usize = whole_pages(STATUS_PAGE_CELLS);

const fn whole_pages(cells: usize) -> usize {
    (cells * wharf_memory::CELL_BYTES).next_multiple_of(4096)
}
