//! A mutex does not end while it is locked.
use wharf_core::{Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let guard = o.lock(&Wait::forever());
    drop(o);
    drop(guard);
}
