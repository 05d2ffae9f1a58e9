//! Timelines of fences.

use std::fmt;
use std::sync::Arc;
// Not the facade's: models may not share it, and nothing is ordered by it.
use std::sync::atomic::{AtomicU64, Ordering};

use super::inner::{Inner, Signaler};
use super::{Fence, FenceOps, UniqueFence, WeakFence};

/// The number of a [`FenceContext`], unique in the process.
///
/// Zero is the context of stubs: fences that were always signaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(u64);

impl ContextId {
    /// The context of stubs, as in the kernel.
    pub(super) const STUB: Self = Self(0);

    /// Numbers are never given twice: 2^64 of them outlast every process.
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed; only uniqueness matters.
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Returns the number.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A timeline: the fences of one queue of work, which are signaled in the order of their sequence numbers. Cloning gives the same one.
///
/// That order is the owner's promise. [`merge`](super::merge) relies on it when it keeps the latest fence of each context.
///
/// # Examples
/// ```
/// use wharf_core::{FenceContext, FenceStatus};
///
/// let context = FenceContext::new("soft-gpu", "render");
/// let work = context.fence(1);
/// let fence = work.fence();
/// assert_eq!(fence.status(), FenceStatus::Unsignaled);
/// work.signal();
/// assert_eq!(fence.status(), FenceStatus::Signaled);
/// assert_eq!(fence.to_string(), format!("soft-gpu-render {}:1", context.id()));
/// ```
///
/// # References
/// `dma_fence_context_alloc`, `dma_fence_init64` (drivers/dma-buf/dma-fence.c, v6.19).
#[derive(Debug, Clone)]
pub struct FenceContext {
    timeline: Timeline,
}

/// What the fences of a context have in common.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    pub(super) id: ContextId,
    /// Whether its fences record when they are signaled.
    pub(super) timestamps: bool,
    names: Arc<Names>,
}

#[derive(Debug)]
struct Names {
    driver: Box<str>,
    timeline: Box<str>,
}

impl Timeline {
    pub(super) fn driver(&self) -> &str {
        &self.names.driver
    }

    pub(super) fn name(&self) -> &str {
        &self.names.timeline
    }
}

impl FenceContext {
    /// Makes a new timeline; the names are for people to read.
    pub fn new(driver: &str, timeline: &str) -> Self {
        let names = Names {
            driver: driver.into(),
            timeline: timeline.into(),
        };
        Self {
            timeline: Timeline {
                id: ContextId::next(),
                timestamps: false,
                names: Arc::new(names),
            },
        }
    }

    /// Has fences made from now on record when they are signaled, see [`Fence::signaled_at`].
    ///
    /// DIFFERENCE: the kernel always records it. Reading the clock costs more than signaling, so that here only those pay who want it.
    #[must_use]
    pub fn with_timestamps(mut self) -> Self {
        self.timeline.timestamps = true;
        self
    }

    /// Returns the number of the context.
    pub fn id(&self) -> ContextId {
        self.timeline.id
    }

    /// Returns the driver's name.
    pub fn driver(&self) -> &str {
        self.timeline.driver()
    }

    /// Returns the timeline's name.
    pub fn timeline(&self) -> &str {
        self.timeline.name()
    }

    /// Makes an unsignaled fence; its number should be higher than those before it.
    ///
    /// DIFFERENCE: numbers have 64 bits and are compared as they are; the kernel's older ones have 32 bits and wrap.
    pub fn fence(&self, seqno: u64) -> UniqueFence {
        let timeline = self.timeline.clone();
        UniqueFence::new(Fence::new(Inner::plain(seqno, timeline, Signaler::Owner, None)))
    }

    /// Makes an unsignaled fence with a driver's ops.
    pub fn fence_with(&self, seqno: u64, ops: Box<dyn FenceOps>) -> UniqueFence {
        let (timeline, ops) = (self.timeline.clone(), Some(Arc::from(ops)));
        UniqueFence::new(Fence::new(Inner::plain(
            seqno,
            timeline,
            Signaler::OwnerAndOps,
            ops,
        )))
    }

    /// Makes an unsignaled fence that nobody owns: it is signaled when its ops say so, by whoever looks then. It is freed with its last
    /// handle, unless it has callbacks.
    ///
    /// Its ops are for work that is not this process's. When signaling is enabled they see to it that somebody looks when the work is
    /// over, who needs the fence for that: `ops` is given it.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use wharf_core::{Fence, FenceContext, FenceOps, Signaling, WeakFence};
    ///
    /// struct Elsewhere(Arc<AtomicBool>);
    /// impl FenceOps for Elsewhere {
    ///     fn enable_signaling(&self) -> Signaling {
    ///         Signaling::Enabled
    ///     }
    ///     fn is_signaled(&self) -> bool {
    ///         self.0.load(Ordering::Acquire)
    ///     }
    /// }
    ///
    /// let over = Arc::new(AtomicBool::new(false));
    /// let context = FenceContext::new("elsewhere", "jobs");
    /// let fence = context.fence_by(1, |_: &WeakFence| Box::new(Elsewhere(over.clone())));
    /// assert!(!fence.is_signaled());
    /// over.store(true, Ordering::Release);
    /// assert!(fence.is_signaled());
    /// ```
    pub fn fence_by(&self, seqno: u64, ops: impl FnOnce(&WeakFence) -> Box<dyn FenceOps>) -> Fence {
        let timeline = self.timeline.clone();
        Fence::new_cyclic(|fence| {
            let ops = Some(Arc::from(ops(fence)));
            Inner::plain(seqno, timeline, Signaler::Ops, ops)
        })
    }
}
