//! What a driver adds to its fences.

use std::time::Instant;

use crate::Errno;

/// The answer of [`FenceOps::enable_signaling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signaling {
    /// The driver will signal the fence.
    Enabled,
    /// The work is already over; the fence is signaled at once.
    AlreadySignaled,
}

/// What a driver adds to a fence that does not signal by itself: the kernel's `struct dma_fence_ops`.
///
/// Implementing it is safe, and nothing it does is trusted: its panics are contained and count as "not signaled". The methods may
/// be called from several threads at once and with no lock of the framework held. They hold nothing that their fence's owner
/// needs for signaling. The ops are dropped when the fence is signaled. Contract: F, B5.
///
/// # Blocking
/// The methods do not block: they run in whatever thread looks at the fence.
///
/// # Examples
/// A device that writes the number of the last finished job to a word, and raises no interrupt:
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use wharf_core::{FenceContext, FenceOps, Signaling};
///
/// struct Job {
///     finished: Arc<AtomicU64>,
///     seqno: u64,
/// }
/// impl FenceOps for Job {
///     fn enable_signaling(&self) -> Signaling {
///         if self.is_signaled() { Signaling::AlreadySignaled } else { Signaling::Enabled }
///     }
///     fn is_signaled(&self) -> bool {
///         self.finished.load(Ordering::Acquire) >= self.seqno
///     }
/// }
///
/// let finished = Arc::new(AtomicU64::new(0));
/// let job = Job { finished: finished.clone(), seqno: 1 };
/// let work = FenceContext::new("soft-npu", "jobs").fence_with(1, Box::new(job));
/// let fence = work.fence();
/// assert!(!fence.is_signaled());
/// finished.store(1, Ordering::Release);
/// assert!(fence.is_signaled());
/// ```
///
/// # References
/// include/linux/dma-fence.h `struct dma_fence_ops` (v7.1: detached at signaling).
pub trait FenceOps: Send + Sync {
    /// Arranges that the fence will be signaled, for example by switching an interrupt on.
    ///
    /// Called at most once, before the first callback or wait. A driver whose owner signals in any case says
    /// [`Signaling::Enabled`].
    fn enable_signaling(&self) -> Signaling;

    /// Looks whether the work is over, for example at a word that the device writes; if so, the fence is signaled.
    fn is_signaled(&self) -> bool {
        false
    }

    /// Says with which error the work went wrong. Asked once, when [`FenceOps::is_signaled`] or [`FenceOps::enable_signaling`] has said
    /// that it is over. A number that is not from 1 to 4095 counts as no error.
    ///
    /// DIFFERENCE: a driver of the kernel calls `dma_fence_set_error` before its ops say that the work is over; ops have no fence here.
    fn error(&self) -> Option<Errno> {
        None
    }

    /// Hears until when somebody would like the fence to be signaled; a hint, never a time-out.
    ///
    /// Called for each deadline that is earlier than all before it. Two such calls may overtake each other; keep the earliest.
    fn set_deadline(&self, deadline: Instant) {
        let _ = deadline;
    }
}
