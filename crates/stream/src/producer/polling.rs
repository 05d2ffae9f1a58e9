//! How a producer waits with poll or epoll. Contract: S7.

use super::Producer;
use crate::layout::{POLLING, ring as at};
use wharf_memory::{Ordering, ReadWords, WriteWords, fence};

impl<O: WriteWords, R: ReadWords> Producer<O, R> {
    /// Asks to be rung at the next release. Look for a buffer once more before the bell is silenced, and again after that.
    pub fn arm(&mut self) {
        self.ring.store_u32(at::WAITING, POLLING, Ordering::Relaxed);
        // ORDERING: SeqCst fence between asking to be rung and looking once more; its counterpart is in
        // `notify_release`.
        fence(Ordering::SeqCst);
    }

    /// Asks not to be rung any more. Who waits for the bell without having armed it again must ring it itself.
    pub fn disarm(&mut self) {
        self.ring.store_u32(at::WAITING, 0, Ordering::Relaxed);
    }
}
