//! Programs of others, as they are, under `wharf run`: QEMU, the Raspberry Pi's `picamera2`, the crates `dma-heap` and `dma-buf`.
//!
//! Each is also run without, where the machine has no such device: it must fail there, or the test would prove nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

mod crates;
mod picamera2;
mod qemu;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

/// This command under `wharf run` with options.
fn under_wharf(options: &[&str], command: &Command) -> Command {
    let mut under = support::wharf(&["run"]);
    under
        .args(options)
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    under
}

/// Whether the machine itself has this device.
fn machine_has(path: &str) -> bool {
    Path::new(path).exists()
}
