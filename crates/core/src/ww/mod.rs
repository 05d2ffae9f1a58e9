//! Mutexes that are locked several at a time, in any order, with deadlock as a value one must act on.
//!
//! Two threads that lock the same two mutexes in opposite orders wait for each other for ever. Where an order can be agreed on, agree
//! on it. Buffers have none: users name them in any order. Then whoever locks several mutexes opens an [`AcquireCtx`] first. Its age
//! decides between it and others: the younger one *backs off*: it unlocks everything it has, waits for the one it could not get, and
//! begins again with that. The oldest context is never told to, so somebody always gets on, and everybody becomes the oldest in time.
//!
//! | Type | Kernel | What it is |
//! |---|---|---|
//! | [`WwClass`] | `struct ww_class` | mutexes that are locked together, and the algorithm |
//! | [`AcquireCtx`] | `struct ww_acquire_ctx` | one attempt to lock several of a class |
//! | [`WwMutex`], [`WwGuard`] | `struct ww_mutex` | the mutex; the mutex held |
//! | [`Deadlock`] | -EDEADLK, `ww_mutex_lock_slow` | the duty to back off |
//! | [`lock_all`], [`WwLockSet`] | `drm_exec` | all of a list, however often that takes |
//!
//! # Two algorithms
//! Only contexts that hold something back off, as only they can be part of a circle.
//!
//! | Context wants what … has | [`WaitDie`](WwAlgorithm::WaitDie) | [`WoundWait`](WwAlgorithm::WoundWait) |
//! |---|---|---|
//! | an older one | backs off | waits |
//! | a younger one | waits | wounds it, and waits: the younger backs off where it waits now or when it next would |
//! | a thread without a context | waits | waits |
//! | nobody | gets it | gets it, wounded or not |
//!
//! Those who wait stand in the order of their age, and those without a context where they came. Who stands behind an older one waits for
//! it too: wait-die drives away what would stand so and holds something. Unlocking hands the mutex to the first of the queue; nobody
//! comes in between.
//!
//! # States of a wait
//! | State | Left by | To |
//! |---|---|---|
//! | wants | the mutex is free | holds |
//! | wants | the mutex is held, and the algorithm lets it wait | queued |
//! | wants | it does not | backs off |
//! | queued | the holder unlocks, and it is the first | holds |
//! | queued | an older one comes (wait-die), or wounds its context (wound-wait) | backs off |
//! | queued | deadline or interrupt | given up |
//!
//! Several of these can happen at once. A mutex that has been handed over is held, whatever else happened: it is never lost. Else backing
//! off comes before giving up.
//!
//! # Errors and what to do
//! | Error | Means | Do |
//! |---|---|---|
//! | [`Deadlock`] | the context has to back off | drop its guards, then [`Deadlock::lock_slow`], then lock the others |
//! | [`WwLockError::AlreadyLocked`] | the context holds it already | go on, if the list may name it twice |
//! | [`WwLockError::Wait`] | deadline or interrupt | drop the guards and report, or lock again |
//! | [`WwMisuse`] | a rule of contexts is broken | mend the program |
//!
//! # Locking
//! | Call | Held before | Blocks |
//! |---|---|---|
//! | [`AcquireCtx::new`] | no context of the class, no mutex of it | no |
//! | [`WwMutex::lock`] | no mutex of the class | yes |
//! | [`WwMutex::lock_in`] | mutexes of the class in this context only | yes |
//! | [`Deadlock::lock_slow`], [`lock_all`] | no mutex of the class | yes |
//! | [`WwMutex::try_lock`], [`WwMutex::try_lock_in`] | anything | no |
//! | drop of [`WwGuard`] | anything, in any order | no |
//! | waiting for a fence | any mutexes; see [`crate::order`] | yes |
//!
//! In debug builds [`crate::order`] checks this table.
//!
//! # Examples
//! What [`lock_all`] does, by hand:
//! ```
//! use wharf_core::ww::WwLockError;
//! use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwGuard, WwMutex};
//!
//! fn lock_both<'a>(
//!     ctx: &'a AcquireCtx,
//!     mut first: &'a WwMutex,
//!     mut second: &'a WwMutex,
//!     wait: &Wait<'_>,
//! ) -> Result<[WwGuard<'a>; 2], WwLockError<'a>> {
//!     let mut held = first.lock_in(ctx, wait)?;
//!     loop {
//!         match second.lock_in(ctx, wait) {
//!             Ok(other) => return Ok([held, other]),
//!             Err(WwLockError::Deadlock(deadlock)) => {
//!                 drop(held);
//!                 held = deadlock.lock_slow(wait).map_err(|error| *error.cause())?;
//!                 std::mem::swap(&mut first, &mut second);
//!             }
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//!
//! static BUFFERS: WwClass = WwClass::new("buffers", WwAlgorithm::WaitDie);
//! let (camera, encoder) = (WwMutex::new(&BUFFERS), WwMutex::new(&BUFFERS));
//! let ctx = AcquireCtx::injecting_deadlocks(&BUFFERS);
//! let both = lock_both(&ctx, &camera, &encoder, &Wait::forever()).expect("nothing ends the wait");
//! assert_eq!(ctx.held(), 2);
//! ```
//!
//! # References
//! Kernel documentation "Wound/Wait Deadlock-Proof Mutex Design"; kernel/locking/ww_mutex.h, v6.12. Contract: L7.
//!
//! DIFFERENCE: the kernel's mutexes can be taken between an unlock and the waiter's waking up, and it looks through the queue again
//! whenever that happens. Here the mutex is handed over, so that the queue's rules hold by construction.

mod class;
mod context;
mod deadlock;
mod error;
mod guard;
mod injection;
mod lock_all;
mod mutex;
mod owner;
mod queue;
mod thread;
mod wound;

pub use class::{WwAlgorithm, WwClass};
pub use context::AcquireCtx;
pub use deadlock::{Deadlock, SlowLockError};
pub use error::{WwLockError, WwMisuse, WwWaitError};
pub use guard::WwGuard;
pub use lock_all::{WwLockSet, lock_all};
pub use mutex::WwMutex;
