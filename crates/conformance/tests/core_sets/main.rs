//! Buffer sets of one process, on soft memory and with soft devices.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod blockers;
#[path = "../../../core/tests/set/fake.rs"]
mod fake;
mod memory;
mod moves;
mod stage;
mod waiting;
