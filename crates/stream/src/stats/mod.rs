//! What a stream's participants count about themselves, for whoever may look.
//!
//! Each participant keeps its counts at the end of the page that it writes anyway (contract S3): a relaxed load and a relaxed
//! store, no system call, no locked operation, and no line of memory that somebody else waits for. Readers map the pages and look,
//! whenever they like; nobody notices. They believe nothing: what they read are numbers that a peer wrote, perhaps while they looked,
//! so sums saturate and differences stop at zero.
//!
//! | page | counts |
//! |---|---|
//! | ring | waits for a buffer and how long, who was in the way, frames taken back, wake-ups, acquisitions that failed |
//! | consumer | frames received, by the time since their publication; frames skipped; waits; since when each frame is held |
//!
//! Frames published are the ring's head. Frames received are the sum of the histogram. A wait counts once it has taken longer than a
//! glance, about a microsecond.

mod counting;
mod histogram;
mod looking;
mod watching;

pub(crate) use counting::{ConsumerCounters, ProducerCounters};
pub use histogram::{Histogram, Quantile};
pub use looking::{ConsumerLook, Hold, ProducerLook};
pub use watching::Watched;

/// Where each count of a producer lies, from the first of its cells.
pub(crate) mod producer {
    /// u64: times that the producer had to wait for a buffer.
    pub(crate) const WAITS: usize = 0;
    /// u64: nanoseconds it has waited in all, without a wait that is not over.
    pub(crate) const WAITED_NS: usize = 1;
    /// u64: `CLOCK_MONOTONIC` nanoseconds since which it waits; 0 while it does not.
    pub(crate) const WAITING_SINCE_NS: usize = 2;
    /// u64: the slots of the consumers that were in the way when it began to wait last, one bit each.
    pub(crate) const BLOCKED_BY: usize = 3;
    /// u64: acquisitions that ended without a buffer.
    pub(crate) const FAILURES: usize = 4;
    /// u64: frames taken back that a consumer had not claimed.
    pub(crate) const TAKEN_BACK: usize = 5;
    /// u64: wake-ups: publications for which somebody slept.
    pub(crate) const WAKES: usize = 6;
    /// Cells of all of them: a cache line.
    pub(crate) const CELLS: usize = 8;
}

/// Where each count of a consumer lies, from the first of its cells.
pub(crate) mod consumer {
    use super::histogram::BUCKETS;
    use crate::layout::MAX_BUFFERS;

    /// u64: frames passed over.
    pub(crate) const SKIPPED: usize = 0;
    /// u64: times that the consumer had to wait for a frame.
    pub(crate) const WAITS: usize = 1;
    /// u64: nanoseconds it has waited in all.
    pub(crate) const WAITED_NS: usize = 2;
    /// u64 each: `CLOCK_MONOTONIC` nanoseconds at which the frame in a buffer was received last.
    pub(crate) const RECEIVED_NS: usize = 8;
    /// u64 each: frames received so long after their publication.
    pub(crate) const LATENCY: usize = RECEIVED_NS + MAX_BUFFERS;
    /// Cells of all of them, in whole cache lines.
    pub(crate) const CELLS: usize = (LATENCY + BUCKETS).next_multiple_of(8);
}
