//! Mirrors lib/locking-selftest.c ww_test_object_lock_unbalanced: nobody outside counts what a context holds.
use wharf_core::{AcquireCtx, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let mut ctx = AcquireCtx::new(&CLASS);
    ctx.held = 0;
    let _o = o.try_lock();
}
