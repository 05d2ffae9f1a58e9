//! A consumer's side of the hand-over.

mod claiming;
mod moving;
mod polling;

use crate::descriptor::{Corrupt, FrameInfo, load};
use crate::doorbell::Doorbell;
use crate::layout::{ASLEEP, MAGIC, MAGIC_CELL, MAX_BUFFERS, POLLING, consumer as own, ring as at};
use crate::member::Policy;
use crate::status::{GenerationNews, StatusPage, StreamState};
use std::sync::Arc;
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, WriteWords, fence, wait_any, wake};

/// A frame this consumer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// Its sequence number.
    pub seq: u64,
    /// The buffer it is in.
    pub buffer: usize,
    /// Frames passed over since the one claimed before: lost to the `Latest` policy, or reported as missing.
    pub skipped: u64,
}

/// Why no frame could be claimed although the consumer asked rightly, or that it did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The consumer holds as many frames as it asked for when it joined: it must release one first.
    #[error("this consumer already holds {depth} frames, the depth it joined with: release one first")]
    HoldsTooMany {
        /// The depth it joined with.
        depth: usize,
    },
    /// What the producer wrote makes no sense.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// A consumer of a stream: the only writer of its own page.
///
/// `O` are the words of that page, `R` those of pages others write.
#[derive(Debug)]
pub struct Consumer<O, R> {
    page: O,
    ring: R,
    status: StatusPage<R>,
    slot: usize,
    incarnation: u64,
    buffer_count: usize,
    /// No buffer from this one on was ever held.
    reach: usize,
    depth: usize,
    policy: Policy,
    /// What the caller knows of the buffers' generations.
    news: GenerationNews,
    /// Every frame up to this one was claimed or passed over; `None` until admitted.
    cursor: Option<u64>,
    /// Frames passed over since the last one claimed.
    skipped: u64,
    /// Rung for the producer when it waits for that.
    producers_bell: Option<Arc<dyn Doorbell>>,
    /// Up to which frame this consumer may not have been rung, while it waits for its own doorbell; [`NOT_ADMITTED`] as long as
    /// that is not known.
    armed_at: Option<u64>,
}

/// Who waits for its doorbell before it is admitted is rung from its first frame on, whichever that is.
const NOT_ADMITTED: u64 = u64::MAX;

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
    /// Joins a stream with what the broker gave: `slot` (below [`MAX_CONSUMERS`](crate::MAX_CONSUMERS); another is never admitted) and `incarnation`, the
    /// stream's ring and status pages, the most buffers it can have, and the `depth` and `policy` asked for. `page` is this consumer's
    /// own, zeroed.
    pub fn new(
        page: O,
        (ring, status): (R, R),
        (slot, incarnation): (usize, u64),
        buffer_count: usize,
        (depth, policy): (usize, Policy),
    ) -> Self {
        page.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
        Self {
            page,
            ring,
            status: StatusPage::new(status),
            slot,
            incarnation,
            buffer_count: buffer_count.clamp(1, MAX_BUFFERS),
            reach: 0,
            depth: depth.clamp(1, MAX_BUFFERS),
            policy,
            news: GenerationNews::default(),
            cursor: None,
            skipped: 0,
            producers_bell: None,
            armed_at: None,
        }
    }

    /// Whether the ring page follows the layout this code knows.
    pub fn layout_matches(&self) -> bool {
        self.ring.load_u64(MAGIC_CELL, Ordering::Acquire) == MAGIC
    }

    /// Its slot in the stream.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Its incarnation.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// What has become of the stream. Look at this *before* [`Consumer::try_claim`] says that there is no frame: frames
    /// published before the end are still there.
    pub fn stream_state(&self) -> StreamState {
        self.status.stream_state()
    }

    /// Whether the broker still counts this consumer as a member.
    pub fn is_member(&self) -> bool {
        self.status.is_live(self.slot, self.incarnation)
    }

    /// Whether the producer has let this consumer in: only then frames come.
    pub fn is_admitted(&mut self) -> bool {
        self.admitted_cursor().is_some()
    }

    /// Reads what the frame is, and when it was published (`CLOCK_MONOTONIC`, in nanoseconds; the producer's word).
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when the descriptor makes no sense for a buffer of `size_bytes`.
    pub fn describe(&self, claim: &Claim, size_bytes: u64) -> Result<(FrameInfo, u64), Corrupt> {
        let first_cell = at::DESCRIPTORS + claim.buffer * at::DESCRIPTOR_CELLS;
        load(&self.ring, first_cell, claim.seq, size_bytes)
    }

    /// Releases the frame held in `buffer`; the producer may fill it again from here on. A buffer not held is ignored.
    pub fn release(&self, buffer: usize) {
        release(&self.page, &self.ring, self.producers_bell.as_deref(), buffer);
    }

    /// Sleeps until the producer publishes, the broker changes the status page, or the deadline passes; does not sleep when a
    /// frame beyond the cursor is there already, or the broker says something about the buffers' generations that the caller does not
    /// know.
    ///
    /// # Blocking
    ///
    /// As said, or until a signal. Not at all while a frame waits.
    ///
    /// Whoever can read a page can also move those who sleep on it elsewhere (`FUTEX_REQUEUE`), and they would miss the wake-up.
    /// Where not all participants trust each other, sleep in slices.
    pub fn wait(&mut self, deadline: Option<Deadline>) -> WaitOutcome {
        let seen_bell = self.ring.load_u32(at::BELL, Ordering::Acquire);
        let seen_version = self.status.version();
        self.page.store_u32(own::WAITING, ASLEEP, Ordering::Relaxed);
        // ORDERING: SeqCst fence between announcing the sleep and looking once more; its counterpart is in
        // `Producer::ring_bell`.
        fence(Ordering::SeqCst);
        let head = self.ring.load_u64(at::HEAD, Ordering::Acquire);
        let is_idle = self.admitted_cursor().is_none_or(|cursor| head <= cursor);
        let knows_all = self.status.news_for_consumers() == self.news;
        let may_sleep =
            is_idle && knows_all && self.stream_state() == StreamState::Running && self.is_member();
        let outcome = if may_sleep {
            wait_any(
                &[
                    (self.ring.futex(at::BELL), seen_bell),
                    (self.status.version_word(), seen_version),
                ],
                deadline,
            )
        } else {
            WaitOutcome::Retry
        };
        self.page.store_u32(own::WAITING, 0, Ordering::Relaxed);
        outcome
    }
}

/// Releases the frame in `buffer` on a consumer's own `page`, for a frame that outlives the borrow of its consumer.
/// `bell` is rung if the producer waits for that.
pub fn release<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>, buffer: usize) {
    if buffer >= MAX_BUFFERS {
        return;
    }
    // ORDERING: Release: the reads of the frame are done before the producer sees it free.
    page.store_u64(own::HOLDS + buffer, 0, Ordering::Release);
    notify_release(page, ring, bell);
}

/// Says in a consumer's own `page` that it has left, before it ever knew the stream: a producer that admits it drops it at once.
pub fn decline<O: WriteWords>(page: &O) {
    page.store_u32(own::LEFT, 1, Ordering::Release);
}

/// Leaves a stream in order: says so in the consumer's own `page` and wakes the producer, who drops every hold at once. Frames not
/// yet released must not be read any more.
pub fn leave<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>) {
    decline(page);
    notify_release(page, ring, bell);
}

/// Counts a release and wakes the producer if it says that it sleeps, or rings for it if it waits for that.
fn notify_release<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>) {
    // One step, because several threads of this process may release at once: a count stored twice could be slept through.
    page.increment_u32(own::RELEASES, Ordering::Release);
    // ORDERING: SeqCst fence between counting the release and looking for a sleeping producer; its counterpart is in
    // `Producer::wait`.
    fence(Ordering::SeqCst);
    match ring.load_u32(at::WAITING, Ordering::Relaxed) {
        0 => {}
        POLLING => bell.into_iter().for_each(Doorbell::ring),
        _ => {
            wake(page.futex(own::RELEASES));
        }
    }
}
