//! Making one fence of many.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Fence, FenceArray, unwrap};

/// Makes a fence that is signaled when all of `fences` are, and is no bigger than it has to be: containers are taken apart, signaled fences
/// left out, and of each context only the latest is kept.
///
/// The result is a plain fence if one is left, a new [`FenceArray`] ordered by context if several are, and a stub with the last known time
/// if none is. Errors of fences that are already signaled are lost, as in the kernel.
///
/// # Blocking
/// No.
///
/// # Locking
/// As [`Fence::is_signaled`], of each fence.
///
/// # Examples
/// ```
/// use wharf_core::{FenceContext, fence};
///
/// let context = FenceContext::new("soft-gpu", "render");
/// let (first, second) = (context.fence(1), context.fence(2));
/// assert_eq!(fence::merge([first.fence(), second.fence()]), second.fence());
/// ```
///
/// # References
/// `dma_fence_unwrap_merge` (drivers/dma-buf/dma-fence-unwrap.c, v6.13).
pub fn merge(fences: impl IntoIterator<Item = Fence>) -> Fence {
    let mut unsignaled = Vec::new();
    let mut last: Option<Instant> = None;
    for fence in fences.into_iter().flat_map(|fence| unwrap(&fence)) {
        if fence.is_signaled() {
            last = last.max(fence.signaled_at());
        } else {
            unsignaled.push(fence);
        }
    }
    let mut fences = dedup(unsignaled);
    match (fences.len(), fences.pop()) {
        (1, Some(only)) => only,
        (_, Some(latest)) => {
            fences.push(latest);
            FenceArray::of_plain(fences).into()
        }
        (_, None) => Fence::private_stub(last),
    }
}

/// Keeps the latest fence of each context, in the order of the contexts.
///
/// # Examples
/// ```
/// use wharf_core::{FenceContext, fence};
///
/// let context = FenceContext::new("soft-gpu", "render");
/// let (first, second) = (context.fence(1), context.fence(2));
/// assert_eq!(fence::dedup(vec![second.fence(), first.fence()]), [second.fence()]);
/// ```
///
/// # References
/// `dma_fence_dedup_array` (drivers/dma-buf/dma-fence-unwrap.c, v6.16).
pub fn dedup(mut fences: Vec<Fence>) -> Vec<Fence> {
    fences.sort_by_key(|fence| (fence.context(), Reverse(fence.seqno())));
    fences.dedup_by_key(|fence| fence.context());
    fences
}
