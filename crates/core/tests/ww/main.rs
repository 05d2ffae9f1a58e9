//! Ww-mutexes: what the conformance suites do not ask.
#![cfg(not(any(loom, shuttle)))]

mod backing_off;
mod contexts;
mod errors;
mod lock_all;
mod waiting;

use std::time::Duration;
use wharf_core::{Deadline, Wait};

/// Longer than anything here takes.
fn patience() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_secs(30)))
}

/// A wait that is to time out.
fn briefly() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_millis(10)))
}
