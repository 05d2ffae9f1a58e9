//! A guard is unlocked by the thread that locked.
use wharf_core::{WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("case", WwAlgorithm::WaitDie);

fn main() {
    let o = WwMutex::new(&CLASS);
    let guard = o.try_lock();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}
