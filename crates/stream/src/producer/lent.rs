//! Buffers in which work goes on that nobody has to wait for here.

use super::Producer;
use crate::buffers::Buffers;
use crate::layout::{points, ring as at};
use wharf_memory::{Ordering, ReadWords, WriteWords};

/// A buffer acquired while work in it goes on: nothing may be written there before that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// The buffer.
    pub buffer: usize,
    /// The frame that it carried: the point of each of those below.
    pub seq: u64,
    /// The consumers that have lent the frame and are not done with it: slot and incarnation.
    pub by: Vec<(usize, u64)>,
    /// The producer's own work on the frame is not over.
    pub is_unfinished: bool,
}

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Takes a buffer in which only work goes on whose end can be waited for later: consumers have lent its frame, or its contents are not there
    /// yet. Takes the one whose frame is the oldest. To be called when [`Producer::acquire_now`] has just found nothing.
    ///
    /// # Blocking
    ///
    /// Never.
    pub fn try_acquire_lent(&mut self) -> Option<Lent> {
        let buffer = self.pick_lent()?;
        let by = self.members.iter().filter(|member| member.lent.contains(buffer));
        let lent = Lent {
            buffer,
            seq: self.frames.seq(buffer),
            by: by.map(|member| (member.slot, member.incarnation)).collect(),
            is_unfinished: self.unfinished.contains(buffer),
        };
        self.take(buffer);
        Some(lent)
    }

    /// Whether there are frames whose contents were not there when it was last looked.
    pub fn has_unfinished(&self) -> bool {
        self.unfinished != Buffers::NONE
    }

    /// The oldest buffer that is nobody's but for work that goes on. Who has as many frames as it may gets another only in place of
    /// one that it lent.
    fn pick_lent(&self) -> Option<usize> {
        let in_hand = self.in_hand.count();
        let (mut kept, mut had) = (Buffers::NONE, Buffers::NONE);
        let mut left = self.frames.buffers().and(Buffers::first(self.usable));
        for member in &self.members {
            kept = kept.or(member.has.without(member.lent));
            had = had.or(member.has);
            if member.is_full(in_hand) {
                left = left.and(member.has);
            }
        }
        if had.count() + in_hand >= self.in_flight_limit {
            left = left.and(had);
        }
        self.frames.oldest_of(left.without(kept))
    }

    /// Looks which contents are there by now.
    pub(super) fn look_at_contents(&mut self) {
        for buffer in self.unfinished.each() {
            // ORDERING: Acquire pairs with the Release store of the point: the buffer may be written by this thread from here on.
            let reached = self
                .ring
                .load_u64(at::POINTS + points::value(buffer), Ordering::Acquire);
            if reached >= self.frames.seq(buffer) {
                self.unfinished.remove(buffer);
            }
        }
    }
}
