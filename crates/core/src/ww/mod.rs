//! Mutexes that are locked several at a time, in any order, with deadlock as a value one must act on.

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
