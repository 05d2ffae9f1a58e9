//! Blocking until fences are signaled.

use super::{CallbackHandle, CallbackOutcome, Fence, WaitAnyError};
use crate::wait::Waiter;
use crate::{Deadline, Wait, WaitError, order};

impl Fence {
    /// Waits until the fence is signaled, with an error or without; [`Fence::status`] tells which. Enables signaling.
    ///
    /// # Blocking
    /// Until the fence is signaled, or the wait's deadline or interrupt.
    ///
    /// # Locking
    /// The caller holds no lock that whoever signals the fence needs. A reservation may be held.
    ///
    /// # Errors
    /// - [`WaitError::TimedOut`]: the deadline passed → ETIMEDOUT.
    /// - [`WaitError::Interrupted`]: the interrupt was raised → EINTR.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{FenceContext, Wait, WaitError};
    ///
    /// let work = FenceContext::new("soft-gpu", "render").fence(1);
    /// let fence = work.fence();
    /// assert_eq!(fence.wait(&Wait::not()), Err(WaitError::TimedOut));
    /// let engine = std::thread::spawn(move || work.signal());
    /// assert_eq!(fence.wait(&Wait::forever()), Ok(()));
    /// # drop(engine.join());
    /// ```
    ///
    /// # References
    /// `dma_fence_wait_timeout` (drivers/dma-buf/dma-fence.c, v6.12): remaining time, 0 or -ERESTARTSYS.
    #[track_caller]
    pub fn wait(&self, wait: &Wait<'_>) -> Result<(), WaitError> {
        wait_first(std::slice::from_ref(self), wait).map(drop)
    }

    /// Waits until all of `fences` are signaled; of no fences that is at once. Enables signaling of all at the beginning.
    ///
    /// # Blocking
    /// As [`Fence::wait`], for all of them together.
    ///
    /// # Locking
    /// As [`Fence::wait`].
    ///
    /// # Errors
    /// As [`Fence::wait`].
    #[track_caller]
    pub fn wait_all(fences: &[Self], wait: &Wait<'_>) -> Result<(), WaitError> {
        fences.iter().for_each(Self::enable_signaling);
        for fence in fences {
            fence.wait(wait)?;
        }
        Ok(())
    }

    /// Waits until one of `fences` is signaled; returns its index. If several are at the beginning it is the first of them.
    ///
    /// # Blocking
    /// As [`Fence::wait`].
    ///
    /// # Locking
    /// As [`Fence::wait`].
    ///
    /// # Errors
    /// - [`WaitAnyError::NoFences`]: `fences` is empty → EINVAL.
    /// - [`WaitAnyError::Wait`]: as [`Fence::wait`].
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{Fence, FenceContext, Wait};
    ///
    /// let context = FenceContext::new("soft-gpu", "render");
    /// let (slow, fast) = (context.fence(1), FenceContext::new("soft-gpu", "copy").fence(1));
    /// let fences = [slow.fence(), fast.fence()];
    /// fast.signal();
    /// assert_eq!(Fence::wait_any(&fences, &Wait::forever()), Ok(1));
    /// ```
    ///
    /// # References
    /// `dma_fence_wait_any_timeout` (drivers/dma-buf/dma-fence.c, v6.12).
    #[track_caller]
    pub fn wait_any(fences: &[Self], wait: &Wait<'_>) -> Result<usize, WaitAnyError> {
        if fences.is_empty() {
            return Err(WaitAnyError::NoFences);
        }
        Ok(wait_first(fences, wait)?)
    }
}

/// Returns the index of the first of `fences` that is signaled. Every wait for a fence goes through here.
#[track_caller]
fn wait_first(fences: &[Fence], wait: &Wait<'_>) -> Result<usize, WaitError> {
    if wait.deadline() != Deadline::Now {
        order::might_wait();
    }
    tracing::trace!(target: "wharf_core::fence", fences = fences.len(), "wait begins");
    let outcome = match fences.iter().position(Fence::is_signaled) {
        Some(index) => Ok(index),
        None => block(fences, wait),
    };
    tracing::trace!(target: "wharf_core::fence", ?outcome, "wait ends");
    outcome
}

fn block(fences: &[Fence], wait: &Wait<'_>) -> Result<usize, WaitError> {
    let waiter = Waiter::new();
    let mut handles: Vec<CallbackHandle> = Vec::with_capacity(fences.len());
    for (index, fence) in fences.iter().enumerate() {
        let told = waiter.clone();
        let callback = move |_: &Fence| {
            told.deliver(index);
        };
        match fence.add_callback(callback) {
            CallbackOutcome::Added(handle) => handles.push(handle),
            CallbackOutcome::AlreadySignaled(callback) => {
                callback(fence);
                break;
            }
        }
    }
    let outcome = waiter.wait(wait);
    for handle in handles {
        handle.remove();
    }
    outcome
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::super::{FenceArray, FenceChain, FenceContext, UniqueFence};
    use super::*;
    use crate::sync::lock;

    fn has_callbacks(owner: &UniqueFence) -> bool {
        !lock(&owner.fence().inner().attendants).callbacks.is_empty()
    }

    #[test]
    fn a_wait_that_fails_leaves_nothing_on_the_fences() {
        let context = FenceContext::new("test", "queue");
        let (first, second) = (context.fence(1), context.fence(2));
        let fences = [first.fence(), second.fence()];
        assert_eq!(fences[0].wait(&Wait::not()), Err(WaitError::TimedOut));
        assert!(Fence::wait_any(&fences, &Wait::not()).is_err());
        assert!(!has_callbacks(&first) && !has_callbacks(&second));
    }

    #[test]
    fn a_wait_that_fails_leaves_nothing_of_containers_on_their_fences() {
        let context = FenceContext::new("test", "queue");
        let (first, second) = (context.fence(1), context.fence(2));
        let array = FenceArray::new([first.fence(), second.fence()]).unwrap();
        let link = FenceChain::link(Some(second.fence()), array.clone().into(), 1).unwrap();
        assert_eq!(link.wait(&Wait::not()), Err(WaitError::TimedOut));
        assert!(
            has_callbacks(&first),
            "the link waits for the array, and that for its members"
        );
        let (array_freed, link_freed) = (array.downgrade(), link.downgrade());
        drop((array, link));
        assert!(link_freed.upgrade().is_none() && array_freed.upgrade().is_none());
        assert!(!has_callbacks(&first) && !has_callbacks(&second));
    }

    #[test]
    fn a_container_that_is_dropped_with_callbacks_lives_until_they_have_run_or_gone() {
        let owner = FenceContext::new("test", "queue").fence(1);
        let make = || FenceArray::new([owner.fence()]).unwrap();
        let (runs, goes) = (make(), make());
        let (runs_freed, goes_freed) = (runs.downgrade(), goes.downgrade());
        let add = |array: &Fence| match array.add_callback(|_| ()) {
            CallbackOutcome::Added(handle) => handle,
            CallbackOutcome::AlreadySignaled(_) => panic!("signaled"),
        };
        let (handle, stays, other) = (add(&goes), add(&runs), add(&runs));
        assert!(other.remove(), "one of two");
        drop(stays);
        drop((runs, goes));
        assert!(runs_freed.upgrade().is_some() && goes_freed.upgrade().is_some());
        assert!(handle.remove());
        assert!(goes_freed.upgrade().is_none());
        owner.signal();
        assert!(runs_freed.upgrade().is_none());
    }
}
