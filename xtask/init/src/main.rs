//! The first process of the guest that `cargo xtask guest` boots: it readies the machine, runs one program, and says how that ended.
//!
//! | file | idea |
//! |---|---|
//! | `orders` | what the host wants, from files in `/guest` |
//! | `machine` | file systems, modules, ports to the host, the end |
//! | `program` | the program, its output, its end, and nobody left behind |
//!
//! What it says goes to the port `status`, one line each: `skip REASON` as often as the program skipped a check, and then
//! `exit CODE`, `signal NUMBER`, or `failed WHY` if there was no program to run.
#![forbid(unsafe_code)]

mod machine;
mod orders;
mod program;

use std::fs::File;
use std::io::{self, Write};

use machine::port;
use orders::Orders;

fn main() {
    if let Err(error) = machine::mount_file_systems() {
        // Nobody reads a port yet; the host shows what the console says when no status comes.
        println!("guest-init: cannot mount file systems: {error}");
        machine::reboot();
    }
    match port("status") {
        Ok(status) => report(status),
        Err(error) => println!("guest-init: no way to tell how the program ended: {error}"),
    }
    machine::reboot();
}

/// Runs the program and tells the host.
fn report(mut status: File) {
    let said = match run() {
        Ok(end) => status_lines(&end),
        Err(error) => format!("failed {error}\n"),
    };
    if let Err(error) = status.write_all(said.as_bytes()) {
        println!("guest-init: cannot tell how the program ended: {error}");
    }
}

fn run() -> io::Result<program::End> {
    let orders = Orders::read()?;
    for module in &orders.modules {
        machine::load(module)?;
    }
    program::run(&orders)
}

fn status_lines(end: &program::End) -> String {
    let mut lines: String = program::skipped()
        .iter()
        .map(|reason| format!("skip {reason}\n"))
        .collect();
    lines += &match end {
        program::End::Exit(code) => format!("exit {code}\n"),
        program::End::Signal(number) => format!("signal {number}\n"),
    };
    lines
}
