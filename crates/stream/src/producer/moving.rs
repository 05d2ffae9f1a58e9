//! How the producer moves to another generation of the buffers.
//!
//! An index of the ring stands for a buffer of each generation. Which one a frame lies in is settled when the producer acquires the
//! index, and written into the frame's descriptor. So an index passes from one generation to the next as it passes from one frame to
//! the next: when no consumer has it any more.

use super::{BufferState, Producer};
use crate::layout::{MAX_BUFFERS, ring as at};
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
        match self.buffers.get(buffer) {
            Some(BufferState::InHand(generation)) => Some(*generation),
            _ => None,
        }
    }

    /// Acquires buffers of `generation` from now on, of which there are `buffer_count` (1..=[`MAX_BUFFERS`], clamped). Frames
    /// published before stay where they are until everybody is done with them; buffers in hand are still published in the generation
    /// they were acquired in.
    pub fn switch(&mut self, generation: u64, buffer_count: usize) {
        self.usable = buffer_count.clamp(1, MAX_BUFFERS);
        let known = self.buffers.len().max(self.usable);
        self.buffers.resize(known, BufferState::Free);
        self.generation = generation;
        self.retire_generations();
    }

    /// Tells consumers which generations no frame will lie in any more.
    pub(super) fn retire_generations(&mut self) {
        if self.oldest == self.generation {
            return;
        }
        let in_hand = self.buffers.iter().filter_map(|state| match state {
            BufferState::InHand(generation) => Some(*generation),
            BufferState::Free | BufferState::Published(_) => None,
        });
        let oldest = in_hand.fold(self.generation, u64::min);
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
