//! A fence: what everybody but its owner sees.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::inner::{Body, Inner};
use super::{CallbackHandle, CallbackOutcome, ContextId, FenceStatus, SeqnoError};
use crate::sync::lock;

/// A one-shot signal that says that work on memory is over. Cloning gives the same fence; equality is identity.
///
/// See the [module](super) for the rules.
///
/// # References
/// `struct dma_fence` (include/linux/dma-fence.h, v6.12). Contract: F.
#[derive(Clone)]
pub struct Fence {
    inner: Arc<Inner>,
}

impl Fence {
    pub(super) fn new(inner: Inner) -> Self {
        Self::begin(Arc::new(inner))
    }

    /// Makes a fence of which parts refer to itself.
    pub(super) fn new_cyclic(inner: impl FnOnce(&WeakFence) -> Inner) -> Self {
        Self::begin(Arc::new_cyclic(|weak| inner(&WeakFence(weak.clone()))))
    }

    fn begin(inner: Arc<Inner>) -> Self {
        let fence = Self { inner };
        tracing::trace!(target: "wharf_core::fence", %fence, "init");
        fence
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Refers to the fence without keeping it.
    pub fn downgrade(&self) -> WeakFence {
        WeakFence(Arc::downgrade(&self.inner))
    }

    /// Takes the fence apart if this was its last handle.
    pub(super) fn into_inner(self) -> Option<Inner> {
        Arc::into_inner(self.inner)
    }

    /// Returns the number of the fence's context.
    pub fn context(&self) -> ContextId {
        self.inner.context
    }

    /// Returns the fence's place in its context.
    pub fn seqno(&self) -> u64 {
        self.inner.seqno
    }

    /// Returns the name of the driver that made the fence.
    pub fn driver(&self) -> &str {
        match &self.inner.body {
            Body::Plain { timeline, .. } => timeline.driver(),
            Body::Stub => "stub",
            Body::Array(_) => "array",
            Body::Chain(_) => "chain",
        }
    }

    /// Returns the name of the fence's timeline.
    pub fn timeline(&self) -> &str {
        match &self.inner.body {
            Body::Plain { timeline, .. } => timeline.name(),
            Body::Stub => "signaled",
            Body::Array(_) | Body::Chain(_) => "unbound",
        }
    }

    /// Says whether the fence consists of other fences: an array or a link of a chain.
    pub fn is_container(&self) -> bool {
        matches!(self.inner.body, Body::Array(_) | Body::Chain(_))
    }

    /// Says whether the fence is signaled, with an error or without. Asks the fence's ops, or its members, if need be.
    ///
    /// # Blocking
    /// No. If it finds that the fence ought to be signaled, it signals it, and runs the callbacks on this thread.
    ///
    /// # Locking
    /// May be called with any lock held that no callback of this fence takes.
    ///
    /// # References
    /// `dma_fence_is_signaled` (include/linux/dma-fence.h, v6.12).
    pub fn is_signaled(&self) -> bool {
        if !self.inner.state.is_signaled() {
            self.poll();
        }
        self.inner.state.is_signaled()
    }

    /// Returns how far the fence is; looks as [`Fence::is_signaled`] does.
    ///
    /// # Blocking
    /// No, as [`Fence::is_signaled`].
    ///
    /// # Locking
    /// As [`Fence::is_signaled`].
    ///
    /// # References
    /// `dma_fence_get_status` (drivers/dma-buf/dma-fence.c, v6.12): 0, 1 or a negative error number.
    pub fn status(&self) -> FenceStatus {
        self.is_signaled();
        self.inner.state.status()
    }

    /// Returns how far the fence is known to be, without looking: no source is asked and no callback runs.
    pub(crate) fn noticed_status(&self) -> FenceStatus {
        self.inner.state.status()
    }

    /// Returns when the fence was signaled; `None` before that, and if its timeline does not record it.
    ///
    /// # References
    /// `dma_fence_timestamp` (drivers/dma-buf/dma-fence.c, v6.12).
    pub fn signaled_at(&self) -> Option<Instant> {
        let moment = self.inner.signaled_at.as_ref()?;
        self.inner
            .state
            .is_signaled()
            .then(|| moment.get().copied())
            .flatten()
    }

    /// Says whether the fence records when it is signaled.
    pub(super) fn has_timestamp(&self) -> bool {
        self.inner.signaled_at.is_some()
    }

    /// Says whether this fence comes after `other` on their timeline.
    ///
    /// # Errors
    /// [`SeqnoError::DifferentContexts`]: they are of different timelines → EINVAL.
    ///
    /// # References
    /// `dma_fence_is_later` (include/linux/dma-fence.h, v6.12), which warns of different contexts.
    pub fn is_later_than(&self, other: &Self) -> Result<bool, SeqnoError> {
        if self.context() != other.context() {
            return Err(SeqnoError::DifferentContexts {
                context: self.context(),
                other: other.context(),
            });
        }
        Ok(self.seqno() > other.seqno())
    }

    /// Has `callback` run when the fence is signaled, on the thread that signals it. Enables signaling.
    ///
    /// Callbacks run in the order in which they were added. One that panics is reported and does not keep the others from running.
    ///
    /// # Blocking
    /// No.
    ///
    /// # Locking
    /// May be called with any lock held that no callback of this fence takes: the ops may find that the fence is signaled.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{CallbackOutcome, FenceContext};
    ///
    /// let work = FenceContext::new("soft-gpu", "render").fence(1);
    /// let fence = work.fence();
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let outcome = fence.add_callback(move |fence| drop(sender.send(fence.seqno())));
    /// assert!(matches!(outcome, CallbackOutcome::Added(_)));
    /// work.signal();
    /// assert_eq!(told.recv(), Ok(1));
    /// assert!(matches!(fence.add_callback(|_| ()), CallbackOutcome::AlreadySignaled(_)));
    /// ```
    ///
    /// # References
    /// `dma_fence_add_callback` (drivers/dma-buf/dma-fence.c, v6.12): 0 or -ENOENT.
    pub fn add_callback<F>(&self, callback: F) -> CallbackOutcome<F>
    where
        F: FnOnce(&Self) + Send + 'static,
    {
        self.enable_signaling();
        if self.inner.state.is_signaled() {
            return CallbackOutcome::AlreadySignaled(callback);
        }
        let callback = Box::new(callback);
        let mut attendants = lock(&self.inner.attendants);
        // Under the lock: a signaler that sees this waits for the lock and finds the callback; else this sees the signal.
        if !self.inner.state.attend() {
            return CallbackOutcome::AlreadySignaled(*callback);
        }
        let id = attendants.callbacks.push(callback);
        if !self.inner.has_owner() {
            attendants.kept.get_or_insert_with(|| self.clone());
        }
        CallbackOutcome::Added(CallbackHandle::new(self.clone(), id))
    }

    /// Tells whoever works on it until when the fence would best be signaled: a hint, never a time-out.
    ///
    /// The earliest deadline counts; one for a signaled fence is ignored. Arrays and chains pass it to all their fences.
    ///
    /// # Blocking
    /// No.
    ///
    /// # Locking
    /// May be called with any lock held.
    ///
    /// # References
    /// `dma_fence_set_deadline` (drivers/dma-buf/dma-fence.c, v6.5).
    pub fn set_deadline(&self, deadline: Instant) {
        if self.inner.state.is_signaled() {
            return;
        }
        match &self.inner.body {
            Body::Plain { .. } => self.hint_deadline(deadline),
            Body::Stub => {}
            Body::Array(array) => array.set_deadline(deadline),
            Body::Chain(_) => super::chain::set_deadline(self, deadline),
        }
    }
}

/// Refers to a [`Fence`] without keeping it.
#[derive(Clone)]
pub struct WeakFence(Weak<Inner>);

impl WeakFence {
    /// Whether nobody keeps the fence any more.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Returns the fence, if somebody keeps it.
    pub fn upgrade(&self) -> Option<Fence> {
        self.0.upgrade().map(|inner| Fence { inner })
    }
}

impl fmt::Debug for WeakFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakFence").field(&self.upgrade()).finish()
    }
}

impl PartialEq for Fence {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for Fence {}

/// Driver, timeline, context and number, as the kernel names fences.
impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{} {}:{}",
            self.driver(),
            self.timeline(),
            self.context(),
            self.seqno()
        )
    }
}

/// Does not ask the ops.
impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence({self}, {:?})", self.inner.state.status())
    }
}
