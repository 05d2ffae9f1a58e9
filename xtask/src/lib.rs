//! Tasks of this repository: a guest with a real Linux kernel, for programs and tests that need one, and the kernel's own tests.
//!
//! | module | what it holds |
//! |---|---|
//! | [`guest`] | [`Guest`]: one program in a machine of its own, and how it ended |
//! | [`selftests`] | the kernel's own tests of what Wharf stands in for |
//! | `qemu` | the machine |
//! | `image` | what is in the machine: the first process, the program, files, modules |
//! | `modules` | modules with those they depend on |
//! | `kernel` | Debian's kernel |
//! | `payload` | the kernel out of its compressed image |
//! | `debian` | packages, fetched but not installed |
//! | [`build`] | programs that need no libraries, so that they run anywhere |
//! | `child` | processes with an end |
//! | `places` | where all that is kept |
//! | `trouble` | [`Trouble`]: what went wrong, and whether this machine could do better |
//!
//! `docs/guest.md` tells how to use it.
#![forbid(unsafe_code)]

pub mod build;
mod child;
mod debian;
pub mod guest;
mod image;
mod kernel;
mod modules;
mod payload;
mod places;
mod qemu;
pub mod selftests;
mod trouble;

pub use guest::{Ending, Guest, Outcome, Output};
pub use trouble::{Trouble, UNAVAILABLE_CODE};
