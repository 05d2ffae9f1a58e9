//! Frames with fences through a real broker: devices are threads, and those who die are processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod buffers;
#[path = "../common/mod.rs"]
mod common;
mod contents;
mod deaths;
mod devices;
mod support;
