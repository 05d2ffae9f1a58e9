//! `cargo xtask`: programs and tests in a guest with a real Linux kernel.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use xtask::selftests::Selftests;
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
    /// Build tests for the guest and run them there: cargo test with a guest for each test program.
    ///
    /// Options of the guest come first, then those of cargo test: cargo xtask guest-test --module vgem -p wharf-linux --test exporters. What
    /// the tests skip is added to WHARF_SKIP_LOG, as where they run without guest. Ends as cargo test does, and with 77 where there is no
    /// QEMU or no kernel package to be had.
    GuestTest(GuestTestArgs),
    /// Run the kernel's own tests of heaps, udmabuf and sync files, under wharf run and in a guest.
    ///
    /// They are compiled from Debian's package of the kernel's source. Ends with 0 if all pass but for the listed exceptions, with 1 if not, and
    /// with 77 where the source, QEMU or the kernel cannot be had.
    Selftests(SelftestsArgs),
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
    /// Have the programs that cargo has built for a test in the guest, too: those its environment names
    #[arg(long)]
    for_cargo: bool,
    /// A program that needs no libraries, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct GuestTestArgs {
    #[command(flatten)]
    machine: MachineArgs,
    /// End with 0 where there is no guest to be had, and say in WHARF_SKIP_LOG that the tests are skipped
    #[arg(long)]
    or_skip: bool,
    /// Options of cargo test
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CARGO OPTIONS"
    )]
    cargo: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct SelftestsArgs {
    /// The wharf to run them under [default: the one of this repository, built now]
    #[arg(long, value_name = "PATH")]
    wharf: Option<PathBuf>,
    /// Print all that they say
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Guest(args) => guest(&args),
        Task::GuestTest(args) => guest_test(&args),
        Task::Selftests(args) => selftests(&args),
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
    let mut machine = machine(&args.machine)?;
    if args.for_cargo {
        for (_, program) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_BIN_EXE_"))
        {
            machine = machine.file(&program, &program);
        }
    }
    let outcome = match args.program.split_first() {
        Some((program, arguments)) => machine.run(program.as_ref(), arguments)?,
        None => return Err(Trouble::Failed("there is no program to run".into())),
    };
    told(&outcome)
}

/// Says what only people can use, and returns the exit code.
fn told(outcome: &Outcome) -> Result<u8, Trouble> {
    for reason in &outcome.skipped {
        skip(reason)?;
    }
    match &outcome.ending {
        Ending::Panic(log) => eprintln!("guest: the kernel panicked; the end of its log:\n{log}"),
        Ending::Hang(time) => eprintln!("guest: stopped after {} seconds", time.as_secs()),
        Ending::Exit(_) | Ending::Signal(_) => {}
    }
    Ok(outcome.ending.code())
}

fn guest_test(args: &GuestTestArgs) -> Result<u8, Trouble> {
    match Guest::check() {
        Err(Trouble::Unavailable(why)) if args.or_skip => {
            let tests = args
                .cargo
                .iter()
                .map(|word| word.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" ");
            skip(&format!("tests in the guest ({tests}): {why}"))?;
            return Ok(0);
        }
        checked => checked?,
    }
    let own =
        env::current_exe().map_err(|error| Trouble::Failed(format!("where is this program: {error}")))?;
    let mut runner = vec![own.display().to_string(), "guest".into(), "--for-cargo".into()];
    runner.extend(args.machine.again()?);
    runner.push("--".into());
    xtask::build::test(&runner, &args.cargo)
}

fn selftests(args: &SelftestsArgs) -> Result<u8, Trouble> {
    let tests = Selftests::get()?;
    let wharf = match &args.wharf {
        Some(wharf) => wharf.clone(),
        None => xtask::build::program("wharf-cli", "wharf")?,
    };
    let mut reports = tests.under(&wharf)?;
    reports.extend(tests.in_guest()?);
    for report in &reports {
        println!("{report}");
        if args.verbose || !report.problems.is_empty() {
            println!("{}", report.output);
        }
    }
    Ok(u8::from(reports.iter().any(|report| !report.problems.is_empty())))
}

/// Says what is skipped, where `scripts/test` counts it.
fn skip(reason: &str) -> Result<(), Trouble> {
    eprintln!("SKIPPED: {reason}");
    let Some(path) = env::var_os("WHARF_SKIP_LOG").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{}", reason.replace('\n', " ")))
        .map_err(|error| {
            Trouble::Failed(format!(
                "cannot add to WHARF_SKIP_LOG={}: {error}",
                path.to_string_lossy()
            ))
        })
}

impl MachineArgs {
    /// The options that say the same, wherever they are read.
    fn again(&self) -> Result<Vec<String>, Trouble> {
        let mut again = vec![
            format!("--cpus={}", self.cpus),
            format!("--memory={}", self.memory),
            format!("--timeout={}", self.timeout),
        ];
        again.extend(self.modules.iter().map(|module| format!("--module={module}")));
        again.extend(
            self.kernel_arguments
                .iter()
                .map(|argument| format!("--kernel-argument={argument}")),
        );
        for file in &self.files {
            let (source, place) = places(file)?;
            again.push(format!("--file={}={}", source.display(), place.display()));
        }
        Ok(again)
    }
}

/// Where a file is here, and where it is to be in the guest.
fn places(file: &str) -> Result<(PathBuf, PathBuf), Trouble> {
    let (source, place) = file.split_once('=').unwrap_or((file, file));
    let absolute = |path| {
        absolute(path)
            .map_err(|error| Trouble::Failed(format!("--file {file}: '{path}' is no path: {error}")))
    };
    Ok((absolute(source)?, absolute(place)?))
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
        let (source, place) = places(file)?;
        guest = guest.file(source, place);
    }
    for argument in &args.kernel_arguments {
        guest = guest.kernel_argument(argument);
    }
    Ok(guest)
}
