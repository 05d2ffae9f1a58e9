//! How a consumer claims frames.

use super::{Claim, ClaimError, Consumer};
use crate::descriptor::Corrupt;
use crate::layout::{MAX_CONSUMERS, consumer as own, ring as at};
use crate::member::Policy;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

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
    pub(super) fn admitted_cursor(&mut self) -> Option<u64> {
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
}
