//! Sets whose memory is decided by what everybody needs, through a real broker. Contract: N.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
mod newcomers;
mod refusals;
mod sets;
mod support;
