//! Soft machines: what they do when used rightly, and what they say when not.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod addresses;
mod brackets;
mod engine;
mod exporters;
mod memory;
mod moves;
mod random;
mod support;
