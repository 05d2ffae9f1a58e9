//! What can go wrong with fences.

use super::{ContextId, Fence, UniqueFence};
use crate::{Errno, WaitError};

/// The reason why a fence was not signaled with an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The number means no error. The fence is not signaled.
    #[error("fence {fence}: {errno} is not an error number; use 1 to 4095", fence = .fence.fence())]
    NotAnError {
        /// The number refused.
        errno: Errno,
        /// The owner's side, to signal it otherwise.
        fence: UniqueFence,
    },
    /// The fence's ops had already said that the work was over.
    #[error("fence {fence}: {errno} comes too late; its ops already reported it as signaled")]
    AlreadySignaled {
        /// The number that nobody will see.
        errno: Errno,
        /// Which fence.
        fence: Fence,
    },
}

impl SignalError {
    /// Returns EINVAL, as `dma_fence_signal` does for a signaled fence (v6.12).
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// The reason why fences were not put together; they are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// A member of an array is itself an array or a chain.
    #[error("member {index} of {count} of a new fence array is a container itself; use merge, which unwraps it", count = .fences.len())]
    NestedInArray {
        /// Which member, counted from 0.
        index: usize,
        /// The members.
        fences: Vec<Fence>,
    },
    /// The fence of a new chain link is itself a chain.
    #[error("fence {fence} for point {point} is a chain itself; link what it contains")]
    NestedInChain {
        /// The point that was to be added.
        point: u64,
        /// What was to come before it.
        prev: Option<Fence>,
        /// The fence refused.
        fence: Fence,
    },
}

impl ContainerError {
    /// Returns EINVAL; the kernel warns instead.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// The reason why sequence numbers could not be compared or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeqnoError {
    /// The fences belong to different timelines, which have no common order.
    #[error("fences of the contexts {context} and {other} have no order; compare fences of one context")]
    DifferentContexts {
        /// The context of the first.
        context: ContextId,
        /// The context of the other.
        other: ContextId,
    },
    /// Nobody has linked that point to the chain yet.
    #[error("point {seqno} is beyond the head of the chain, which is point {head}")]
    BeyondHead {
        /// The point asked for.
        seqno: u64,
        /// The last point of the chain.
        head: u64,
    },
}

impl SeqnoError {
    /// Returns EINVAL, as `dma_fence_chain_find_seqno` does; for different contexts the kernel warns.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// The reason why a wait for one of several fences ended without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitAnyError {
    /// There is no fence to wait for, so that the wait would never end.
    #[error("a wait for any of no fences never ends; pass at least one")]
    NoFences,
    /// The wait ended before any of the fences was signaled.
    #[error(transparent)]
    Wait(#[from] WaitError),
}

impl WaitAnyError {
    /// Returns EINVAL for no fences, as `dma_fence_wait_any_timeout` does, else the wait's own.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoFences => Errno::EINVAL,
            Self::Wait(error) => error.errno(),
        }
    }
}
