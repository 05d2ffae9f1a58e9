//! Mirrors lib/locking-selftest.c ww_test_spin_nest_unlocked: locks inside a ww-mutex need it held all the time.
use wharf_core::{WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    static A: wharf_core::order::LockClass = wharf_core::order::LockClass::new("A");
    let a = wharf_core::order::OrderedMutex::new(&A, ());
    let around = o.try_lock().expect("it is free");
    let inside = a.lock_inside(&around);
    drop(around);
    drop(inside);
}
