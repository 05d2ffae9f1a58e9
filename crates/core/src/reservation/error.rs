//! Why a fence could not be put on a reservation.

use super::Usage;
use crate::{ContextId, Errno};

/// The reason why there is no room for fences.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// Room for no fence at all was asked for.
    #[error("room for 0 fences was reserved; reserve as many as will be added")]
    Nothing,
    /// There is no memory for the list.
    #[error("out of memory for {count} more fences on a reservation")]
    NoMemory {
        /// How many fences there should have been room for.
        count: usize,
    },
}

impl ReserveError {
    /// Returns EINVAL for nothing, ENOMEM for lack of memory.
    ///
    /// # References
    /// `dma_resv_reserve_fences` (drivers/dma-buf/dma-resv.c, v6.12).
    pub fn errno(&self) -> Errno {
        match self {
            Self::Nothing => Errno::EINVAL,
            Self::NoMemory { .. } => Errno::ENOMEM,
        }
    }
}

/// The reason why a fence could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddFenceError {
    /// No slot was reserved since the reservation was locked, or all are used.
    #[error(
        "no slot is reserved for a {usage:?} fence of context {context}; call reserve_fences under the same lock"
    )]
    NoSlot {
        /// The context of the fence.
        context: ContextId,
        /// The usage it was to have.
        usage: Usage,
    },
    /// The fence is made of others.
    #[error("a reservation takes no arrays or chains; unwrap the fence and add each part")]
    Container,
}

impl AddFenceError {
    /// Returns ENOSPC for a missing slot, EINVAL for a container.
    ///
    /// # References
    /// `dma_resv_add_fence` (drivers/dma-buf/dma-resv.c, v6.12) ends the kernel and warns for these.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoSlot { .. } => Errno::ENOSPC,
            Self::Container => Errno::EINVAL,
        }
    }
}
