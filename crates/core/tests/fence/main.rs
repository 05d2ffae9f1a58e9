//! Fences, beyond what the kernel's own tests say (those are in the conformance crate).

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod array;
mod callbacks;
mod chain;
mod deadlines;
mod merging;
mod model;
mod ops;
mod ownerless;
mod prop;
mod signaling;
mod tools;
mod waiting;
