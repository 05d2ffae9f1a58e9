//! `wharf run` with programs that know nothing of Wharf: C programs in `programs/`, compiled here, dynamic and static.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

mod buffers;
mod coherency;
mod endings;
mod files;
mod guardian;
mod hostility;
mod parts;
mod programs;
mod relatives;
#[path = "../support/mod.rs"]
mod support;
mod surface;
mod terminal;
mod timelines;
mod vgem;
