//! How the producer moves to another generation of the buffers.
//!
//! An index of the ring stands for a buffer of each generation. Which one a frame lies in is settled when the producer acquires the
//! index, and written into the frame's descriptor. So an index passes from one generation to the next as it passes from one frame to
//! the next: when no consumer has it any more.

use super::{BufferState, Producer};
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
        let is_in_hand = self.buffers.get(buffer) == Some(&BufferState::InHand);
        is_in_hand.then(|| self.lies_in[buffer])
    }

    /// The oldest generation in which a buffer is in hand or a frame lies that some consumer has not given back. Consumers may need
    /// those before it no more.
    pub fn oldest_in_use(&mut self) -> u64 {
        self.clear_beyond();
        let is_in_use = |(buffer, seq): &(usize, u64)| {
            let still_has = |member: &Member<R>| member.still_has(*seq, *buffer);
            self.members.iter().any(still_has)
        };
        let frames = self.published().filter(is_in_use);
        let frames = frames.map(|(buffer, _)| self.lies_in[buffer]);
        frames.fold(self.oldest_in_hand(), u64::min)
    }

    /// Takes back the frames in buffers that are not acquired any more which nobody holds or will claim. No other frame is going to
    /// take their place, and a consumer that claims nothing is not to keep their memory.
    fn clear_beyond(&mut self) {
        let beyond = self.published().filter(|(buffer, _)| *buffer >= self.usable);
        let over: Vec<usize> = beyond
            .filter(|(_, seq)| self.members.iter().all(|member| self.is_over_for(member, *seq)))
            .map(|(buffer, _)| buffer)
            .collect();
        for buffer in over {
            if self.take_back(buffer, &mut vec![0; self.members.len()]) {
                self.buffers[buffer] = BufferState::Free;
            }
        }
    }

    /// Whether a member will not claim a frame any more: one that takes the newest frames passes over older ones.
    fn is_over_for(&self, member: &Member<R>, seq: u64) -> bool {
        // CAST: usize is at most 64 bits wide on Linux.
        let is_too_old =
            member.policy == Policy::Latest && seq.saturating_add(member.depth as u64) <= self.head;
        seq < member.first_seq || is_too_old || member.has_passed(seq)
    }

    fn oldest_in_hand(&self) -> u64 {
        let states = self.buffers.iter().zip(&self.lies_in);
        let in_hand = states.filter(|(state, _)| **state == BufferState::InHand);
        in_hand
            .map(|(_, lies_in)| *lies_in)
            .fold(self.generation, u64::min)
    }

    /// Acquires buffers of `generation` from now on, of which there are `buffer_count` (1..=[`MAX_BUFFERS`], clamped). Frames
    /// published before stay where they are until everybody is done with them; buffers in hand are still published in the generation
    /// they were acquired in.
    pub fn switch(&mut self, generation: u64, buffer_count: usize) {
        self.usable = buffer_count.clamp(1, MAX_BUFFERS);
        let known = self.buffers.len().max(self.usable);
        self.buffers.resize(known, BufferState::Free);
        self.lies_in.resize(known, generation);
        self.generation = generation;
        self.retire_generations();
    }

    /// Tells consumers which generations no frame will lie in any more.
    pub(super) fn retire_generations(&mut self) {
        if self.oldest == self.generation {
            return;
        }
        let oldest = self.oldest_in_hand();
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
