//! The owner's side of a fence.

use std::fmt;
use std::time::Instant;

use super::{Fence, SignalError};
use crate::Errno;

/// The right and the duty to signal a fence. There is one per fence, and signaling uses it up.
///
/// Dropped without signaling, for example because the owner's thread panicked, it signals the fence with EDEADLK: nobody waits
/// forever for an owner that is gone.
///
/// DIFFERENCE: the kernel does this when the last reference of an unsignaled fence with callbacks goes; here the owner's side is a
/// value of its own, so that it happens as soon as nobody can signal any more.
///
/// # Examples
/// ```
/// use wharf_core::{Errno, FenceContext, FenceStatus};
///
/// let work = FenceContext::new("soft-gpu", "render").fence(1);
/// let fence = work.fence();
/// drop(work);
/// assert_eq!(fence.status(), FenceStatus::Failed(Errno::EDEADLK));
/// ```
///
/// # References
/// `dma_fence_signal`, `dma_fence_set_error`, `dma_fence_release` (drivers/dma-buf/dma-fence.c, v6.12).
#[must_use = "dropping it signals the fence with an error"]
pub struct UniqueFence {
    fence: Fence,
}

impl UniqueFence {
    pub(super) fn new(fence: Fence) -> Self {
        Self { fence }
    }

    /// Returns the side for everybody else.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Says that the work is over: runs the callbacks in the order in which they were added and wakes those who wait.
    ///
    /// # Blocking
    /// As long as the callbacks take, on this thread.
    ///
    /// # Locking
    /// Callbacks run with no lock of the framework held. The caller should hold none that a callback takes.
    pub fn signal(self) {
        self.fence.settle(None);
    }

    /// Says that the work is over and went wrong. Apart from the status it is the same as [`UniqueFence::signal`].
    ///
    /// # Blocking
    /// As [`UniqueFence::signal`].
    ///
    /// # Locking
    /// As [`UniqueFence::signal`].
    ///
    /// # Errors
    /// - [`SignalError::NotAnError`]: the number is not from 1 to 4095 → EINVAL; the owner's side is in it.
    /// - [`SignalError::AlreadySignaled`]: the fence's own ops said before that the work was over → EINVAL.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{Errno, FenceContext, FenceStatus};
    ///
    /// let work = FenceContext::new("soft-gpu", "render").fence(1);
    /// let fence = work.fence();
    /// work.signal_error(Errno::EIO)?;
    /// assert_eq!(fence.status(), FenceStatus::Failed(Errno::EIO));
    /// # Ok::<(), wharf_core::SignalError>(())
    /// ```
    pub fn signal_error(self, errno: Errno) -> Result<(), SignalError> {
        if !errno.is_error() {
            return Err(SignalError::NotAnError { errno, fence: self });
        }
        if self.fence.settle(Some(errno)) {
            return Ok(());
        }
        Err(SignalError::AlreadySignaled {
            errno,
            fence: self.fence(),
        })
    }

    /// Returns the earliest deadline that somebody asked for while the fence was unsignaled.
    ///
    /// # References
    /// `SW_SYNC_GET_DEADLINE` (drivers/dma-buf/sw_sync.c, v6.5).
    pub fn deadline(&self) -> Option<Instant> {
        self.fence.earliest_deadline()
    }
}

impl Drop for UniqueFence {
    fn drop(&mut self) {
        // Does nothing after signal(), which is the usual way here.
        self.fence.settle(Some(Errno::EDEADLK));
    }
}

impl fmt::Debug for UniqueFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UniqueFence").field(&self.fence).finish()
    }
}
