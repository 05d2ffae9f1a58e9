//! Mirrors lib/locking-selftest.c ww_test_context_unlock_twice: a context ends once.
use wharf_core::{AcquireCtx, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let _o = o.try_lock();
    drop(ctx);
    drop(ctx);
}
