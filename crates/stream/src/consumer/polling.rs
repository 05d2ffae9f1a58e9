//! How a consumer waits with poll or epoll. Contract: S7.
//!
//! The consumer's doorbell is rung or silent. While frames are there that the consumer has not claimed it is rung, or about to be:
//! - Before it is silenced the consumer asks for it in its page, and each publication from then on rings.
//! - Who finds something after silencing it rings it itself: that may have been what it was rung for.
//! - The consumer asks for it until it has claimed the second frame since it was silenced. The first one's ring is over then, because the
//!   producer publishes one frame after the other.

use super::Consumer;
use crate::doorbell::Doorbell;
use crate::layout::{POLLING, consumer as own};
use crate::waiting::fence_before_last_look;
use std::sync::Arc;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

/// Who is not admitted yet is rung from its first frame on, whichever that is.
const NOT_ADMITTED: u64 = u64::MAX;

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
    /// Rings `bell` for the producer from now on when that waits for it.
    pub fn set_producers_bell(&mut self, bell: Arc<dyn Doorbell>) {
        self.producers_bell = Some(bell);
    }

    /// Asks to be rung, and tells whether there is nothing to claim and no news. Only then silence the bell, and look once more
    /// ([`Consumer::settle`]). Where heavy fences do not reach others a ring may be missed: look again after a while
    /// ([`heavy_fences_reach_others`](wharf_memory::heavy_fences_reach_others)).
    pub fn arm(&mut self) -> bool {
        if self.armed_at.is_none() {
            self.armed_at = Some(self.cursor.unwrap_or(NOT_ADMITTED));
            self.page.store_u32(own::WAITING, POLLING, Ordering::Relaxed);
            // ORDERING: fence between asking to be rung and looking once more; its counterpart is in
            // `Producer::wake_sleepers`.
            let _ = fence_before_last_look(self.producer_fences);
        }
        self.has_nothing()
    }

    /// Looks once more after the bell was silenced, and tells whether there is nothing to claim and no news. If there is, ring the bell.
    pub fn settle(&mut self) -> bool {
        // ORDERING: SeqCst fence between silencing the bell and looking: what was rung for before is seen.
        fence(Ordering::SeqCst);
        self.armed_at = Some(self.cursor.unwrap_or(NOT_ADMITTED));
        self.has_nothing()
    }

    fn has_nothing(&mut self) -> bool {
        let next = self.admitted_cursor().map(|cursor| cursor.saturating_add(1));
        self.is_idle(next)
    }

    /// Asks not to be rung any more if the bell is rung for certain, having claimed frame `seq`. Spares the producer a system call
    /// for each frame while the consumer is awake.
    pub fn disarm_after(&mut self, seq: u64) {
        match self.armed_at {
            Some(NOT_ADMITTED) => self.armed_at = Some(seq.saturating_sub(1)),
            Some(silent) if seq >= silent.saturating_add(2) => {
                self.armed_at = None;
                self.page.store_u32(own::WAITING, 0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
