//! The time between a move and the moment when its old place is idle.

use std::sync::Arc;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};
use crate::{CallbackOutcome, Fence, FenceContext, ReservationGuard, UniqueFence, Usage};

/// Counts what still uses the old place; the last one signals its fence.
pub(crate) struct Settling {
    remaining: AtomicUsize,
    idle: Mutex<Option<UniqueFence>>,
}

impl Settling {
    /// Begins with one use: that of whoever makes the move, which ends with [`Settling::one_less`].
    pub(crate) fn new() -> (Arc<Self>, Fence) {
        // A timeline for each move: they settle in any order.
        let signaler = FenceContext::new("wharf", "move").fence(1);
        let fence = signaler.fence();
        let settling = Self {
            remaining: AtomicUsize::new(1),
            idle: Mutex::new(Some(signaler)),
        };
        (Arc::new(settling), fence)
    }

    pub(crate) fn one_more(&self) {
        // ORDERING: whoever adds a use has one itself.
        self.remaining.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends one use. The last one runs the callbacks of the fence on this thread.
    pub(crate) fn one_less(&self) {
        // ORDERING: what all users did to the old place happens before what the fence allows.
        if self.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let idle = lock(&self.idle).take();
        if let Some(idle) = idle {
            idle.signal();
        }
    }

    /// Adds the unsignaled fences of all usages as uses.
    pub(crate) fn wait_for_fences(self: &Arc<Self>, guard: &ReservationGuard<'_>) {
        for (fence, _) in guard.fences(Usage::Bookkeep) {
            self.one_more();
            let settling = Arc::clone(self);
            if let CallbackOutcome::AlreadySignaled(_) = fence.add_callback(move |_| settling.one_less()) {
                self.one_less();
            }
        }
    }
}
