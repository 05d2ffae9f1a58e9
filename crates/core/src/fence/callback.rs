//! Being told when a fence is signaled.

use std::fmt;
use std::mem;

use super::Fence;
use crate::sync::lock;

/// What became of a callback that was to be added.
///
/// DIFFERENCE: the kernel returns 0 or -ENOENT, which reads the wrong way round; here the callback itself comes back.
#[derive(Debug)]
#[must_use = "an already signaled fence does not run the callback"]
pub enum CallbackOutcome<F> {
    /// The fence was not signaled; the callback will run when it is.
    Added(CallbackHandle),
    /// The fence was already signaled; the callback was not queued and never runs.
    AlreadySignaled(F),
}

impl<F> CallbackOutcome<F> {
    /// Says whether the callback was queued.
    pub fn is_added(&self) -> bool {
        matches!(self, Self::Added(_))
    }
}

/// A queued callback. Dropping the handle leaves it queued.
#[derive(Clone)]
pub struct CallbackHandle {
    fence: Fence,
    id: u64,
}

impl CallbackHandle {
    pub(super) fn new(fence: Fence, id: u64) -> Self {
        Self { fence, id }
    }

    /// Takes the callback off the fence: `true` if it was still queued and so never runs.
    ///
    /// `false` means that it has run, is running or is about to, or was removed before.
    ///
    /// DIFFERENCE: the kernel runs callbacks under the fence's lock, so that there `false` means that the callback has returned.
    /// Here nothing runs under a lock; what a callback needs it owns.
    ///
    /// # Blocking
    /// No.
    ///
    /// # Locking
    /// May be called with any lock held, and from callbacks. The callback is dropped by this call.
    ///
    /// # References
    /// `dma_fence_remove_callback` (drivers/dma-buf/dma-fence.c, v6.12).
    pub fn remove(&self) -> bool {
        let removed = lock(&self.fence.inner().attendants).callbacks.remove(self.id);
        removed.is_some()
    }
}

impl fmt::Debug for CallbackHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackHandle")
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

pub(super) type Callback = Box<dyn FnOnce(&Fence) + Send>;

/// Callbacks in the order in which they were added.
///
/// # Invariants
/// `entries` is sorted by number. Fewer than half of the entries, and one, are empty, so that adding and removing in any order
/// costs little on average.
#[derive(Default)]
pub(super) struct Callbacks {
    entries: Vec<(u64, Option<Callback>)>,
    last: u64,
    empty: usize,
}

impl Callbacks {
    /// Queues a callback; returns its number.
    pub(super) fn push(&mut self, callback: Callback) -> u64 {
        self.last += 1;
        self.entries.push((self.last, Some(callback)));
        self.last
    }

    fn remove(&mut self, id: u64) -> Option<Callback> {
        let index = self.entries.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let callback = self.entries[index].1.take()?;
        self.empty += 1;
        if self.empty * 2 > self.entries.len() {
            self.entries.retain(|(_, callback)| callback.is_some());
            self.empty = 0;
        }
        Some(callback)
    }

    /// Takes all callbacks, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Callback> + use<> {
        self.empty = 0;
        mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(_, callback)| callback)
    }
}
