//! One link: what it contains, what comes before it, and what it waits for.

use std::time::Instant;

use super::super::inner::Body;
use super::super::{CallbackHandle, CallbackOutcome, Fence};
use super::walk::walk;
use crate::sync::{Mutex, lock};

/// One link.
pub(in crate::fence) struct ChainBody {
    pub(super) contained: Fence,
    /// What comes before, as long as it matters: another link, or any fence at the chain's beginning.
    pub(super) prev: Mutex<Option<Fence>>,
    /// The point before this one on the same timeline; 0 if there is none.
    pub(super) prev_seqno: u64,
    /// The callback on the fence that is waited for next.
    pub(super) watch: Mutex<Option<CallbackHandle>>,
}

pub(super) fn body(fence: &Fence) -> Option<&ChainBody> {
    match &fence.inner().body {
        Body::Chain(chain) => Some(chain),
        _ => None,
    }
}

/// The fence in a link; any other fence is its own.
pub(in crate::fence) fn contained(fence: &Fence) -> &Fence {
    body(fence).map_or(fence, |link| &link.contained)
}

/// What comes before `fence` in its chain and still matters.
pub(in crate::fence) fn before(fence: &Fence) -> Option<Fence> {
    body(fence)?.before()
}

pub(in crate::fence) fn set_deadline(fence: &Fence, deadline: Instant) {
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
    pub(in crate::fence) fn poll(&self, link: &Fence) {
        if walk(link).all(|fence| contained(&fence).is_signaled()) {
            link.settle(None);
        }
    }

    /// Has the link looked at again when the latest unsignaled fence is signaled.
    pub(in crate::fence) fn watch(&self, link: &Fence) {
        for fence in walk(link) {
            let watched = link.downgrade();
            let callback = move |_: &Fence| {
                if let Some(link) = watched.upgrade()
                    && let Some(body) = body(&link)
                {
                    body.watch(&link);
                }
            };
            match contained(&fence).add_callback(callback) {
                CallbackOutcome::Added(handle) => {
                    // Should the callback have run meanwhile, the handle of the next one may be lost here. Then what is left on that fence
                    // when the link is dropped finds nobody to tell.
                    *lock(&self.watch) = Some(handle);
                    return;
                }
                CallbackOutcome::AlreadySignaled(_) => {}
            }
        }
        link.settle(None);
    }
}

impl Drop for ChainBody {
    /// Takes the chain apart link by link; dropping `prev` as it is would recurse once per link. Leaves nothing on fences that may live
    /// much longer.
    fn drop(&mut self) {
        if let Some(handle) = lock(&self.watch).take() {
            handle.remove();
        }
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
