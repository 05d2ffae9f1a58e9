//! Where each word of the three shared pages lives.
//!
//! Positions count cells of eight bytes. What a hand-over costs is the cache lines (eight cells) that pass from core to core, so
//! everything that is said at one moment of the protocol lies in one line, and words of different moments are two lines apart, because
//! processors fetch lines in pairs. The layout is part of the protocol between processes: [`MAGIC`] changes with it.

/// Most buffers a stream can rotate: the ring remembers this many frames.
pub const MAX_BUFFERS: usize = 64;
/// Most consumers of one stream at a time.
pub const MAX_CONSUMERS: usize = 64;

/// First cell of every page: says that the page follows this layout.
pub const MAGIC: u64 = u64::from_le_bytes(*b"wharf\0\0\x07");
/// Cell of [`MAGIC`] in every page.
pub const MAGIC_CELL: usize = 0;

/// What somebody writes into its page who sleeps on a word or is about to.
pub const ASLEEP: u32 = 1;
/// What somebody writes into its page who waits for its doorbell.
pub const POLLING: u32 = 2;

/// The ring page: written by the producer.
///
/// A consumer that waits for the next frame looks at one line only, that of the frame's slot, and has the frame's common description with it.
pub mod ring {
    use super::{MAX_BUFFERS, MAX_CONSUMERS};

    /// u64: sequence number of the newest frame, stored after its slot; 0 before the first.
    pub const HEAD: usize = 16;
    /// u32: [`ASLEEP`](super::ASLEEP) while the producer sleeps or is about to, [`POLLING`](super::POLLING) while it waits for
    /// its doorbell, 0 otherwise.
    pub const WAITING: usize = 32;
    /// u32: 1 while the producer wants consumers to make a full fence after releasing, before they look whether it waits. In the same line,
    /// because it is looked at with that.
    pub const FENCED: usize = 33;
    /// u64: every frame from `OLDEST_FROM` on lies in this generation of the buffers or a later one; stored after it.
    pub const OLDEST: usize = 48;
    /// u64: the first frame that `OLDEST` speaks of.
    pub const OLDEST_FROM: usize = 49;
    /// [`LINE_CELLS`] cells each: frame `seq` is described in slot `seq % SLOT_COUNT`.
    pub const SLOTS: usize = 64;
    /// As many as frames can be unclaimed; in models, which use them again within a few frames, two (loom) or four (shuttle).
    pub const SLOT_COUNT: usize = if cfg!(loom) {
        2
    } else if cfg!(shuttle) {
        4
    } else {
        MAX_BUFFERS
    };
    /// Cells of a slot: one cache line.
    pub const LINE_CELLS: usize = 8;
    /// Two u64 each: first frame meant for the consumer in a slot, then its incarnation, stored in this order.
    pub const ADMISSIONS: usize = SLOTS + MAX_BUFFERS * LINE_CELLS;
    /// [`MORE_CELLS`] cells each: what else there is to say of the frame in a buffer, if its slot says that there is.
    pub const MORE: usize = ADMISSIONS + 2 * MAX_CONSUMERS;
    /// Two cache lines: the picture's layout, and the producer's own bytes.
    pub const MORE_CELLS: usize = 16;

    /// Of the first word of a slot, these bits are the frame's number, the rest its buffer. Sleepers compare the low half of the word.
    pub const SEQ_BITS: u32 = 56;
    /// The producer's points: when a frame's contents are there, see [`super::points`].
    pub const POINTS: usize = MORE + MAX_BUFFERS * MORE_CELLS;
    /// What the producer counts ([`crate::stats`]).
    pub const STATS: usize = (POINTS + super::points::CELLS).next_multiple_of(16);
    /// Cells of the page.
    pub const END: usize = STATS + crate::stats::producer::CELLS;

    /// In place of a buffer's number: the frame was taken back, or its slot is being written.
    pub const TAKEN_BACK: u64 = 0xff;
    /// Which cell of a slot says in which generation of the buffers the frame lies.
    pub const GENERATION: usize = 3;

    /// First cell of the slot of frame `seq`.
    pub const fn slot(seq: u64) -> usize {
        // CAST: the remainder is below SLOT_COUNT.
        SLOTS + (seq % SLOT_COUNT as u64) as usize * LINE_CELLS
    }

    /// The first word of the slot of frame `seq`, which lies in `buffer`.
    pub const fn word(seq: u64, buffer: u64) -> u64 {
        seq_of(seq) | buffer << SEQ_BITS
    }

    /// The frame's number in the first word of a slot.
    pub const fn seq_of(word: u64) -> u64 {
        word & ((1 << SEQ_BITS) - 1)
    }

    /// First cell of what else there is to say of the frame in `buffer`.
    pub const fn more(buffer: usize) -> usize {
        MORE + buffer * MORE_CELLS
    }
}

/// A consumer's page: written by that consumer.
pub mod consumer {
    use super::MAX_BUFFERS;

    /// u32: [`ASLEEP`](super::ASLEEP) while the consumer sleeps or is about to, [`POLLING`](super::POLLING) while it waits for
    /// its doorbell, 0 otherwise. In the producer's cache as long as nobody sleeps.
    pub const WAITING: usize = 8;
    /// u32: 1 once the consumer has left in order.
    pub const LEFT: usize = 9;
    /// u32: 1 if the consumer never sleeps; stored before it joins, for good.
    pub const SLEEPLESS: usize = 10;
    /// u32: 1 if the consumer wants the producer to make a full fence after publishing, before that looks whether it waits; stored before it
    /// joins, for good.
    pub const FENCED: usize = 11;
    /// u64: every frame up to this one was claimed or passed over.
    pub const CURSOR: usize = 32;
    /// u32: counts what was released while the producer waited; it sleeps on this.
    pub const RELEASES: usize = 33;
    /// u64 each: sequence number of the frame held in a buffer, with [`LENT`] or without; 0 when none is. The first six share a line with
    /// the cursor.
    pub const HOLDS: usize = 34;
    /// The consumer's points: when it has finished with a frame that it lent, see [`super::points`].
    pub const POINTS: usize = (HOLDS + MAX_BUFFERS).next_multiple_of(16);
    /// What the consumer counts ([`crate::stats`]).
    pub const STATS: usize = (POINTS + super::points::CELLS).next_multiple_of(16);
    /// Cells of the page.
    pub const END: usize = STATS + crate::stats::consumer::CELLS;

    /// In a hold: the frame was released, but work on it goes on until its point is reached.
    pub const LENT: u64 = 1 << 63;
}

/// The points of one side of a stream, a part of its page: when work on frames is over.
///
/// Each buffer is a timeline of its own, because work on different buffers may end in any order; the points are the numbers of the
/// frames there. So a point needs no word of its own: that there is one for a frame, its slot or its hold says.
pub mod points {
    use super::MAX_BUFFERS;

    /// u32: how many threads here sleep until a point of somebody else is reached.
    pub const SLEEPERS: usize = 0;
    /// u32: counts points reached; they sleep on it.
    pub const BELL: usize = 16;
    /// Two u64 each: the highest point of a buffer that is reached, and the newest error: the point's low bits, then 12 bits of error number.
    pub const BUFFERS: usize = 32;
    /// Cells of all this.
    pub const CELLS: usize = BUFFERS + 2 * MAX_BUFFERS;

    /// The cell of the highest point of `buffer`, from the first cell; that of the error comes after it.
    pub const fn value(buffer: usize) -> usize {
        BUFFERS + 2 * (buffer % MAX_BUFFERS)
    }
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
