//! Fences. Contract: F.

pub mod basic;
pub mod chain;
pub mod unwrap;

use std::fmt::Debug;
use std::time::Duration;

use wharf_core::{Errno, FenceStatus};

/// What is run when a fence is signaled.
pub type Callback = Box<dyn FnOnce() + Send>;

/// A system with fences.
///
/// In some systems whoever signals a fence is not whoever waits for it, or cannot do it twice; so there are two types.
pub trait FenceSut: Sync {
    /// A timeline.
    type Context: Send + Sync;
    /// The right to signal a fence.
    type Owner: Send;
    /// What everybody else has of it. Equality is identity.
    type Fence: Clone + PartialEq + Debug + Send + Sync;
    /// A queued callback.
    type Handle: Send;

    /// Makes a timeline, ordered after those made before.
    fn context(&self) -> Self::Context;

    /// Makes an unsignaled fence.
    fn create(&self, context: &Self::Context, seqno: u64) -> Self::Owner;

    /// Returns what everybody else has of a fence.
    fn fence(&self, owner: &Self::Owner) -> Self::Fence;

    /// Signals a fence, with an error or without.
    fn signal(&self, owner: Self::Owner, error: Option<Errno>);

    /// Looks how far a fence is.
    fn status(&self, fence: &Self::Fence) -> FenceStatus;

    /// Waits for a fence; ETIMEDOUT when it takes longer than `timeout`.
    fn wait(&self, fence: &Self::Fence, timeout: Duration) -> Result<(), Errno>;

    /// Has a callback run when the fence is signaled; gives it back if the fence already is.
    fn add_callback(&self, fence: &Self::Fence, callback: Callback) -> Result<Self::Handle, Callback>;

    /// Removes a callback; says whether it was still queued.
    fn remove_callback(&self, handle: Self::Handle) -> bool;

    /// Returns a fence that was always signaled.
    fn stub(&self) -> Self::Fence;

    /// Makes the only fence of a new timeline.
    fn lone(&self) -> Self::Owner {
        self.create(&self.context(), 1)
    }

    /// Says whether a fence is signaled.
    fn is_signaled(&self, fence: &Self::Fence) -> bool {
        self.status(fence).is_signaled()
    }
}

/// A system with chains of fences.
pub trait ChainSut: FenceSut {
    /// Adds a point with `fence` after `prev`.
    fn chain(&self, prev: Option<&Self::Fence>, fence: &Self::Fence, seqno: u64) -> Self::Fence;

    /// Finds what has to be waited for to reach a point; `None` if nothing is left of it.
    fn find_seqno(&self, chain: &Self::Fence, seqno: u64) -> Result<Option<Self::Fence>, Errno>;

    /// Returns a fence's number.
    fn seqno(&self, fence: &Self::Fence) -> u64;
}

/// A system that puts fences together and takes them apart.
pub trait UnwrapSut: ChainSut {
    /// Makes a fence that is signaled when all of `fences` are.
    fn array(&self, fences: &[Self::Fence]) -> Self::Fence;

    /// Takes a fence apart.
    fn unwrap(&self, fence: &Self::Fence) -> Vec<Self::Fence>;

    /// Makes the smallest fence that is signaled when all of `fences` are.
    fn merge(&self, fences: &[Self::Fence]) -> Self::Fence;

    /// Keeps the latest of `fences` of each context.
    fn dedup(&self, fences: &[Self::Fence]) -> Vec<Self::Fence>;
}
