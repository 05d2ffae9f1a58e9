//! Mirrors lib/locking-selftest.c ww_test_context_fini_early: a context does not end before its guards.
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let guard = o.lock_in(&ctx, &Wait::forever());
    drop(ctx);
    drop(guard);
}
