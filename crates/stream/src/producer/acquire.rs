//! How the producer gets a buffer to fill.

use super::{BufferState, Producer};
use crate::layout::ring as at;
use crate::member::{Member, Policy};
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

/// Why no buffer could be acquired: each consumer in the way, and how many frames it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The consumers that have frames the producer waits for; empty when only the caller can end the wait, by publishing or
    /// abandoning what it has in hand.
    pub by: Vec<Blocker>,
}

/// One consumer in the producer's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// Its slot.
    pub slot: usize,
    /// Its incarnation.
    pub incarnation: u64,
    /// Frames it has: held by it or, if it takes every frame, queued for it.
    pub frames: usize,
}

impl<R: ReadWords> Member<R> {
    fn blocker(&self, frames: usize) -> Blocker {
        Blocker {
            slot: self.slot,
            incarnation: self.incarnation,
            frames,
        }
    }
}

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Takes a buffer to fill: one that no live consumer has. Prefers the buffer released last (its cache lines are warm); takes
    /// unclaimed frames back from [`Policy::Latest`] consumers, oldest first, only when there is no other.
    ///
    /// # Errors
    ///
    /// [`Blocked`] when consumers have all buffers, or one with [`Policy::Block`] has as many frames as its depth.
    ///
    /// # Blocking
    ///
    /// Never; see [`Producer::wait`].
    pub fn try_acquire(&mut self) -> Result<usize, Blocked> {
        let found = match self.find() {
            Err(_) if self.cut_off_misbehaving() => self.find(),
            found => found,
        };
        if let Ok(buffer) = found {
            self.buffers[buffer] = BufferState::InHand;
            self.lies_in[buffer] = self.generation;
        }
        found
    }

    /// Finds a buffer and takes it back, or says who is in the way. What consumers write can change at any moment, so the blame is
    /// what was seen while searching, not what a second look would show.
    fn find(&self) -> Result<usize, Blocked> {
        let full = self.full_windows();
        if !full.is_empty() {
            let by = full.into_iter().filter(|blocker| blocker.frames > 0).collect();
            return Err(Blocked { by });
        }
        let mut kept = vec![0; self.members.len()];
        for buffer in self.candidates() {
            if self.take_back(buffer, &mut kept) {
                return Ok(buffer);
            }
        }
        let blockers = self.members.iter().zip(kept).filter(|(_, frames)| *frames > 0);
        let by = blockers.map(|(member, frames)| member.blocker(frames)).collect();
        Err(Blocked { by })
    }

    /// The blocking consumers that have as many frames as they may, counting those the producer is still filling.
    fn full_windows(&self) -> Vec<Blocker> {
        let in_hand = self.in_hand();
        let window = |member: &Member<R>| {
            let frames = self
                .published()
                .filter(|(buffer, seq)| member.still_has(*seq, *buffer))
                .count();
            (frames + in_hand >= member.depth).then(|| member.blocker(frames))
        };
        let blocking = self
            .members
            .iter()
            .filter(|member| member.policy == Policy::Block);
        blocking.filter_map(window).collect()
    }

    /// The buffers that carry frames, each with its frame.
    pub(super) fn published(&self) -> impl Iterator<Item = (usize, u64)> {
        self.buffers
            .iter()
            .enumerate()
            .filter_map(|(buffer, state)| match state {
                BufferState::Published(seq) => Some((buffer, *seq)),
                BufferState::Free | BufferState::InHand => None,
            })
    }

    /// Buffers worth trying, best first. Those beyond the usable ones are not refilled.
    fn candidates(&self) -> Vec<usize> {
        let mut spent = Vec::new();
        let mut unclaimed = Vec::new();
        let mut untouched = Vec::new();
        for (buffer, state) in self.buffers.iter().enumerate().take(self.usable) {
            match *state {
                BufferState::InHand => {}
                BufferState::Free => untouched.push(buffer),
                BufferState::Published(seq) if self.is_spent(seq) => spent.push((seq, buffer)),
                BufferState::Published(seq) => unclaimed.push((seq, buffer)),
            }
        }
        spent.sort_unstable_by(|a, b| b.cmp(a));
        unclaimed.sort_unstable();
        let by_frame = |(_, buffer)| buffer;
        spent
            .into_iter()
            .map(by_frame)
            .chain(untouched)
            .chain(unclaimed.into_iter().map(by_frame))
            .collect()
    }

    /// Whether every consumer the frame was meant for has claimed it or passed it over.
    fn is_spent(&self, seq: u64) -> bool {
        self.members
            .iter()
            .all(|member| seq < member.first_seq || member.has_passed(seq))
    }

    /// Takes a buffer back from everybody, or leaves it as it was and adds 1 to `kept` for each member that keeps it.
    pub(super) fn take_back(&self, buffer: usize, kept: &mut [usize]) -> bool {
        let BufferState::Published(seq) = self.buffers[buffer] else {
            return self.buffers[buffer] == BufferState::Free;
        };
        let is_owed = |member: &Member<R>| {
            member.policy == Policy::Block && seq >= member.first_seq && !member.has_passed(seq)
        };
        let is_held = |member: &Member<R>| member.holds(buffer, seq);
        // Looking at the holds before revoking keeps a frame that is in use valid for those who have not claimed it yet.
        if self.is_kept(kept, |member| is_owed(member) || is_held(member)) {
            return false;
        }
        self.ring.store_u64(at::FRAME_SEQ + buffer, 0, Ordering::Relaxed);
        // ORDERING: SeqCst fence between revoking and looking at the holds; its counterpart is in `Consumer::try_hold`. At
        // least one side sees the other's store.
        fence(Ordering::SeqCst);
        if self.is_kept(kept, is_held) {
            // ORDERING: Release, as at publication: the frame is the same as before.
            self.ring
                .store_u64(at::FRAME_SEQ + buffer, seq, Ordering::Release);
            return false;
        }
        true
    }

    /// Whether some member keeps a buffer; adds 1 to `kept` for each that does.
    fn is_kept(&self, kept: &mut [usize], keeps: impl Fn(&Member<R>) -> bool) -> bool {
        let mut any = false;
        for (_, frames) in self.members.iter().zip(kept).filter(|(member, _)| keeps(member)) {
            *frames += 1;
            any = true;
        }
        any
    }

    /// Forgets the members that hold more frames than they may, so that a consumer cannot bring the producer to a halt by what it
    /// writes into its page (contracts S1, S3). Whether there were any.
    fn cut_off_misbehaving(&mut self) -> bool {
        let frames: Vec<(usize, u64)> = self.published().collect();
        let before = self.cut_off.len();
        let misbehaves = |member: &mut Member<R>| member.holds_too_many(&frames);
        self.cut_off.extend(self.members.extract_if(.., misbehaves));
        self.cut_off.len() > before
    }
}
