//! Fences one after the other.

use std::ops::Deref;
use std::time::Instant;

use super::inner::{Body, Inner};
use super::{CallbackOutcome, ContainerError, ContextId, Fence, SeqnoError};
use crate::sync::{Mutex, lock};

/// A link of a chain: a point of a timeline that is made of other timelines' fences. It dereferences to its [`Fence`].
///
/// A link is signaled when the fence in it and all links before it are. Signaled links are collected while others walk over them,
/// and a signaled link lets go of everything before it; so a chain that is looked at now and then stays short. Nothing about a chain is
/// recursive, however long it is.
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

/// One link.
pub(super) struct ChainBody {
    contained: Fence,
    /// What comes before, as long as it matters: another link, or any fence at the chain's beginning.
    prev: Mutex<Option<Fence>>,
    /// The point before this one on the same timeline; 0 if there is none.
    prev_seqno: u64,
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
        let body = ChainBody {
            contained: fence,
            prev: Mutex::new(prev),
            prev_seqno,
        };
        let fence = Fence::new(Inner::container(context, seqno, timestamps, Body::Chain(body)));
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

/// The links of a chain, the latest first; see [`FenceChain::walk`].
///
/// The first is given as it is, later ones only if the fence in them is not signaled. The last may be a fence that is no link.
#[derive(Debug, Clone)]
pub struct FenceChainWalk {
    next: Step,
}

#[derive(Debug, Clone)]
enum Step {
    First(Fence),
    After(Fence),
    Done,
}

impl Iterator for FenceChainWalk {
    type Item = Fence;

    fn next(&mut self) -> Option<Fence> {
        let found = match std::mem::replace(&mut self.next, Step::Done) {
            Step::First(fence) => Some(fence),
            Step::After(fence) => before(&fence),
            Step::Done => None,
        };
        if let Some(fence) = &found {
            self.next = Step::After(fence.clone());
        }
        found
    }
}

fn body(fence: &Fence) -> Option<&ChainBody> {
    match &fence.inner().body {
        Body::Chain(chain) => Some(chain),
        _ => None,
    }
}

/// The fence in a link; any other fence is its own.
pub(super) fn contained(fence: &Fence) -> &Fence {
    body(fence).map_or(fence, |link| &link.contained)
}

/// What comes before `fence` in its chain and still matters.
pub(super) fn before(fence: &Fence) -> Option<Fence> {
    body(fence)?.before()
}

fn walk(fence: &Fence) -> FenceChainWalk {
    FenceChainWalk {
        next: Step::First(fence.clone()),
    }
}

pub(super) fn set_deadline(fence: &Fence, deadline: Instant) {
    for link in walk(fence) {
        contained(&link).set_deadline(deadline);
    }
}

impl ChainBody {
    /// Returns what comes before, past signaled links, which are taken out.
    fn before(&self) -> Option<Fence> {
        loop {
            let prev = lock(&self.prev).clone()?;
            if !contained(&prev).is_signaled() {
                return Some(prev);
            }
            let replacement = body(&prev).and_then(|link| lock(&link.prev).clone());
            self.replace(&prev, replacement);
        }
    }

    /// Puts `replacement` in the place of `prev`, unless another thread was faster.
    fn replace(&self, prev: &Fence, replacement: Option<Fence>) {
        let mut place = lock(&self.prev);
        let unused = if place.as_ref() == Some(prev) {
            std::mem::replace(&mut *place, replacement)
        } else {
            replacement
        };
        // Dropping a fence may run foreign code, so not under the lock.
        drop(place);
        drop(unused);
    }

    /// Signals the link if everything in it and before it is signaled.
    pub(super) fn poll(&self, link: &Fence) {
        if walk(link).all(|fence| contained(&fence).is_signaled()) {
            self.settle(link);
        }
    }

    /// Has the link looked at again when the latest unsignaled fence is signaled.
    pub(super) fn watch(&self, link: &Fence) {
        for fence in walk(link) {
            let watched = link.clone();
            let callback = move |_: &Fence| {
                if let Some(chain) = body(&watched) {
                    chain.watch(&watched);
                }
            };
            match contained(&fence).add_callback(callback) {
                CallbackOutcome::Added(_) => return,
                CallbackOutcome::AlreadySignaled(_) => {}
            }
        }
        self.settle(link);
    }

    fn settle(&self, link: &Fence) {
        // First, so that whoever sees the link unsignaled still finds what it waits for. What comes before is signaled: nobody needs it.
        link.settle(None);
        let before = lock(&self.prev).take();
        drop(before);
    }
}

impl Drop for ChainBody {
    /// Takes the chain apart link by link; dropping `prev` as it is would recurse once per link.
    fn drop(&mut self) {
        let mut next = lock(&self.prev).take();
        while let Some(fence) = next {
            // The last handle gives the link, whose own drop then finds nothing before it.
            next = fence.into_inner().and_then(|inner| match &inner.body {
                Body::Chain(link) => lock(&link.prev).take(),
                _ => None,
            });
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::super::{FenceContext, UniqueFence};
    use super::*;

    /// Fences 1 to 4, and the links of a chain of them.
    fn chain() -> (Vec<UniqueFence>, Vec<FenceChain>) {
        let context = FenceContext::new("test", "queue");
        let owners: Vec<UniqueFence> = (1..=4).map(|seqno| context.fence(seqno)).collect();
        let mut links: Vec<FenceChain> = Vec::new();
        for (seqno, owner) in (1..).zip(&owners) {
            let prev = links.last().cloned().map(Fence::from);
            links.push(FenceChain::link(prev, owner.fence(), seqno).unwrap());
        }
        (owners, links)
    }

    #[test]
    fn links_that_are_walked_over_when_signaled_are_freed() {
        let (mut owners, mut links) = chain();
        let head = links.pop().unwrap();
        let freed: Vec<_> = links.iter().map(|link| link.fence.downgrade()).collect();
        drop(links);
        owners.remove(1).signal();
        assert!(
            freed.iter().all(|link| link.upgrade().is_some()),
            "nobody has looked"
        );
        assert_eq!(head.walk().count(), 3);
        let left: Vec<bool> = freed.iter().map(|link| link.upgrade().is_some()).collect();
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn a_signaled_link_lets_go_of_what_came_before_it() {
        let (mut owners, links) = chain();
        let middle = links[1].clone();
        let first = links[0].fence.downgrade();
        assert!(middle.add_callback(|_| ()).is_added());
        drop(links);
        owners.remove(1).signal();
        assert!(first.upgrade().is_some());
        owners.remove(0).signal();
        assert!(
            first.upgrade().is_none(),
            "the callback of the middle link found it signaled"
        );
        assert!(middle.is_signaled());
    }

    #[test]
    fn dropping_the_head_frees_every_link_and_only_those() {
        let (owners, mut links) = chain();
        let (all, kept) = (
            links
                .iter()
                .map(|link| link.fence.downgrade())
                .collect::<Vec<_>>(),
            links.remove(1),
        );
        drop(links);
        let left: Vec<bool> = all.iter().map(|link| link.upgrade().is_some()).collect();
        assert_eq!(left, [true, true, false, false]);
        drop(kept);
        assert!(all.iter().all(|link| link.upgrade().is_none()));
        drop(owners);
    }
}
