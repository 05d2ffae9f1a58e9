//! Several fences as one.

use std::ops::Deref;
use std::time::Instant;

use super::inner::{Body, Inner};
use super::{CallbackHandle, CallbackOutcome, ContainerError, ContextId, Fence, FenceStatus};
use crate::Errno;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// A fence that is signaled when all its members are. It has a context of its own, and dereferences to its [`Fence`].
///
/// The first error of a member becomes the array's. An array without members is signaled.
///
/// DIFFERENCE: the kernel's could also be signaled by the first of its members, until that was removed (v7.2).
///
/// # Examples
/// ```
/// use wharf_core::{Errno, FenceArray, FenceContext, FenceStatus};
///
/// let context = FenceContext::new("soft-gpu", "render");
/// let (first, second) = (context.fence(1), context.fence(2));
/// let both = FenceArray::new([first.fence(), second.fence()])?;
/// first.signal_error(Errno::EIO)?;
/// assert_eq!(both.status(), FenceStatus::Unsignaled);
/// second.signal();
/// assert_eq!(both.status(), FenceStatus::Failed(Errno::EIO));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// `struct dma_fence_array` (drivers/dma-buf/dma-fence-array.c, v6.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceArray {
    fence: Fence,
}

/// The members of an array and how many of them are missing.
pub(super) struct ArrayBody {
    fences: Box<[Fence]>,
    /// Members not yet seen as signaled by [`ArrayBody::watch`] and its callbacks. Polls look at the members and do not count.
    pending: AtomicUsize,
    /// The first error seen by them; zero is none.
    error: AtomicU32,
    /// The callbacks on the members.
    watches: Mutex<Vec<CallbackHandle>>,
}

impl FenceArray {
    /// Makes an array.
    ///
    /// # Errors
    /// [`ContainerError::NestedInArray`]: a member is an array or a chain itself → EINVAL (the kernel warns). [`merge`](super::merge)
    /// takes them apart.
    ///
    /// # References
    /// `dma_fence_array_create` (drivers/dma-buf/dma-fence-array.c, v6.12).
    pub fn new(fences: impl IntoIterator<Item = Fence>) -> Result<Self, ContainerError> {
        let fences: Vec<Fence> = fences.into_iter().collect();
        match fences.iter().position(Fence::is_container) {
            Some(index) => Err(ContainerError::NestedInArray { index, fences }),
            None => Ok(Self::of_plain(fences)),
        }
    }

    /// Makes an array of fences that are no containers.
    pub(super) fn of_plain(fences: Vec<Fence>) -> Self {
        let timestamps = fences.iter().any(Fence::has_timestamp);
        let body = ArrayBody {
            pending: AtomicUsize::new(fences.len()),
            error: AtomicU32::new(0),
            watches: Mutex::default(),
            fences: fences.into_boxed_slice(),
        };
        let fence = Fence::new(Inner::container(
            ContextId::next(),
            1,
            timestamps,
            Body::Array(body),
        ));
        if members(&fence).is_some_and(<[Fence]>::is_empty) {
            // There is nobody to wait for, and nobody who would tell.
            fence.settle(None);
        }
        Self { fence }
    }

    /// Returns the array that a fence is, or `None` if it is something else.
    ///
    /// # References
    /// `to_dma_fence_array` (include/linux/dma-fence-array.h, v6.12).
    pub fn from_fence(fence: &Fence) -> Option<Self> {
        matches!(fence.inner().body, Body::Array(_)).then(|| Self { fence: fence.clone() })
    }

    /// Returns the members.
    pub fn fences(&self) -> &[Fence] {
        members(&self.fence).unwrap_or_default()
    }

    /// Returns the array as a fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }
}

/// The members of a fence that is an array.
pub(super) fn members(fence: &Fence) -> Option<&[Fence]> {
    match &fence.inner().body {
        Body::Array(array) => Some(&array.fences),
        _ => None,
    }
}

impl Deref for FenceArray {
    type Target = Fence;

    fn deref(&self) -> &Fence {
        &self.fence
    }
}

impl From<FenceArray> for Fence {
    fn from(array: FenceArray) -> Self {
        array.fence
    }
}

impl ArrayBody {
    /// Signals the array if all members are signaled.
    pub(super) fn poll(&self, array: &Fence) {
        if self.fences.iter().all(Fence::is_signaled) {
            // DIFFERENCE: the kernel's poll loses errors of members that nobody watches.
            let unwatched = || self.fences.iter().find_map(|fence| fence.status().error());
            array.settle(self.first_error().or_else(unwatched));
        }
    }

    /// Watches every member; called once.
    pub(super) fn watch(&self, array: &Fence) {
        let mut watches = Vec::with_capacity(self.fences.len());
        for fence in &self.fences {
            let watched = array.downgrade();
            let callback = move |fence: &Fence| {
                if let Some(array) = watched.upgrade()
                    && let Body::Array(body) = &array.inner().body
                {
                    body.count_down(&array, fence.status());
                }
            };
            match fence.add_callback(callback) {
                CallbackOutcome::Added(handle) => watches.push(handle),
                CallbackOutcome::AlreadySignaled(_) => self.count_down(array, fence.status()),
            }
        }
        *lock(&self.watches) = watches;
    }

    fn count_down(&self, array: &Fence, member: FenceStatus) {
        if let Some(errno) = member.error() {
            // CAST: errors are from 1 to 4095. ORDERING: Relaxed; count_down's Release publishes it.
            let _ = self
                .error
                .compare_exchange(0, errno.raw() as u32, Ordering::Relaxed, Ordering::Relaxed);
        }
        // ORDERING: Release gives this member's work and error to whoever is last, Acquire takes the others'.
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            array.settle(self.first_error());
        }
    }

    fn first_error(&self) -> Option<Errno> {
        // CAST: see count_down. ORDERING: Relaxed; the caller saw the count at zero with Acquire.
        match self.error.load(Ordering::Relaxed) as i32 {
            0 => None,
            errno => Some(Errno::new(errno)),
        }
    }

    pub(super) fn set_deadline(&self, deadline: Instant) {
        for fence in &self.fences {
            fence.set_deadline(deadline);
        }
    }
}

impl Drop for ArrayBody {
    /// Leaves nothing on members that may live much longer.
    fn drop(&mut self) {
        let watches = std::mem::take(&mut *lock(&self.watches));
        for handle in watches {
            handle.remove();
        }
    }
}
