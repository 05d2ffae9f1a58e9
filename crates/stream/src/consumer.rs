//! A consumer's side of the hand-over.

mod claiming;
mod moving;
mod page;
mod polling;

use page::held;
pub use page::{ask_for_fences, decline, leave, lend, promise_not_to_sleep, release, settle};

use crate::buffers::Buffers;
use crate::descriptor::{Common, Corrupt, FrameInfo, load};
use crate::doorbell::Doorbell;
use crate::layout::{ASLEEP, MAGIC, MAGIC_CELL, MAX_BUFFERS, consumer as own, ring as at};
use crate::member::Policy;
use crate::stats::ConsumerCounters;
use crate::status::{GenerationNews, StatusPage, StreamState};
use crate::waiting::{Looked, Spinner, Waiting, fence_before_last_look, sleep_within_reach};
use std::sync::Arc;
use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome, WriteWords, lighten_fences};

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
    /// What the slot said.
    common: Common,
}

impl Claim {
    /// Whether the contents are there only when the point of the buffer with the frame's number is reached: until then it must not be
    /// read, see [`Points`](crate::Points).
    pub fn has_point(&self) -> bool {
        self.common.has_point()
    }
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
    /// The buffers with frames that it holds, and some whose frames were released since this was last brought up to date.
    holding: Buffers,
    depth: usize,
    policy: Policy,
    /// What the caller knows of the buffers' generations.
    news: GenerationNews,
    /// Every frame up to this one was claimed or passed over; `None` until admitted.
    cursor: Option<u64>,
    /// Frames passed over since the last one claimed.
    skipped: u64,
    /// The head is to be looked at even if the slot of the next frame says that it has not come: it said something else, or was not looked at yet.
    doubts_slots: bool,
    spinner: Spinner,
    /// The producer makes a full fence before it looks whether this consumer waits.
    producer_fences: bool,
    /// Rung for the producer when it waits for that.
    producers_bell: Option<Arc<dyn Doorbell>>,
    /// While this consumer waits for its own doorbell: the last frame that is perhaps not rung for.
    armed_at: Option<u64>,
}

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
        lighten_fences();
        page.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
        Self {
            producer_fences: page.load_u32(own::FENCED, Ordering::Relaxed) != 0,
            page,
            ring,
            status: StatusPage::new(status),
            slot,
            incarnation,
            buffer_count: buffer_count.clamp(1, MAX_BUFFERS),
            holding: Buffers::NONE,
            depth: depth.clamp(1, MAX_BUFFERS),
            policy,
            news: GenerationNews::default(),
            cursor: None,
            skipped: 0,
            doubts_slots: true,
            spinner: Spinner::new(Waiting::Sleep),
            producers_bell: None,
            armed_at: None,
        }
    }

    /// Chooses how [`Consumer::wait`] waits; at first it sleeps at once. One that promised with [`promise_not_to_sleep`] does not sleep
    /// whatever is chosen.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        let is_sleepless = self.page.load_u32(own::SLEEPLESS, Ordering::Relaxed) != 0;
        self.spinner = Spinner::new(if is_sleepless { Waiting::Spin } else { waiting });
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
    #[inline]
    pub fn describe(&self, claim: &Claim, size_bytes: u64) -> Result<(FrameInfo, u64), Corrupt> {
        let places = (&claim.common, at::more(claim.buffer));
        load(&self.ring, places, claim.seq, size_bytes)
    }

    /// Counts a frame as received at `received_ns` (`CLOCK_MONOTONIC`), for whoever looks at this consumer. A relaxed load and two
    /// stores in lines that nobody else writes or waits for.
    pub fn count_received(&mut self, claim: &Claim, received_ns: u64) {
        self.counters()
            .received(claim.buffer, claim.common.published_ns, received_ns);
    }

    /// Gives up waiting for a frame. Only what is shown of this consumer depends on it.
    pub fn give_up(&mut self) {
        if let Some(waited_ns) = self.spinner.give_up() {
            self.counters().has_waited(waited_ns);
        }
    }

    fn counters(&self) -> ConsumerCounters<'_, O> {
        ConsumerCounters::new(&self.page, own::STATS)
    }

    /// Releases the frame held in `buffer`; the producer may fill it again from here on. A buffer not held is ignored.
    pub fn release(&self, buffer: usize) {
        if held(&self.page, buffer).is_none() {
            return;
        }
        release(&self.page, &self.ring, self.producers_bell.as_deref(), buffer);
    }

    /// Waits until the producer publishes, the broker changes the status page, or the deadline passes; does not wait when a
    /// frame beyond the cursor is there already, or the broker says something about the buffers' generations that the caller does not
    /// know.
    ///
    /// # Blocking
    ///
    /// As said, or until a signal: looking at first, if [`Consumer::set_waiting`] says so, then asleep. Not at all while a frame waits. A
    /// change by the broker alone may be noticed 5 ms late.
    ///
    /// Whoever can read a page can also move those who sleep on it elsewhere (`FUTEX_REQUEUE`), and they would miss the wake-up.
    /// Where not all participants trust each other, sleep in slices.
    pub fn wait(&mut self, deadline: Option<Deadline>) -> WaitOutcome {
        let next = self.admitted_cursor().map(|cursor| cursor.saturating_add(1));
        let seen_version = self.status.version();
        match self.look(next, seen_version, deadline) {
            Looked::Found => return WaitOutcome::Retry,
            Looked::TimedOut => {
                if let Some(next) = next {
                    self.is_promised(next);
                }
                return WaitOutcome::TimedOut;
            }
            Looked::InVain => {}
        }
        self.spinner.sleeps();
        let cell = next.map_or(self.admission_cell(), at::slot);
        let seen = self.ring.futex(cell).load(Ordering::Acquire);
        self.page.store_u32(own::WAITING, ASLEEP, Ordering::Relaxed);
        // ORDERING: fence between announcing the sleep and looking once more; its counterparts are in
        // `Producer::wake_sleepers` and `Producer::admit`.
        let is_seen = fence_before_last_look(self.producer_fences);
        let outcome = if self.is_idle(next) {
            let words = [
                (self.status.version_word(), seen_version),
                (self.ring.futex(cell), seen),
            ];
            sleep_within_reach(is_seen, &words, deadline)
        } else {
            WaitOutcome::Retry
        };
        self.page.store_u32(own::WAITING, 0, Ordering::Relaxed);
        outcome
    }

    /// Whether there is nothing to do for who waits for frame `next`, or to be let in.
    fn is_idle(&mut self, next: Option<u64>) -> bool {
        let is_there = match next {
            Some(next) => is_published(&self.ring, next) || self.is_promised(next),
            None => self.admitted_cursor().is_some(),
        };
        let knows_all = self.status.news_for_consumers() == self.news;
        !is_there && knows_all && self.stream_state() == StreamState::Running && self.is_member()
    }

    /// Whether the head says that there is frame `next`: then its slot, which is written before, must say so, too.
    fn is_promised(&mut self, next: u64) -> bool {
        // ORDERING: Acquire: with the head come the slots up to it.
        self.doubts_slots = self.ring.load_u64(at::HEAD, Ordering::Acquire) >= next;
        self.doubts_slots
    }

    /// Looks for frame `next`, in whose slot all there is to know of it is going to be, and for news of the broker.
    fn look(&mut self, next: Option<u64>, version: u32, deadline: Option<Deadline>) -> Looked {
        let Some(next) = next else {
            return Looked::InVain;
        };
        let (ring, status) = (&self.ring, &self.status);
        let found = || is_published(ring, next) || status.version() != version;
        self.spinner.look(deadline, found)
    }
}

/// Whether the slot of frame `next` has it, or had it.
fn is_published<R: ReadWords>(ring: &R, next: u64) -> bool {
    at::seq_of(ring.load_u64(at::slot(next), Ordering::Acquire)) >= at::seq_of(next)
}
