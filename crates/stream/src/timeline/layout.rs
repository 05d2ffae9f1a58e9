//! Where each word of a timeline and of its pages lives.
//!
//! Positions count cells of eight bytes. The words of a timeline itself are given from its base cell, because a timeline has a page of
//! its own or is part of another page.

use wharf_memory::{CELL_BYTES, Ordering, ReadWords, WriteWords};

/// First cell of every page of a timeline: says that the page follows this layout.
pub const MAGIC: u64 = u64::from_le_bytes(*b"wharftl\x01");
/// Cell of [`MAGIC`].
pub const MAGIC_CELL: usize = 0;

/// The highest point of a timeline. At a point per nanosecond it is reached after nine years.
pub const MAX_POINT: u64 = (1 << (64 - ERRNO_BITS + SLOT_BITS)) - 1;
/// How many points can have an error at a time: those with the same remainder share a cell.
pub const ERROR_SLOTS: usize = 1 << SLOT_BITS;
/// Bits of an error number: 0 to 4095.
const ERRNO_BITS: u32 = 12;
/// Bits of a point that its error's cell stands for.
const SLOT_BITS: u32 = 6;

/// The words of a timeline, from its base cell.
pub mod point {
    use super::ERROR_SLOTS;

    /// u64: the highest point signaled, 0 at first.
    pub const VALUE: usize = 0;
    /// u32: counts signals; stored after `VALUE`. Who waits sleeps on it.
    pub const BELL: usize = 1;
    /// u64 each: the newest error among the points with this remainder, as `point / 64 << 12 | errno`.
    pub const ERRORS: usize = 8;
    /// How many cells a timeline takes.
    pub const CELLS: usize = ERRORS + ERROR_SLOTS;
}

/// A page that is a timeline and nothing else: written by the timeline's owner.
pub mod page {
    /// Base cell of the timeline.
    pub const BASE: usize = 8;
    /// Cells of the page.
    pub const END: usize = BASE + super::point::CELLS;
}

/// A waiter page: written by a process that waits for timelines of others.
pub mod waiter {
    /// u64 each: the lowest point of one timeline that somebody here waits for; 0 if nobody does.
    pub const FIRST: usize = 8;
    /// Cells of the page.
    pub const END: usize = 512;
    /// With how many timelines one page does.
    pub const COUNT: usize = END - FIRST;
}

/// The status page of a timeline: written by the broker.
pub mod status {
    /// u32: counts changes of this page; who waits sleeps on it.
    pub const VERSION: usize = 8;
    /// u32: state of the timeline.
    pub const STATE: usize = 9;
    /// u64: number of the newest import.
    pub const IMPORTS: usize = 10;
    /// Cells of the page.
    pub const END: usize = 16;
}

/// Exact size in bytes of the memfd of each of these pages.
pub const PAGE_BYTES: usize = 4096;

const _: () = assert!(waiter::END * CELL_BYTES == PAGE_BYTES && page::END <= waiter::END);

/// The cell, from the base, of a point's error.
pub(super) fn error_cell(point: u64) -> usize {
    // CAST: the remainder is below ERROR_SLOTS.
    point::ERRORS + (point % ERROR_SLOTS as u64) as usize
}

/// What tells a point from others that share its error's cell.
pub(super) fn tag(point: u64) -> u64 {
    point >> SLOT_BITS
}

/// What the cell of an error says: whose it is, without what does not fit, then the error number.
pub(crate) fn encode_error(tag: u64, errno: i32) -> u64 {
    // CAST: callers pass 1 to 4095.
    tag << ERRNO_BITS | errno as u64
}

/// The error number that such a cell has for `tag`, if it is about that one and has any.
pub(crate) fn decode_error(cell: u64, tag: u64) -> Option<i32> {
    let errno = cell & ((1 << ERRNO_BITS) - 1);
    // CAST: 12 bits fit.
    (cell == tag << ERRNO_BITS | errno && errno != 0).then_some(errno as i32)
}

/// Marks a page as laid out like this.
pub fn mark(words: &impl WriteWords) {
    words.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
}

/// Whether a page is laid out like this: that of another version may not be.
pub fn is_marked(words: &impl ReadWords) -> bool {
    words.load_u64(MAGIC_CELL, Ordering::Acquire) == MAGIC
}
