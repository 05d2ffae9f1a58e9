//! Peers of streams and timelines die, or stop for a while, at every store into shared pages that they make. Contracts: S2, S3, S4, F.
//!
//! A sweep plays the same life again and again; each time the victim, a process of its own, ends one store later, until it comes to the
//! end of its part. Those who survive check what they see.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

mod consumers;
mod fenced;
mod producers;
mod sweep;
mod timelines;
