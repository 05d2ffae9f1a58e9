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
