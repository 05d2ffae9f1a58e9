//! Test harness for Wharf: child processes that never stay behind, leak checks, and frames whose content proves itself.
//!
//! | module | what it holds |
//! |---|---|
//! | `skip` | [`skip`]: says aloud what a machine cannot test |
//! | `process` | [`Process`]: a child under a watchdog, talked to in lines, killed whatever happens to the test |
//! | `leaks` | [`Snapshot`]: descriptors, mappings and children of a process, to compare before and after |
//! | `pattern` | [`Pattern`]: fills frames so that a torn or refilled one is told from a whole one |
//! | `rng` | [`Rng`]: random numbers that a printed seed brings back |
//! | `heap_faults` | [`FaultyHeap`]: a heap that refuses, or gives less than it promised, when told to |
//! | `gated_heap` | [`GatedHeap`]: a heap that allocates when it is let |
//! | `eventually` | [`eventually`]: waits for what happens soon, but not at once; [`await_state`]: a process that sleeps or is stopped |
//! | [`soft`] | machines whose CPU and devices do not see each other's caches, to find forgotten brackets |
//! | [`dying`] | roles of the hand-over that die at a chosen store, and the `victim` program that plays them |
//! | [`actor`] | what tests and the `actor` program, a real producer, consumer or broker, say to each other |
//!
//! Nothing here is for use outside tests.
#![forbid(unsafe_code)]

pub mod actor;
pub mod dying;
mod eventually;
mod gated_heap;
mod heap_faults;
mod leaks;
mod pattern;
mod process;
mod rng;
mod skip;
pub mod soft;

pub use eventually::{await_state, eventually};
pub use gated_heap::GatedHeap;
pub use heap_faults::{FaultyHeap, HeapFault};
pub use leaks::Snapshot;
pub use pattern::{Damage, Pattern, PatternError};
pub use process::{Death, Process, ProcessError};
pub use rng::{Rng, SEED_ENV};
pub use skip::{SKIP_LOG_ENV, skip};
