//! How the producer gets a buffer to fill.

use super::Producer;
use crate::buffers::Buffers;
use crate::layout::ring as at;
use crate::member::Member;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

/// Why no buffer could be acquired: each consumer in the way, and how many frames it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The consumers that have frames the producer waits for; empty when only the caller can end the wait, by publishing or
    /// abandoning what it has in hand, or by finishing [contents](Producer::has_unfinished).
    pub by: Vec<Blocker>,
}

/// One consumer in the producer's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    /// Its slot.
    pub slot: usize,
    /// Its incarnation.
    pub incarnation: u64,
    /// Frames it has: held by it, lent by it and not done, or, if it takes every frame, queued for it.
    pub frames: usize,
}

impl<R: ReadWords> Member<R> {
    fn blocker(&self) -> Blocker {
        Blocker {
            slot: self.slot,
            incarnation: self.incarnation,
            frames: self.kept,
        }
    }
}

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Takes a buffer to fill: one that no live consumer has. Prefers the buffer released last (its cache lines are warm); takes
    /// unclaimed frames back from [`Policy::Latest`](crate::Policy::Latest) consumers, oldest first, only when there is no other.
    ///
    /// # Errors
    ///
    /// [`Blocked`] when consumers have all buffers, or one with [`Policy::Block`](crate::Policy::Block) has as many frames as its depth.
    ///
    /// # Blocking
    ///
    /// Never; see [`Producer::wait`].
    pub fn try_acquire(&mut self) -> Result<usize, Blocked> {
        self.acquire_now().ok_or_else(|| self.blocked())
    }

    /// As [`Producer::try_acquire`], without saying who is in the way: see [`Producer::blocked`]. Allocates nothing.
    pub fn acquire_now(&mut self) -> Option<usize> {
        let found = self.find_known().or_else(|| self.find());
        let found = match found {
            None if self.cut_off_misbehaving() => self.find(),
            found => found,
        };
        if let Some(buffer) = found {
            self.take(buffer);
        }
        found
    }

    /// Who was in the way when no buffer was found the last time. What consumers write can change at any moment, so this is
    /// what was seen while searching, not what a second look would show.
    pub fn blocked(&self) -> Blocked {
        let in_the_way = self.members.iter().filter(|member| member.kept > 0);
        Blocked {
            by: in_the_way.map(Member::blocker).collect(),
        }
    }

    /// Whether somebody was in the way when no buffer was found the last time; if not, only the caller can go on.
    pub fn is_blocked_by_others(&self) -> bool {
        self.members.iter().any(|member| member.kept > 0)
    }

    pub(super) fn take(&mut self, buffer: usize) {
        self.frames.remove(buffer);
        self.unfinished.remove(buffer);
        self.free.remove(buffer);
        self.in_hand.insert(buffer);
        self.lies_in[buffer] = self.generation;
        for member in &mut self.members {
            member.has.remove(buffer);
            member.lent.remove(buffer);
            member.kept = 0;
        }
        self.acquired_unseen = self.acquired_unseen.saturating_add(1);
        if let Some(waited_ns) = self.spinner.done() {
            self.counters().has_waited(waited_ns);
        }
    }

    /// Finds a buffer without looking at the consumers' pages, unless it is time to look.
    fn find_known(&self) -> Option<usize> {
        (1..self.looks_every)
            .contains(&self.acquired_unseen)
            .then(|| self.pick())
            .flatten()
    }

    /// Finds a buffer, or notes who is in the way.
    fn find(&mut self) -> Option<usize> {
        self.look();
        self.pick().or_else(|| match self.note_full_windows() {
            true => None,
            false => self.take_back_oldest(),
        })
    }

    /// Looks what consumers have released, and which contents are there.
    pub(super) fn look(&mut self) {
        self.acquired_unseen = 0;
        self.look_at_contents();
        for member in &mut self.members {
            member.look(&self.frames);
        }
    }

    /// The best buffer that nobody has, as far as was seen: that of the newest frame, else one that was not used yet. None while a blocking
    /// consumer may not get another frame, or enough are in flight.
    fn pick(&self) -> Option<usize> {
        let in_hand = self.in_hand.count();
        let mut had = Buffers::NONE;
        for member in &self.members {
            if member.is_full(in_hand) {
                return None;
            }
            had = had.or(member.has);
        }
        if had.count() + in_hand >= self.in_flight_limit {
            return None;
        }
        let usable = Buffers::first(self.usable);
        let given_back = self.frames.buffers().and(usable).without(had.or(self.unfinished));
        self.frames
            .newest_of(given_back)
            .or_else(|| self.free.and(usable).each().next())
    }

    /// Notes the blocking consumers that have as many frames as they may, counting those the producer is still filling. Whether there are
    /// any.
    fn note_full_windows(&mut self) -> bool {
        let in_hand = self.in_hand.count();
        let mut any = false;
        for member in &mut self.members {
            let is_full = member.is_full(in_hand);
            member.kept = if is_full { member.has.count() } else { 0 };
            any |= is_full;
        }
        any
    }

    /// Takes back the oldest frame that some consumer could still claim and nobody keeps, or notes who keeps them.
    fn take_back_oldest(&mut self) -> Option<usize> {
        let had = self.members.iter().map(|member| member.has);
        let had = had.fold(Buffers::NONE, Buffers::or);
        let usable = Buffers::first(self.usable).without(self.unfinished);
        let mut left = self.frames.buffers().and(usable).and(had);
        while let Some(buffer) = self.frames.oldest_of(left) {
            if self.take_back(buffer) {
                self.counters().took_back();
                return Some(buffer);
            }
            left.remove(buffer);
        }
        None
    }

    /// Takes a buffer's frame back from everybody, or leaves it as it was and adds 1 to `kept` of each member that keeps it.
    pub(super) fn take_back(&mut self, buffer: usize) -> bool {
        let seq = self.frames.seq(buffer);
        let is_held = |member: &Member<R>| member.has.contains(buffer) && member.holds(buffer, seq);
        // Looking at the holds before revoking keeps a frame that is in use valid for those who have not claimed it yet.
        let is_kept = |member: &Member<R>| member.is_owed(buffer, seq) || is_held(member);
        if note_keepers(&mut self.members, is_kept) {
            return false;
        }
        let is_shown = self.revoke(buffer, seq);
        if note_keepers(&mut self.members, is_held) {
            if is_shown {
                // ORDERING: Release, as at publication: the frame is the same as before.
                self.ring
                    .store_u64(at::slot(seq), at::word(seq, buffer as u64), Ordering::Release);
            }
            return false;
        }
        true
    }

    /// Marks a frame as taken back, if its slot was not used again since; tells whether it was not.
    fn revoke(&self, buffer: usize, seq: u64) -> bool {
        let shown = at::word(seq, buffer as u64);
        let is_shown = self.ring.load_u64(at::slot(seq), Ordering::Relaxed) == shown;
        if is_shown {
            let taken_back = at::word(seq, at::TAKEN_BACK);
            self.ring.store_u64(at::slot(seq), taken_back, Ordering::Relaxed);
        }
        // ORDERING: SeqCst fence between revoking (or having used the slot for another frame) and looking at the holds; its counterpart
        // is in `Consumer::try_hold`. At least one side sees the other's store.
        fence(Ordering::SeqCst);
        is_shown
    }

    /// Forgets the members that hold more frames than they may, so that a consumer cannot bring the producer to a halt by what it
    /// writes into its page (contracts S1, S3). Whether there were any.
    fn cut_off_misbehaving(&mut self) -> bool {
        let frames = &self.frames;
        let before = self.cut_off.len();
        let misbehaves = |member: &mut Member<R>| member.holds_too_many(frames);
        self.cut_off.extend(self.members.extract_if(.., misbehaves));
        let any = self.cut_off.len() > before;
        if any {
            self.count_sleepers();
        }
        any
    }
}

/// Whether some member keeps a buffer; adds 1 to the frames of each that does.
fn note_keepers<R>(members: &mut [Member<R>], keeps: impl Fn(&Member<R>) -> bool) -> bool {
    let mut any = false;
    for member in members.iter_mut().filter(|member| keeps(member)) {
        member.kept += 1;
        any = true;
    }
    any
}
