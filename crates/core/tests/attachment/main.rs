//! Attaching, mapping, pinning, moving and revoking, by behaviour. Contract: A, L.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod backing;
mod cpu;
mod lifetimes;
mod moves;
mod pairings;
mod reentry;
mod revoke;
mod snapshot;
mod support;
mod trace;
mod untrusted;
