//! How a consumer claims frames.

use super::page::held;
use super::{Claim, ClaimError, Consumer};
use crate::descriptor::{Common, Corrupt};
use crate::layout::{MAX_CONSUMERS, consumer as own, points, ring as at};
use crate::member::Policy;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence, fence_after_update};

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
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
    #[inline]
    pub fn try_claim(&mut self) -> Result<Option<Claim>, ClaimError> {
        let found = self.find()?;
        if let Some(claim) = &found {
            self.keep(claim);
        }
        Ok(found)
    }

    /// The first half of [`Consumer::try_claim`]. Every claim that is found is to be [kept](Consumer::keep) before anything else is asked.
    ///
    /// Under `Block` nothing is stored yet: nobody takes that frame back, and whoever goes on to copy what was found would wait until
    /// stores before have fetched their line from the producer.
    ///
    /// # Errors
    ///
    /// As [`Consumer::try_claim`].
    #[inline]
    pub fn find(&mut self) -> Result<Option<Claim>, ClaimError> {
        let Some(cursor) = self.admitted_cursor() else {
            return Ok(None);
        };
        // The producer minds only the holds of members: what others claim could be refilled while they read it.
        if !self.is_member() {
            return Ok(None);
        }
        if self.holds_enough() {
            return Err(ClaimError::HoldsTooMany { depth: self.depth });
        }
        match self.policy {
            Policy::Block => self.find_next(cursor),
            Policy::Latest => self.claim_newest(cursor),
        }
    }

    /// The second half of [`Consumer::try_claim`]: announces the hold on what was found.
    #[inline]
    pub fn keep(&mut self, claim: &Claim) {
        // Under `Latest` it was announced, and looked whether the frame was still there.
        if self.policy == Policy::Block && claim.buffer < self.buffer_count {
            // Nobody takes the frame back: the hold need not be looked at again, only be there when the cursor moves.
            // ORDERING: relaxed; the Release store of the cursor publishes it.
            self.page
                .store_u64(own::HOLDS + claim.buffer, claim.seq, Ordering::Relaxed);
            self.pass(claim.seq);
        }
    }

    /// The buffer of the frame after the last one claimed, if it is there already: the producer's word, to be believed in nothing but what to
    /// fetch into the cache. Has the slot after that fetched, for who is behind, and the line in which the claim is going to be stored.
    #[inline]
    pub fn glimpse_next(&self) -> Option<usize> {
        let next = self.cursor?.saturating_add(1);
        // ORDERING: relaxed; nothing follows from it.
        let word = self.ring.load_u64(at::slot(next), Ordering::Relaxed);
        if at::seq_of(word) != at::seq_of(next) {
            return None;
        }
        self.ring.prefetch(at::slot(next.saturating_add(1)));
        self.page.prefetch_to_store(own::CURSOR);
        // CAST: eight bits are left.
        Some((word >> at::SEQ_BITS) as usize)
    }

    /// The cell that says whom the producer has let into this consumer's slot.
    pub(super) fn admission_cell(&self) -> usize {
        at::ADMISSIONS + 2 * self.slot.min(MAX_CONSUMERS - 1) + 1
    }

    /// The cursor, once the producer has said which frame is the first.
    #[inline]
    pub(super) fn admitted_cursor(&mut self) -> Option<u64> {
        if self.cursor.is_none() && self.slot < MAX_CONSUMERS {
            let cell = self.admission_cell();
            // ORDERING: Acquire pairs with the Release store of the incarnation: the first frame's number is there.
            if self.ring.load_u64(cell, Ordering::Acquire) == self.incarnation {
                let first = self.ring.load_u64(cell - 1, Ordering::Relaxed);
                self.cursor = Some(first.saturating_sub(1));
            }
        }
        self.cursor
    }

    /// Whether this consumer holds, and has lent, as many frames as it may. What it has released is looked for only then.
    fn holds_enough(&mut self) -> bool {
        if self.holding.count() < self.depth {
            return false;
        }
        let counts = self.holding.each().filter(|buffer| self.counts(*buffer));
        self.holding = counts.collect();
        self.holding.count() >= self.depth
    }

    /// Finds the frame after the last. The line of its slot is the only one of the producer's that is looked at.
    #[inline]
    fn find_next(&mut self, cursor: u64) -> Result<Option<Claim>, ClaimError> {
        let Some(seq) = cursor.checked_add(1) else {
            return Ok(None);
        };
        let found = match self.buffer_of(seq) {
            Some(buffer) => Some(buffer),
            // The head's line is left where it is.
            None if !self.doubts_slots && self.is_still_before(seq) => return Ok(None),
            None if !self.is_promised(seq) => return Ok(None),
            // It may have come this moment.
            None => self.buffer_of(seq),
        };
        // An honest producer does not put a frame into a buffer that is held.
        let found = found.filter(|buffer| !self.is_held(*buffer));
        let Some(buffer) = found else {
            // The producer may not take a frame back from a blocking consumer.
            self.pass(seq);
            self.skipped += 1;
            return Err(Corrupt::MissingFrame { seq }.into());
        };
        let common = Common::copy(&self.ring, at::slot(seq));
        Ok(Some(self.claimed(seq, buffer, common)))
    }

    /// Whether the slot of frame `seq` says what it does before that comes.
    fn is_still_before(&self, seq: u64) -> bool {
        // ORDERING: relaxed; nothing follows from it.
        let word = self.ring.load_u64(at::slot(seq), Ordering::Relaxed);
        // CAST: SLOT_COUNT fits any integer.
        at::seq_of(word) == at::seq_of(seq.saturating_sub(at::SLOT_COUNT as u64))
    }

    fn claim_newest(&mut self, cursor: u64) -> Result<Option<Claim>, ClaimError> {
        let head = self.newest(cursor);
        if head <= cursor {
            return Ok(None);
        }
        // CAST: depth is at most MAX_BUFFERS, which also bounds the search whatever the head says.
        let oldest = head.saturating_sub(self.depth as u64 - 1).max(cursor + 1);
        for seq in oldest..=head {
            if let Some(buffer) = self.buffer_of(seq)
                && let Some(common) = self.try_hold(buffer, seq)
            {
                self.pass(seq);
                self.skipped += seq - cursor - 1;
                return Ok(Some(self.claimed(seq, buffer, common)));
            }
        }
        // All were taken back: waiting for them would be waiting for ever.
        self.pass(head);
        self.skipped += head - cursor;
        Ok(None)
    }

    /// The newest frame. When just one is new, as for who keeps up, the slots tell, and the head's line is left where it is.
    fn newest(&self, cursor: u64) -> u64 {
        let (first, second) = (cursor.saturating_add(1), cursor.saturating_add(2));
        // ORDERING: Acquire: frames come in order, so that who sees one sees those before it.
        let seq_at = |seq: u64| at::seq_of(self.ring.load_u64(at::slot(seq), Ordering::Acquire));
        if seq_at(first) == first && seq_at(second) < second {
            return first;
        }
        // ORDERING: Acquire: with the head come the slots and frames up to it.
        self.ring.load_u64(at::HEAD, Ordering::Acquire)
    }

    #[inline]
    fn claimed(&mut self, seq: u64, buffer: usize, common: Common) -> Claim {
        self.holding.insert(buffer);
        if let Some(waited_ns) = self.spinner.done() {
            self.counters().has_waited(waited_ns);
        }
        let skipped = std::mem::take(&mut self.skipped);
        if skipped > 0 {
            self.counters().skipped(skipped);
        }
        Claim {
            seq,
            buffer,
            skipped,
            common,
        }
    }

    /// The buffer the ring names for a frame, if it still does and the number makes sense.
    #[inline]
    fn buffer_of(&self, seq: u64) -> Option<usize> {
        // ORDERING: Acquire pairs with the Release store at publication: contents and description are there.
        let word = self.ring.load_u64(at::slot(seq), Ordering::Acquire);
        // CAST: eight bits are left.
        let buffer = (word >> at::SEQ_BITS) as usize;
        // Numbers beyond what a slot can say are no frames.
        (at::seq_of(word) == seq && buffer < self.buffer_count).then_some(buffer)
    }

    /// Whether `buffer` counts against the depth: its frame is held, or lent and the work on it is not over.
    fn counts(&self, buffer: usize) -> bool {
        // ORDERING: relaxed, both; this process writes them, and what is not seen yet is seen by the next call.
        match self.page.load_u64(own::HOLDS + buffer, Ordering::Relaxed) {
            0 => false,
            hold if hold & own::LENT == 0 => true,
            hold => {
                let reached = self
                    .page
                    .load_u64(own::POINTS + points::value(buffer), Ordering::Relaxed);
                reached < hold & !own::LENT
            }
        }
    }

    fn is_held(&self, buffer: usize) -> bool {
        held(&self.page, buffer).is_some()
    }

    /// Announces a hold on `buffer` and keeps it only if `seq` is still the valid frame there: what its slot says.
    fn try_hold(&mut self, buffer: usize, seq: u64) -> Option<Common> {
        if self.is_held(buffer) {
            // An honest producer does not put a frame into a buffer that is held.
            return None;
        }
        self.page
            .exchange_u64(own::HOLDS + buffer, seq, Ordering::Release);
        // ORDERING: SeqCst fence between announcing the hold and looking at the frame; its counterpart is in
        // `Producer::revoke`.
        fence_after_update();
        let common = Common::copy(&self.ring, at::slot(seq));
        // ORDERING: Acquire, between copying the slot and looking whether it is still the same; its counterpart is in
        // `Producer::open_slot`.
        fence(Ordering::Acquire);
        if self.buffer_of(seq) == Some(buffer) {
            return Some(common);
        }
        self.release(buffer);
        None
    }

    /// Moves the cursor. Called after the hold is stored, so that the producer never sees a frame as claimed but not held.
    #[inline]
    fn pass(&mut self, seq: u64) {
        self.cursor = Some(seq);
        // ORDERING: Release: who sees the cursor sees the hold stored before.
        self.page.store_u64(own::CURSOR, seq, Ordering::Release);
    }
}
