//! A deadlock is only ever answered, so that a slow lock cannot be had without one.
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let deadlock = wharf_core::Deadlock { mutex: &o, ctx: &ctx };
    let _o = deadlock.lock_slow(&Wait::forever());
}
