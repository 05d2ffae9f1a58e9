//! How the producer moves to another generation of the buffers.
//!
//! An index of the ring stands for a buffer of each generation. Which one a frame lies in is settled when the producer acquires the
//! index, and written into the frame's descriptor. So an index passes from one generation to the next as it passes from one frame to
//! the next: when no consumer has it any more.

use super::Producer;
use crate::buffers::Buffers;
use crate::layout::{MAX_BUFFERS, ring as at};
use crate::member::{Member, Policy};
use crate::status::GenerationNews;
use wharf_memory::{Ordering, ReadWords, WriteWords};

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// What the broker says about the generations of the buffers. Two loads; no system call.
    pub fn news(&self) -> GenerationNews {
        self.status.news_for_producer()
    }

    /// The generation of the buffers acquired from now on.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The generation of a buffer in hand; `None` for one that is not.
    pub fn generation_in_hand(&self, buffer: usize) -> Option<u64> {
        self.in_hand.contains(buffer).then(|| self.lies_in[buffer])
    }

    /// The oldest generation in which a buffer is in hand or a frame lies that some consumer has not given back. Consumers may need
    /// those before it no more.
    pub fn oldest_in_use(&mut self) -> u64 {
        self.look();
        self.clear_beyond();
        let had = self.members.iter().map(|member| member.has);
        let had = had.fold(Buffers::NONE, Buffers::or);
        self.oldest_of(
            self.in_hand
                .or(self.unfinished)
                .or(had.and(self.frames.buffers())),
        )
    }

    /// Takes back the frames in buffers that are not acquired any more which nobody holds or will claim. No other frame is going to
    /// take their place, and a consumer that claims nothing is not to keep their memory.
    fn clear_beyond(&mut self) {
        let kept = Buffers::first(self.usable).or(self.unfinished);
        let beyond = self.frames.buffers().without(kept);
        for buffer in beyond.each() {
            let seq = self.frames.seq(buffer);
            let is_over = |member: &Member<R>| self.is_over_for(member, buffer, seq);
            if self.members.iter().all(is_over) && self.take_back(buffer) {
                self.frames.remove(buffer);
                self.free.insert(buffer);
                self.members
                    .iter_mut()
                    .for_each(|member| member.has.remove(buffer));
            }
        }
    }

    /// Whether a member will not claim a frame any more: one that takes the newest frames passes over older ones.
    fn is_over_for(&self, member: &Member<R>, buffer: usize, seq: u64) -> bool {
        // CAST: usize is at most 64 bits wide on Linux.
        let is_too_old =
            member.policy == Policy::Latest && seq.saturating_add(member.depth as u64) <= self.head;
        !member.has.contains(buffer) || is_too_old || member.has_passed(seq)
    }

    /// The oldest generation in which one of these buffers lies; that acquired now if there are none.
    fn oldest_of(&self, buffers: Buffers) -> u64 {
        let lies_in = buffers.each().map(|buffer| self.lies_in[buffer]);
        lies_in.fold(self.generation, u64::min)
    }

    /// Acquires buffers of `generation` from now on, of which there are `buffer_count` (1..=[`MAX_BUFFERS`], clamped). Frames
    /// published before stay where they are until everybody is done with them; buffers in hand are still published in the generation
    /// they were acquired in.
    pub fn switch(&mut self, generation: u64, buffer_count: usize) {
        self.usable = buffer_count.clamp(1, MAX_BUFFERS);
        let known = self.known.max(self.usable);
        let new = Buffers::first(known).without(Buffers::first(self.known));
        self.free = self.free.or(new);
        self.known = known;
        self.generation = generation;
        self.retire_generations();
    }

    /// Tells consumers which generations no frame will lie in any more.
    pub(super) fn retire_generations(&mut self) {
        if self.oldest == self.generation {
            return;
        }
        let oldest = self.oldest_of(self.in_hand);
        if oldest == self.oldest {
            return;
        }
        self.oldest = oldest;
        self.ring
            .store_u64(at::OLDEST_FROM, self.head + 1, Ordering::Relaxed);
        // ORDERING: Release publishes the number of the first frame before the generation it is for.
        self.ring.store_u64(at::OLDEST, oldest, Ordering::Release);
    }
}
