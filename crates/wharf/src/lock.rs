//! Locks of this crate.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. No foreign code runs under these locks, so that they protect whole values even if a thread panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
