//! How a consumer waits with poll or epoll. Contract: S7.
//!
//! The consumer's doorbell is rung or silent. While frames are there that the consumer has not claimed it is rung, or about to be:
//! - While the consumer says that it waits for it, each publication rings.
//! - It says so until it has claimed a frame whose predecessor was published after it had begun to. That one's ring is over then,
//!   because the producer publishes one frame after the other.
//! - The bell is silenced only after the consumer has said so and has found nothing; who finds something after that rings itself.

use super::{Consumer, NOT_ADMITTED};
use crate::doorbell::Doorbell;
use crate::layout::{POLLING, consumer as own, ring as at};
use crate::status::StreamState;
use std::sync::Arc;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

impl<O: WriteWords, R: ReadWords> Consumer<O, R> {
    /// Rings `bell` for the producer from now on when that waits for it.
    pub fn set_producers_bell(&mut self, bell: Arc<dyn Doorbell>) {
        self.producers_bell = Some(bell);
    }

    /// Asks to be rung, and tells whether there is nothing to claim and no news. Only then silence the bell, and look once more.
    pub fn arm(&mut self) -> bool {
        if self.armed_at.is_none() {
            self.page.store_u32(own::WAITING, POLLING, Ordering::Relaxed);
            // ORDERING: SeqCst fence between asking to be rung and looking once more; its counterpart is in
            // `Producer::ring_bell`.
            fence(Ordering::SeqCst);
            let head = self.ring.load_u64(at::HEAD, Ordering::Acquire);
            self.armed_at = Some(self.admitted_cursor().map_or(NOT_ADMITTED, |_| head));
        }
        self.is_idle()
    }

    /// Looks once more after the bell was silenced: whether there is nothing to claim and no news.
    pub fn is_still_idle(&mut self) -> bool {
        // ORDERING: SeqCst fence between silencing the bell and looking: what was rung before is seen.
        fence(Ordering::SeqCst);
        self.is_idle()
    }

    fn is_idle(&mut self) -> bool {
        let head = self.ring.load_u64(at::HEAD, Ordering::Acquire);
        self.admitted_cursor().is_none_or(|cursor| head <= cursor)
            && self.status.news_for_consumers() == self.news
            && self.stream_state() == StreamState::Running
            && self.is_member()
    }

    /// Asks not to be rung any more if the bell is rung for certain, having claimed frame `seq`. Spares the producer a system call
    /// for each frame while the consumer is awake.
    pub fn disarm_after(&mut self, seq: u64) {
        match self.armed_at {
            Some(NOT_ADMITTED) => self.armed_at = Some(seq.saturating_sub(1)),
            Some(head) if seq >= head.saturating_add(2) => {
                self.armed_at = None;
                self.page.store_u32(own::WAITING, 0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
