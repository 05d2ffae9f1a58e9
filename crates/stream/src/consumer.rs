//! A consumer's side of the hand-over.

use crate::descriptor::{Corrupt, FrameInfo, load};
use crate::layout::{MAGIC, MAGIC_CELL, MAX_BUFFERS, MAX_CONSUMERS, consumer as own, ring as at};
use crate::member::Policy;
use crate::status::{GenerationNews, StatusPage, StreamState};
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
}

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
    /// Joins a stream with what the broker gave: `slot` (below [`MAX_CONSUMERS`]; another is never admitted) and `incarnation`, the
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

    /// What the broker says about the generations of the buffers. Two loads; no system call.
    pub fn news(&self) -> GenerationNews {
        self.status.news_for_consumers()
    }

    /// What the broker says about the generations of the buffers, if that is not what this last returned. Two loads; no system
    /// call. [`Consumer::wait`] does not sleep on news not taken.
    pub fn take_news(&mut self) -> Option<GenerationNews> {
        let news = self.status.news_for_consumers();
        (std::mem::replace(&mut self.news, news) != news).then_some(news)
    }

    /// The oldest generation of the buffers that a frame still to be claimed can lie in, as the producer says. `None` while
    /// older ones may come.
    pub fn oldest_generation(&self) -> Option<u64> {
        // ORDERING: Acquire, and this one first: the first frame it speaks of is there, or that of a later one.
        let oldest = self.ring.load_u64(at::OLDEST, Ordering::Acquire);
        let from = self.ring.load_u64(at::OLDEST_FROM, Ordering::Relaxed);
        self.cursor
            .is_some_and(|cursor| cursor.saturating_add(1) >= from)
            .then_some(oldest)
    }

    /// Whether the producer has let this consumer in: only then frames come.
    pub fn is_admitted(&mut self) -> bool {
        self.admitted_cursor().is_some()
    }

    /// Claims the next frame, if there is one: the following one under `Block`, one of the `depth` newest under `Latest`. There is
    /// none for who is not a member any more.
    ///
    /// # Errors
    ///
    /// [`ClaimError::HoldsTooMany`] when `depth` frames are held; [`ClaimError::Corrupt`] when the ring page makes no sense
    /// (the frame concerned counts as passed over).
    ///
    /// # Blocking
    ///
    /// Never; see [`Consumer::wait`].
    pub fn try_claim(&mut self) -> Result<Option<Claim>, ClaimError> {
        let Some(cursor) = self.admitted_cursor() else {
            return Ok(None);
        };
        // The producer minds only the holds of members: what others claim could be refilled while they read it.
        if !self.is_member() {
            return Ok(None);
        }
        if self.held() >= self.depth {
            return Err(ClaimError::HoldsTooMany { depth: self.depth });
        }
        // ORDERING: Acquire: with the head come the slots and frames up to it.
        let head = self.ring.load_u64(at::HEAD, Ordering::Acquire);
        if head <= cursor {
            return Ok(None);
        }
        match self.policy {
            Policy::Block => self.claim_next(cursor).map(Some),
            Policy::Latest => self.claim_newest(head, cursor),
        }
    }

    /// The cursor, once the producer has said which frame is the first.
    fn admitted_cursor(&mut self) -> Option<u64> {
        if self.cursor.is_none() && self.slot < MAX_CONSUMERS {
            let cell = at::ADMISSIONS + 2 * self.slot;
            // ORDERING: Acquire pairs with the Release store of the incarnation: the first frame's number is there.
            if self.ring.load_u64(cell + 1, Ordering::Acquire) == self.incarnation {
                let first = self.ring.load_u64(cell, Ordering::Relaxed);
                self.cursor = Some(first.saturating_sub(1));
            }
        }
        self.cursor
    }

    /// How many frames this consumer holds.
    fn held(&self) -> usize {
        let is_held = |buffer: &usize| self.page.load_u64(own::HOLDS + buffer, Ordering::Relaxed) != 0;
        (0..self.reach).filter(is_held).count()
    }

    fn claim_next(&mut self, cursor: u64) -> Result<Claim, ClaimError> {
        let seq = cursor + 1;
        let held = self.buffer_of(seq).filter(|buffer| self.try_hold(*buffer, seq));
        self.pass(seq);
        match held {
            Some(buffer) => Ok(self.claimed(seq, buffer)),
            // The producer may not take a frame back from a blocking consumer.
            None => {
                self.skipped += 1;
                Err(Corrupt::MissingFrame { seq }.into())
            }
        }
    }

    fn claim_newest(&mut self, head: u64, cursor: u64) -> Result<Option<Claim>, ClaimError> {
        // CAST: depth is at most MAX_BUFFERS, which also bounds the search whatever the head says.
        let oldest = head.saturating_sub(self.depth as u64 - 1).max(cursor + 1);
        for seq in oldest..=head {
            if let Some(buffer) = self.buffer_of(seq)
                && self.try_hold(buffer, seq)
            {
                self.pass(seq);
                self.skipped += seq - cursor - 1;
                return Ok(Some(self.claimed(seq, buffer)));
            }
        }
        // All were taken back: waiting for them would be waiting for ever.
        self.pass(head);
        self.skipped += head - cursor;
        Ok(None)
    }

    fn claimed(&mut self, seq: u64, buffer: usize) -> Claim {
        self.reach = self.reach.max(buffer + 1);
        let skipped = std::mem::take(&mut self.skipped);
        Claim { seq, buffer, skipped }
    }

    /// The buffer the ring names for a frame, if it still does and the number makes sense.
    fn buffer_of(&self, seq: u64) -> Option<usize> {
        let slot = self.ring.load_u64(at::slot(seq), Ordering::Acquire);
        // CAST: masked to eight bits.
        let buffer = (slot & 0xff) as usize;
        (slot >> 8 == seq << 8 >> 8 && buffer < self.buffer_count).then_some(buffer)
    }

    /// Announces a hold on `buffer` and keeps it only if `seq` is still the valid frame there.
    fn try_hold(&self, buffer: usize, seq: u64) -> bool {
        if self.page.load_u64(own::HOLDS + buffer, Ordering::Relaxed) != 0 {
            // An honest producer does not put a frame into a buffer that is held.
            return false;
        }
        self.page.store_u64(own::HOLDS + buffer, seq, Ordering::Release);
        // ORDERING: SeqCst fence between announcing the hold and looking at the frame; its counterpart is in
        // `Producer::take_back`.
        fence(Ordering::SeqCst);
        // ORDERING: Acquire pairs with the Release store at publication: contents and descriptor are there.
        if self.ring.load_u64(at::FRAME_SEQ + buffer, Ordering::Acquire) == seq {
            return true;
        }
        self.release(buffer);
        false
    }

    /// Moves the cursor. Called after the hold is stored, so that the producer never sees a frame as claimed but not held.
    fn pass(&mut self, seq: u64) {
        self.cursor = Some(seq);
        // ORDERING: Release: who sees the cursor sees the hold stored before.
        self.page.store_u64(own::CURSOR, seq, Ordering::Release);
    }

    /// In which generation of the buffers a frame lies, as the producer says.
    pub fn generation(&self, claim: &Claim) -> u64 {
        let first_cell = at::DESCRIPTORS + claim.buffer * at::DESCRIPTOR_CELLS;
        // ORDERING: relaxed; the claim has published the descriptor.
        self.ring
            .load_u64(first_cell + at::DESCRIPTOR_GENERATION, Ordering::Relaxed)
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
        release(&self.page, &self.ring, buffer);
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
        self.page.store_u32(own::WAITING, 1, Ordering::Relaxed);
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
pub fn release<O: WriteWords, R: ReadWords>(page: &O, ring: &R, buffer: usize) {
    if buffer >= MAX_BUFFERS {
        return;
    }
    // ORDERING: Release: the reads of the frame are done before the producer sees it free.
    page.store_u64(own::HOLDS + buffer, 0, Ordering::Release);
    notify_release(page, ring);
}

/// Says in a consumer's own `page` that it has left, before it ever knew the stream: a producer that admits it drops it at once.
pub fn decline<O: WriteWords>(page: &O) {
    page.store_u32(own::LEFT, 1, Ordering::Release);
}

/// Leaves a stream in order: says so in the consumer's own `page` and wakes the producer, who drops every hold at once. Frames not
/// yet released must not be read any more.
pub fn leave<O: WriteWords, R: ReadWords>(page: &O, ring: &R) {
    decline(page);
    notify_release(page, ring);
}

/// Counts a release and wakes the producer if it says that it sleeps.
fn notify_release<O: WriteWords, R: ReadWords>(page: &O, ring: &R) {
    // One step, because several threads of this process may release at once: a count stored twice could be slept through.
    page.increment_u32(own::RELEASES, Ordering::Release);
    // ORDERING: SeqCst fence between counting the release and looking for a sleeping producer; its counterpart is in
    // `Producer::wait`.
    fence(Ordering::SeqCst);
    if ring.load_u32(at::WAITING, Ordering::Relaxed) != 0 {
        wake(page.futex(own::RELEASES));
    }
}
