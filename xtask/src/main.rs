//! `cargo xtask`: programs and tests in a guest with a real Linux kernel.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use xtask::{Ending, Guest, Outcome, Trouble};

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run a program on Debian's kernel, in a machine of its own.
    ///
    /// Ends with the program's exit code, 128 and the number of the signal that ended it, 125 after a panic of the kernel, 124 when the
    /// time is over, and 77 where there is no QEMU or no kernel package to be had.
    Guest(GuestArgs),
}

/// What the machine is like.
#[derive(Debug, clap::Args)]
struct MachineArgs {
    /// Load a kernel module and those it depends on, with parameters separated by spaces: --module 'vivid=n_devs=1 allocators=1'
    #[arg(long = "module", value_name = "NAME[=OPTIONS]")]
    modules: Vec<String>,
    /// Have a file or directory in the guest, at the same path or another
    #[arg(long = "file", value_name = "PATH[=PLACE]")]
    files: Vec<String>,
    /// Add to the kernel's command line
    #[arg(long = "kernel-argument", value_name = "ARGUMENT")]
    kernel_arguments: Vec<String>,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 1)]
    cpus: u32,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u32,
    /// Seconds until the machine is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

#[derive(Debug, clap::Args)]
struct GuestArgs {
    #[command(flatten)]
    machine: MachineArgs,
    /// A program that needs no libraries, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Guest(args) => guest(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::from(trouble.code())
        }
    }
}

fn guest(args: &GuestArgs) -> Result<u8, Trouble> {
    let machine = machine(&args.machine)?;
    let outcome = match args.program.split_first() {
        Some((program, arguments)) => machine.run(program.as_ref(), arguments)?,
        None => return Err(Trouble::Failed("there is no program to run".into())),
    };
    Ok(told(&outcome))
}

/// Says what only people can use, and returns the exit code.
fn told(outcome: &Outcome) -> u8 {
    for reason in &outcome.skipped {
        eprintln!("guest: skipped: {reason}");
    }
    match &outcome.ending {
        Ending::Panic(log) => eprintln!("guest: the kernel panicked; the end of its log:\n{log}"),
        Ending::Hang(time) => eprintln!("guest: stopped after {} seconds", time.as_secs()),
        Ending::Exit(_) | Ending::Signal(_) => {}
    }
    outcome.ending.code()
}

fn machine(args: &MachineArgs) -> Result<Guest, Trouble> {
    let mut guest = Guest::new()
        .cpus(args.cpus)
        .memory_mib(args.memory)
        .time(Duration::from_secs(args.timeout));
    for module in &args.modules {
        let (name, parameters) = module.split_once('=').unwrap_or((module, ""));
        guest = guest.module(name, parameters);
    }
    for file in &args.files {
        let (source, place) = file.split_once('=').unwrap_or((file, file));
        let place =
            std::path::absolute(place).map_err(|_| Trouble::Failed(format!("--file {file} has no place")))?;
        guest = guest.file(PathBuf::from(source), place);
    }
    for argument in &args.kernel_arguments {
        guest = guest.kernel_argument(argument);
    }
    Ok(guest)
}
