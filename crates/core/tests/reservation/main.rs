//! Reservations: slots, adding and replacing, readers, waits, locking several, and work left for the holder. Contract: R, L7.
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod adding;
mod deferred;
mod errors;
mod foreign;
mod locking;
mod model;
mod prop;
mod reading;
mod slots;
mod tools;
mod waiting;
