//! Mirrors lib/locking-selftest.c ww_test_object_lock_stale_context: no mutex keeps a context that is gone.
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let guard = {
        let stale = AcquireCtx::new(&CLASS);
        o.lock_in(&stale, &Wait::forever())
    };
    drop(guard);
}
