//! Mirrors lib/locking-selftest.c ww_test_unneeded_slow: without a deadlock there is no slow lock.
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let _o = o.lock_slow(&ctx, &Wait::forever());
}
