//! Heaps: what they promise, give and refuse.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod huge;
mod locked;
mod machine;
mod pinned;
mod reserved;
mod sets;
mod small;
mod support;
