//! What a producer knows of one of its consumers.

use crate::buffers::{Buffers, Frames};
use crate::doorbell::Doorbell;
use crate::layout::{POLLING, consumer as at, points};
use wharf_memory::{FutexWord, Ordering, ReadWords};

/// What the producer does when a consumer does not keep up (contract S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The consumer gets every frame; the producer waits for it.
    Block,
    /// The consumer gets the newest frames; older ones it has not claimed are taken back.
    Latest,
}

/// Why a consumer is no longer a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said so in its own page.
    Left,
    /// The broker says that it is gone: it left, was cut off or died.
    Gone,
    /// It held more frames than it may. What it reads from then on is not protected any more.
    Misbehaved,
    /// The caller dropped it, having seen by its own means that it is dead.
    Dropped,
}

/// A consumer as its producer sees it: its slot, its terms and its page.
#[derive(Debug)]
pub struct Member<W> {
    pub(crate) slot: usize,
    pub(crate) incarnation: u64,
    pub(crate) depth: usize,
    pub(crate) policy: Policy,
    /// It said before it joined that it never sleeps.
    pub(crate) is_sleepless: bool,
    /// It asked before it joined for a full fence before it is looked whether it waits.
    pub(crate) is_fenced: bool,
    pub(crate) page: W,
    pub(crate) bell: Option<Box<dyn Doorbell>>,
    /// The buffers with frames that were given to it and were not seen back: every one that it has, and some that it has no more.
    pub(crate) has: Buffers,
    /// Those of them with frames that it had lent when it was last looked.
    pub(crate) lent: Buffers,
    /// Its count of releases when the producer was last about to sleep.
    pub(crate) seen_releases: u32,
    /// Frames it was in the producer's way with at the last search for a buffer.
    pub(crate) kept: usize,
}

/// What a consumer says about a frame that it has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It has no more to do with it.
    None,
    /// It holds it.
    Held,
    /// It released it, and work that it has begun reads it still.
    Lent,
}

impl<W: ReadWords> Member<W> {
    /// A consumer as the broker announced it: `slot` below [`MAX_CONSUMERS`](crate::MAX_CONSUMERS), its `incarnation`, and the
    /// `depth` (most frames it may have queued and held together, at least 1) and `policy` it asked for. `page` is its page,
    /// of [`CONSUMER_PAGE_CELLS`](crate::CONSUMER_PAGE_CELLS) cells.
    pub fn new(slot: usize, incarnation: u64, depth: usize, policy: Policy, page: W) -> Self {
        Self {
            slot,
            incarnation,
            depth: depth.max(1),
            policy,
            // ORDERING: relaxed, both; stored before the broker heard of the consumer.
            is_sleepless: page.load_u32(at::SLEEPLESS, Ordering::Relaxed) != 0,
            is_fenced: page.load_u32(at::FENCED, Ordering::Relaxed) != 0,
            page,
            bell: None,
            has: Buffers::NONE,
            lent: Buffers::NONE,
            seen_releases: 0,
            kept: 0,
        }
    }

    /// The same consumer, with the doorbell to ring when it waits for that.
    #[must_use]
    pub fn with_bell(self, bell: Box<dyn Doorbell>) -> Self {
        Self {
            bell: Some(bell),
            ..self
        }
    }

    /// Its slot in the status page.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Its incarnation: tells it from earlier users of the slot.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Looks which frames came back. What it once did not have any more it never has again, whatever its page says later: the producer
    /// may have filled the buffer.
    pub(crate) fn look(&mut self, frames: &Frames) {
        let (mut has, mut lent) = (self.has, Buffers::NONE);
        for buffer in self.has.each() {
            match self.has_still(frames.seq(buffer), buffer) {
                Hold::None => has.remove(buffer),
                Hold::Held => {}
                Hold::Lent => lent.insert(buffer),
            }
        }
        (self.has, self.lent) = (has, lent);
    }

    /// What it has to do with frame `seq` in `buffer`, which was given to it. One that it has not claimed counts as held.
    fn has_still(&self, seq: u64, buffer: usize) -> Hold {
        if self.has_passed(seq) {
            self.hold(buffer, seq)
        } else {
            Hold::Held
        }
    }

    /// Whether it has claimed or passed over frame `seq`.
    pub(crate) fn has_passed(&self, seq: u64) -> bool {
        // ORDERING: Acquire pairs with the consumer's Release store of the cursor, which it makes after storing the hold:
        // who sees the cursor beyond `seq` sees that hold, or what came after it. It also orders the consumer's reads of the frame's slot
        // before the producer's next stores there.
        self.page.load_u64(at::CURSOR, Ordering::Acquire) >= seq
    }

    /// Whether it announces a hold on frame `seq` in `buffer`, or has lent it and is not done with it. A hold on any other frame that the
    /// buffer once had is void: the consumer lets go as soon as it sees that.
    pub(crate) fn holds(&self, buffer: usize, seq: u64) -> bool {
        self.hold(buffer, seq) != Hold::None
    }

    fn hold(&self, buffer: usize, seq: u64) -> Hold {
        // ORDERING: Acquire pairs with the Release store of 0 at release: its reads of the frame are done.
        let cell = self.page.load_u64(at::HOLDS + buffer, Ordering::Acquire);
        if cell == seq {
            return Hold::Held;
        }
        if cell != seq | at::LENT {
            return Hold::None;
        }
        // ORDERING: Acquire pairs with the Release store of the point: the reads of the work are done, too.
        let reached = self
            .page
            .load_u64(at::POINTS + points::value(buffer), Ordering::Acquire);
        if reached < seq { Hold::Lent } else { Hold::None }
    }

    /// Whether it takes every frame and has not claimed frame `seq` in `buffer`, which it was given.
    pub(crate) fn is_owed(&self, buffer: usize, seq: u64) -> bool {
        self.policy == Policy::Block && self.has.contains(buffer) && !self.has_passed(seq)
    }

    /// Whether it takes every frame and, beside those that the producer fills, has as many as it may.
    pub(crate) fn is_full(&self, in_hand: usize) -> bool {
        self.policy == Policy::Block && self.has.count() + in_hand >= self.depth
    }

    /// Whether it holds more of the frames it was given than it may.
    ///
    /// One look at all buffers proves nothing, because the consumer may release one frame and claim another meanwhile. But it
    /// never announces a hold on the same frame twice: those seen in two looks were all held at the moment between.
    pub(crate) fn holds_too_many(&self, frames: &Frames) -> bool {
        let held = |among: Buffers| {
            let holds = |buffer: &usize| self.holds(*buffer, frames.seq(*buffer));
            among.each().filter(holds).collect::<Buffers>()
        };
        let first = held(self.has);
        first.count() > self.depth && held(first).count() > self.depth
    }

    pub(crate) fn has_left(&self) -> bool {
        self.page.load_u32(at::LEFT, Ordering::Acquire) != 0
    }

    /// Whether it sleeps. If it waits for its doorbell instead, that is rung.
    pub(crate) fn is_asleep(&self) -> bool {
        // ORDERING: the caller's fence orders this load after its store of the frame.
        match self.page.load_u32(at::WAITING, Ordering::Relaxed) {
            0 => false,
            POLLING => {
                self.bell.iter().for_each(|bell| bell.ring());
                false
            }
            _ => true,
        }
    }

    pub(crate) fn release_word(&self) -> FutexWord<'_> {
        self.page.futex(at::RELEASES)
    }

    /// Whether it has released or lent something since the producer last looked, or is done with something lent, or has left.
    pub(crate) fn has_news(&self, frames: &Frames) -> bool {
        let is_news = |buffer: usize| match self.has_still(frames.seq(buffer), buffer) {
            Hold::None => true,
            Hold::Held => false,
            Hold::Lent => !self.lent.contains(buffer),
        };
        self.has.each().any(is_news) || self.has_left()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use wharf_memory::HeapWords;

    /// A page whose holds are these words, one after the other, whichever buffer is asked for.
    struct Moving {
        holds: RefCell<Vec<u64>>,
        rest: HeapWords,
    }

    impl ReadWords for Moving {
        fn load_u64(&self, _: usize, _: Ordering) -> u64 {
            self.holds.borrow_mut().remove(0)
        }
        fn load_u32(&self, cell: usize, ordering: Ordering) -> u32 {
            self.rest.load_u32(cell, ordering)
        }
        fn futex(&self, cell: usize) -> FutexWord<'_> {
            self.rest.futex(cell)
        }
    }

    /// Whether a member of depth 1 holds too many of frames 1, 2 and 3 in buffers 0, 1 and 2 when the looks at it show these.
    fn holds_too_many(looks: &[[u64; 3]]) -> bool {
        let page = Moving {
            holds: RefCell::new(looks.concat()),
            rest: HeapWords::new([], [at::SLEEPLESS, at::FENCED]),
        };
        let mut member = Member::new(0, 1, 1, Policy::Latest, page);
        let mut frames = Frames::default();
        for buffer in 0..3 {
            frames.put(buffer, buffer as u64 + 1);
            member.has.insert(buffer);
        }
        member.holds_too_many(&frames)
    }

    #[test]
    fn holds_seen_in_both_looks_are_held_at_once() {
        // The second look is at those two buffers only.
        assert!(holds_too_many(&[[1, 0, 3], [1, 3, 0]]));
    }

    #[test]
    fn frame_released_between_the_looks_does_not_count() {
        assert!(!holds_too_many(&[[1, 2, 3], [0, 0, 3]]));
        assert!(!holds_too_many(&[[1, 2, 0], [0, 2, 0]]));
    }

    #[test]
    fn depth_may_be_used_up() {
        assert!(!holds_too_many(&[[0, 2, 0], [2, 0, 0]]));
    }
}
