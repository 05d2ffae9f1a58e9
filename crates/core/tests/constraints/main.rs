//! The vocabulary: files, checks, and the laws of merging.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod chapter;
mod files;
mod invalid;
mod laws;
mod random;
mod round_trip;
mod sets;
mod table;
