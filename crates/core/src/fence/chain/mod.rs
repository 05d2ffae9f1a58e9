//! Fences one after the other.

mod body;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod walk;

use std::ops::Deref;

use super::inner::{Body, Inner};
use super::{ContainerError, ContextId, Fence, SeqnoError};
use crate::sync::Mutex;
use body::body;
use walk::walk;

pub(super) use body::{ChainBody, before, contained, set_deadline};
pub use walk::FenceChainWalk;

/// A link of a chain: a point of a timeline that is made of other timelines' fences. It dereferences to its [`Fence`].
///
/// A link is signaled when the fence in it and all links before it are. Signaled links are taken out and freed while others walk over
/// them; looking at a fence walks. So whoever keeps the head of a growing chain walks over it now and then, at each new point for
/// example. Nothing about a chain is recursive, however long it is.
///
/// A link has no error of its own, as in the kernel: ask the [fence in it](FenceChain::contained).
///
/// # Examples
/// ```
/// use wharf_core::{FenceChain, FenceContext};
///
/// let (render, copy) = (FenceContext::new("soft-gpu", "render"), FenceContext::new("soft-gpu", "copy"));
/// let (first, second) = (render.fence(1), copy.fence(1));
/// let point_1 = FenceChain::link(None, first.fence(), 1)?;
/// let point_2 = FenceChain::link(Some(point_1.clone().into()), second.fence(), 2)?;
/// second.signal();
/// assert!(!point_2.is_signaled());
/// first.signal();
/// assert!(point_2.is_signaled());
/// # Ok::<(), wharf_core::ContainerError>(())
/// ```
///
/// # References
/// `struct dma_fence_chain` (drivers/dma-buf/dma-fence-chain.c, v6.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceChain {
    fence: Fence,
}

impl FenceChain {
    /// Adds the point `seqno` after `prev`, to be signaled with `fence` and everything before it.
    ///
    /// The link belongs to `prev`'s context. If `prev` is not a chain, or its point is not lower, the link begins a new context; in the
    /// second case its number becomes `prev`'s.
    ///
    /// # Errors
    /// [`ContainerError::NestedInChain`]: `fence` is a chain itself → EINVAL (the kernel warns).
    ///
    /// # References
    /// `dma_fence_chain_init` (drivers/dma-buf/dma-fence-chain.c, v6.12).
    pub fn link(prev: Option<Fence>, fence: Fence, seqno: u64) -> Result<Self, ContainerError> {
        if body(&fence).is_some() {
            return Err(ContainerError::NestedInChain {
                point: seqno,
                prev,
                fence,
            });
        }
        let (context, seqno, prev_seqno) = match prev.as_ref().filter(|prev| body(prev).is_some()) {
            Some(prev) if seqno > prev.seqno() => (prev.context(), seqno, prev.seqno()),
            Some(prev) => (ContextId::next(), prev.seqno(), 0),
            None => (ContextId::next(), seqno, 0),
        };
        let timestamps = fence.has_timestamp() || prev.as_ref().is_some_and(Fence::has_timestamp);
        let link = ChainBody {
            contained: fence,
            prev: Mutex::new(prev),
            prev_seqno,
            watch: Mutex::default(),
        };
        let fence = Fence::new(Inner::container(context, seqno, timestamps, Body::Chain(link)));
        Ok(Self { fence })
    }

    /// Returns the link that a fence is, or `None` if it is something else.
    ///
    /// # References
    /// `to_dma_fence_chain` (include/linux/dma-fence-chain.h, v6.12).
    pub fn from_fence(fence: &Fence) -> Option<Self> {
        body(fence).map(|_| Self { fence: fence.clone() })
    }

    /// Returns the fence in this link.
    pub fn contained(&self) -> &Fence {
        contained(&self.fence)
    }

    /// Returns the link as a fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Returns the oldest fence of the chain that is signaled only after the point `seqno` is; `None` if there is none left, because
    /// everything up to that point is signaled and collected. Point 0 is always the head itself.
    ///
    /// # Errors
    /// [`SeqnoError::BeyondHead`]: the head's number is lower than `seqno` → EINVAL.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{FenceChain, FenceContext};
    ///
    /// let context = FenceContext::new("soft-gpu", "render");
    /// let (first, second) = (context.fence(1), context.fence(2));
    /// let point_10 = FenceChain::link(None, first.fence(), 10)?;
    /// let point_20 = FenceChain::link(Some(point_10.clone().into()), second.fence(), 20)?;
    /// assert_eq!(point_20.find_seqno(7)?, Some(point_10.into()));
    /// assert!(point_20.find_seqno(21).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// `dma_fence_chain_find_seqno` (drivers/dma-buf/dma-fence-chain.c, v6.12).
    pub fn find_seqno(&self, seqno: u64) -> Result<Option<Fence>, SeqnoError> {
        if seqno == 0 {
            return Ok(Some(self.fence.clone()));
        }
        if self.seqno() < seqno {
            return Err(SeqnoError::BeyondHead {
                seqno,
                head: self.seqno(),
            });
        }
        let context = self.context();
        Ok(self.walk().find(|fence| {
            fence.context() != context || body(fence).is_none_or(|link| link.prev_seqno < seqno)
        }))
    }

    /// Goes from this link to those before it, past signaled ones, which are taken out of the chain.
    ///
    /// # References
    /// `dma_fence_chain_for_each` (include/linux/dma-fence-chain.h, v6.12).
    pub fn walk(&self) -> FenceChainWalk {
        walk(&self.fence)
    }
}

impl Deref for FenceChain {
    type Target = Fence;

    fn deref(&self) -> &Fence {
        &self.fence
    }
}

impl From<FenceChain> for Fence {
    fn from(chain: FenceChain) -> Self {
        chain.fence
    }
}
