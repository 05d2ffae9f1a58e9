//! Fences: one-shot signals that say that work on memory is over.

mod array;
mod callback;
mod chain;
mod context;
mod error;
mod inner;
mod merge;
mod ops;
mod shared;
mod state;
mod stub;
mod unique;
mod unwrap;
mod wait;

pub use array::FenceArray;
pub use callback::{CallbackHandle, CallbackOutcome};
pub use chain::{FenceChain, FenceChainWalk};
pub use context::{ContextId, FenceContext};
pub use error::{ContainerError, SeqnoError, SignalError, WaitAnyError};
pub use merge::{dedup, merge};
pub use ops::{FenceOps, Signaling};
pub use shared::Fence;
pub use state::FenceStatus;
pub use unique::UniqueFence;
pub use unwrap::{FenceUnwrap, unwrap};
