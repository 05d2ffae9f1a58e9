//! A deadlock has to be acted upon.
#![deny(unused_must_use)]

use wharf_core::ww::WwLockError;
use wharf_core::{AcquireCtx, Deadlock, Wait, WwMutex};

fn meet<'a>(ctx: &'a AcquireCtx, mutex: &'a WwMutex) -> Deadlock<'a> {
    match mutex.lock_in(ctx, &Wait::forever()) {
        Err(WwLockError::Deadlock(deadlock)) => deadlock,
        _ => unreachable!(),
    }
}

fn ignore(ctx: &AcquireCtx, mutex: &WwMutex) {
    meet(ctx, mutex);
}

fn main() {}
