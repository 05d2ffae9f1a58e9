//! Streams in event loops, through a real broker. Contract: S7.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
mod consumers;
mod deaths;
mod fenced;
mod hostile;
mod moves;
mod producers;
mod support;
