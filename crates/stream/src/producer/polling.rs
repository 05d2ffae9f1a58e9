//! How a producer waits with poll or epoll. Contract: S7.

use super::Producer;
use crate::layout::{POLLING, ring as at};
use crate::waiting::fence_before_last_look;
use wharf_memory::{Ordering, ReadWords, WriteWords};

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Asks to be rung at the next release. Look for a buffer once more before the bell is silenced, and again after that. Where heavy
    /// fences do not reach others a ring may be missed: look again after a while
    /// ([`heavy_fences_reach_others`](wharf_memory::heavy_fences_reach_others)).
    pub fn arm(&mut self) {
        self.ring.store_u32(at::WAITING, POLLING, Ordering::Relaxed);
        // ORDERING: fence between asking to be rung and looking once more; its counterpart is in
        // `notify_release`.
        let _ = fence_before_last_look(self.consumers_fence);
    }

    /// Asks not to be rung any more. Who waits for the bell without having armed it again must ring it itself.
    pub fn disarm(&mut self) {
        self.ring.store_u32(at::WAITING, 0, Ordering::Relaxed);
    }
}
