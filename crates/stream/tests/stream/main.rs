//! The hand-over, on heap pages and on real shared memory.
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod acquiring;
mod claiming;
mod descriptors;
mod hostile_consumer;
mod hostile_garbage;
mod hostile_producer;
mod lending;
mod membership;
mod model;
mod moving;
mod polling;
mod stress;
mod support;
mod timelines;
mod waiting;
