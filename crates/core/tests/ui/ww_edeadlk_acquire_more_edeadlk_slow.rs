//! Mirrors lib/locking-selftest.c ww_test_edeadlk_acquire_more_edeadlk_slow: a slow lock is of the mutex that was contended, there is no way to name another.
use wharf_core::ww::SlowLockError;
use wharf_core::{Deadlock, Wait, WwGuard, WwMutex};

fn slow<'a>(deadlock: Deadlock<'a>, o3: &'a WwMutex) -> Result<WwGuard<'a>, SlowLockError<'a>> {
    deadlock.lock_slow(o3, &Wait::forever())
}

fn main() {}
