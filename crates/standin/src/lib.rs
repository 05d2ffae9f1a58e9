//! The stand-in: runs unmodified dma-buf programs where the kernel has no `/dev/dma_heap`, `/dev/udmabuf` or `sw_sync` for them.
//!
//! [`run`] starts a program with a private `/dev` and a filter for the few `ioctl` calls that are emulated; whatever else it does goes
//! straight to the kernel. Static and dynamic programs, threads, fork and exec work, and no privilege is needed.
//!
//! # Processes
//!
//! ```text
//! wharf run            the guardian: what the shell started; passes signals on and the way of ending back, and takes over
//!   └─ supervisor      answers the trapped calls; the broker's connection, or a broker of its own
//!        └─ program    first a stage of ours that makes the private /dev and the filter, then the program itself
//! ```
//!
//! The three begin as one executable, started again with an [order](Part) of what to be. The guardian is the ancestor of everything, so
//! that it may look at the program even where only ancestors may. When the supervisor dies, the guardian goes on answering; when
//! the guardian dies, the supervisor kills the program, as a kill of the program itself would have.
//!
//! | folder | idea |
//! |---|---|
//! | `guardian/` | the process that the shell sees |
//! | `supervisor/` | the process that answers |
//! | `launch/` | the private `/dev`, and how the processes talk |
//! | `listener/` | the filter, the trapped calls, the caller's memory and descriptors |
//! | `devices/` | what the devices do: the kernel's checks in the kernel's order |
//! | `memory/` | where buffers come from, and when they are given back |
//! | `files/` | buffers as files of a file system of ours, with `--fd-kind fuse` |
//! | `coherency/` | two views of each buffer, and what is wrong with how a program keeps them together |
//!
//! Contracts: E1 to E4, P3 (quotas are the broker's), B3, B4. Mechanisms: seccomp user notification.
//!
//! # References
//! `seccomp_unotify(2)`.

mod coherency;
mod devices;
mod error;
mod files;
mod guardian;
mod launch;
mod listener;
mod memory;
mod options;
mod supervisor;

pub use error::RunError;
pub use guardian::{Ending, run};
pub use launch::{Part, enter_user_namespace, play};
pub use options::{FdKind, Options};
