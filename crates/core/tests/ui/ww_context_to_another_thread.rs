//! A context is one thread's attempt.
use wharf_core::{AcquireCtx, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    drop(o);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(ctx));
    });
}
