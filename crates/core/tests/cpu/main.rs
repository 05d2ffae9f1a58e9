//! Access of the CPU, from outside: windows and their pages, vmap, user mappings.
#![expect(clippy::expect_used, reason = "the helpers are tests too")]
#![cfg(not(any(loom, shuttle)))]

mod access_and_fences;
mod bounds;
mod devices;
mod fault_tracked;
mod hostile;
mod machine;
mod pages;
mod prop_mappings;
mod second_range;
mod threads;
mod vmap;
