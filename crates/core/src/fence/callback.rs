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
#[must_use = "without it the callback cannot be removed; drop it to say so"]
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
    /// `false` means that it has run, is running or is about to.
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
    /// # Examples
    /// ```
    /// use wharf_core::{CallbackOutcome, FenceContext};
    ///
    /// let work = FenceContext::new("soft-gpu", "render").fence(1);
    /// let CallbackOutcome::Added(handle) = work.fence().add_callback(|_| unreachable!()) else {
    ///     return;
    /// };
    /// assert!(handle.remove());
    /// work.signal();
    /// ```
    ///
    /// # References
    /// `dma_fence_remove_callback` (drivers/dma-buf/dma-fence.c, v6.12).
    pub fn remove(self) -> bool {
        // Dropped after the lock is released: both may run foreign code.
        let (removed, _kept) = {
            let mut attendants = lock(&self.fence.inner().attendants);
            let removed = attendants.callbacks.remove(self.id);
            let unkept = attendants.callbacks.is_empty().then(|| attendants.kept.take());
            (removed, unkept)
        };
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

    /// Says whether no callback is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.len() == self.empty
    }

    /// Takes all callbacks, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Callback> + use<> {
        self.empty = 0;
        mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|(_, callback)| callback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_half_of_the_entries_stay_empty() {
        let mut callbacks = Callbacks::default();
        let ids: Vec<u64> = (0..1000).map(|_| callbacks.push(Box::new(|_| ()))).collect();
        for (removed, id) in ids
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 10 != 0)
            .map(|(_, id)| id)
            .enumerate()
        {
            assert!(callbacks.remove(*id).is_some());
            assert!(callbacks.remove(*id).is_none());
            let left = ids.len() - removed - 1;
            assert!(
                callbacks.entries.len() <= 2 * left,
                "{} for {left}",
                callbacks.entries.len()
            );
            let empty = callbacks
                .entries
                .iter()
                .filter(|(_, callback)| callback.is_none())
                .count();
            assert_eq!(callbacks.empty, empty);
        }
        assert_eq!(callbacks.take().count(), 100);
        assert!(callbacks.is_empty());
    }
}
