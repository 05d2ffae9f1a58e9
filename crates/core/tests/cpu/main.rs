//! Access of the CPU, from outside: windows and their pages, vmap, user mappings.
#![expect(clippy::expect_used, reason = "the helpers are tests too")]
#![cfg(not(any(loom, shuttle)))]

mod access_and_fences;
mod bounds;
mod devices;
mod fault_tracked;
mod hostile;
mod machine;
mod outside_fences;
mod pages;
mod prop_mappings;
mod second_range;
mod threads;
mod vmap;

use std::sync::mpsc;
use std::time::Duration;

/// Fails a test that would otherwise hang.
fn within_a_minute<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || done.send(test()));
    outcome
        .recv_timeout(Duration::from_secs(60))
        .expect("the test panicked or is stuck")
}
