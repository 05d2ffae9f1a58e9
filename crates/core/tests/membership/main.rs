//! Whether memory that is there suits somebody.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod counts;
mod devices;
mod matching;
mod mutations;
mod plans;
mod support;
