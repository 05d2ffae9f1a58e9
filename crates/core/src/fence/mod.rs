//! Fences: one-shot signals that say that work on memory is over.
//!
//! Who starts work on a buffer makes a fence for it, and gives the fence to whoever must not touch the memory before. A fence says
//! nothing about what comes after it, and nobody can take it back. Contract: F.
//!
//! # Who has what
//!
//! | Type | Kernel | What it is |
//! |---|---|---|
//! | [`FenceContext`] | `dma_fence_context_alloc` | a timeline: fences with rising numbers, signaled in that order |
//! | [`UniqueFence`] | driver's `struct dma_fence` | the owner's side: the right and the duty to signal, once |
//! | [`Fence`] | `struct dma_fence` | everybody else's side: look, wait, be called back, hint a deadline |
//! | [`FenceOps`] | `struct dma_fence_ops` | what a driver adds when its device does not signal by itself |
//! | [`FenceArray`] | `struct dma_fence_array` | signaled when all its members are |
//! | [`FenceChain`] | `struct dma_fence_chain` | a timeline made of other timelines' fences |
//! | [`unwrap()`], [`merge()`], [`dedup()`] | `dma_fence_unwrap_*`, `dma_fence_dedup_array` | what a fence consists of, and the smallest fence for many |
//!
//! # States
//!
//! | State | [`FenceStatus`] | Left by |
//! |---|---|---|
//! | unsignaled | `Unsignaled` | [`UniqueFence::signal`], [`UniqueFence::signal_error`]; its drop (EDEADLK); ops that say that the work is over; for containers, the last of their fences |
//! | signaled | `Signaled` | nothing |
//! | failed | `Failed` | nothing |
//!
//! Signaling sets state and error at once, then drops the ops, then runs the callbacks in the order in which they were added. All of it
//! happens on the thread that signals, with no lock held, and what that thread wrote before is seen by whoever sees the signal.
//!
//! # Who signals
//!
//! The owner does. Signaling consumes the [`UniqueFence`], so that a second signal does not compile:
//! ```compile_fail,E0382
//! # use wharf_core::FenceContext;
//! let work = FenceContext::new("soft-gpu", "render").fence(1);
//! work.signal();
//! work.signal();
//! ```
//! A fence of work that is not this process's has no owner, see [`FenceContext::fence_by`].
//!
//! Besides, a fence with ops is signaled by whoever finds, in [`Fence::is_signaled`] or when signaling is enabled, that the ops say so.
//! Signaling is enabled by the first callback or wait; until then a driver need not switch its interrupt on.
//!
//! # Rules
//!
//! - **Bounded time.** An owner signals in bounded time, whatever others do: it waits for nothing that may wait for its fence. Nobody is
//!   expected to give up waiting; a [deadline](Fence::set_deadline) is a hint to hurry and does not end anything.
//! - **While a fence is owed**, its owner takes no reservation and no lock under which somebody may wait for a fence.
//! - **Order.** Fences of one context are signaled in the order of their numbers. [`merge()`] keeps only the latest of each context.
//! - **Callbacks** run on the thread of whoever signals, so they are short and do not block. They may do anything with any fence: signal
//!   another one, add and remove callbacks, look. One that signals a fence whose callback signals the next, and so on, goes one level
//!   deeper into the stack each time; long rows of such work belong into a queue.
//! - **Panics** of callbacks and ops are reported as events of the target `wharf_core::fence` and change nothing else.
//! - **Containers are flat.** An array has plain members, a link contains no chain. [`merge()`] takes containers apart.
//!
//! Where a method says nothing about blocking or locking, it does not block and may be called with any lock held.
//!
//! # Who is told about an error
//!
//! | Who | How |
//! |---|---|
//! | who waits | not at all: a wait ends well when the fence is signaled; [`Fence::status`] has the error |
//! | a callback | the fence it is given has it |
//! | an array | it takes the first error of a member |
//! | a chain | not at all; [`FenceChain::contained`] of each link has its own |
//! | a merged fence | as an array; errors of fences that were signaled before the merge are lost |
//!
//! # What it costs
//!
//! A signal that nobody waits for is one compare-and-swap. A callback costs a lock and an allocation; a wait is a callback that wakes the
//! thread. A container costs nothing until somebody looks, waits or adds a callback; then it adds one callback to each member (array), or
//! to one fence at a time (chain), and takes them off again when it is dropped.
//!
//! # References
//! Kernel documentation "DMA Fences"; drivers/dma-buf/dma-fence.c, dma-fence-array.c, dma-fence-chain.c, dma-fence-unwrap.c (v6.12 to
//! v7.1, as noted at each item).

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
pub use shared::{Fence, WeakFence};
pub use state::FenceStatus;
pub use unique::UniqueFence;
pub use unwrap::{FenceUnwrap, unwrap};
