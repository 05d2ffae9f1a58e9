//! Mirrors lib/locking-selftest.c ww_test_object_unlock_twice: a guard unlocks once.
use wharf_core::{Wait, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let guard = o.lock(&Wait::forever());
    drop(guard);
    drop(guard);
}
