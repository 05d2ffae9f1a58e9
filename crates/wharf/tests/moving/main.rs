//! Moving buffers to other memory, under a stream and without one, through a real broker. Contract: N5.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod hindrances;
mod rogues;
mod sets;
mod streams;
mod support;
