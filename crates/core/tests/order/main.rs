//! The lock-order checker. Without it, in release builds and models, there is nothing here to see.
#![cfg(all(debug_assertions, not(any(loom, shuttle))))]

mod fences;
mod inversions;
mod reports;
mod ww;

use wharf_core::order::{self, OrderReport};

/// The report that `misuse` must make.
fn caught(misuse: impl FnOnce()) -> OrderReport {
    match order::catch(misuse) {
        Ok(()) => panic!("not caught"),
        Err(report) => report,
    }
}

/// Runs what must make none.
fn passes(allowed: impl FnOnce()) {
    if let Err(report) = order::catch(allowed) {
        panic!("reported although allowed: {report}");
    }
}
