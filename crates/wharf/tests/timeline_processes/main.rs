//! Timelines between real processes that are killed and stopped. Contracts: F, P5, P6.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod roles;
mod stage;
