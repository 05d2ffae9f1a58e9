//! What `wharf run` costs a program: `measure.c`, compiled here, by itself, in a run, and in runs with `--vgem`, with `--exact-udmabuf`, with
//! `--check-coherency`, and with `--fd-kind fuse` where that is possible, all on CPU 0 with the supervisor.
//!
//! They take turns within each repetition, so that a noisy machine hits them alike; the table gives medians over the repetitions, and
//! medians of ratios and differences within one repetition. A plain `ioctl` is `FIONREAD` on a pipe. Run with
//! `cargo bench -p wharf-benches --bench standin`.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::thread::{CpuSet, sched_setaffinity};
use wharf_standin::{FdKind, Options};

type Outcome<T> = Result<T, Box<dyn Error>>;
/// Nanoseconds by name.
type Figures = HashMap<String, f64>;

/// How long each call is measured in each turn, in milliseconds.
const TURN_MS: &str = "50";
/// The argument by which this program runs another one.
const RUN: &str = "run";
/// The argument by which a run starts its own parts.
const PART: &str = "run-part";

/// Ways to run the program.
const KINDS: usize = 6;

/// A row: what it is called, by which name it is measured, and what may be.
struct Row {
    title: &'static str,
    name: &'static str,
    budget: &'static str,
}

const fn row(title: &'static str, name: &'static str, budget: &'static str) -> Row {
    Row { title, name, budget }
}

const ROWS: [Row; 13] = [
    row("SYNC", "sync", "12 µs"),
    row("START, a store in each line of 4 KiB, END", "pair 4096", "–"),
    row("the same of 8 MiB", "pair 8388608", "–"),
    row("ALLOC of 4 KiB, close", "alloc", "35 µs"),
    row("poll of a buffer without fences", "poll", "–"),
    row("a number that is emulated, on another file", "unknown", "–"),
    row("plain ioctl", "plain", "+0.2 µs"),
    row("getppid", "getppid", "noise"),
    row("open of /dev/null, close", "open", "noise"),
    row("memfd_create, ftruncate, close", "memfd", "noise"),
    row("mmap of nothing, munmap", "anonymous", "noise"),
    row("mmap of a file, munmap", "shared", "noise"),
    row("private mmap of a file, munmap", "private", "noise"),
];

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some(PART) => play(&arguments[1..]),
        Some(RUN) => run(&arguments[1..]),
        _ => bench().map(|()| ExitCode::SUCCESS),
    }
}

/// Is one of the processes of a run.
fn play(arguments: &[OsString]) -> Outcome<ExitCode> {
    let [part, fd, orders, _, program @ ..] = arguments else {
        return Err("a part of a run, by hand?".into());
    };
    let text = |word: &OsString| word.to_str().map(str::to_owned).ok_or("no text");
    let code = wharf_standin::play(&text(part)?, text(fd)?.parse()?, &text(orders)?, program)?;
    Ok(ExitCode::from(code))
}

/// Runs a program: the first argument says with which option.
fn run(arguments: &[OsString]) -> Outcome<ExitCode> {
    let (option, program) = arguments.split_first().ok_or("nothing to run")?;
    let options = Options {
        vgem: option == "vgem" || option == "coherency",
        exact_udmabuf: option == "exact",
        check_coherency: option == "coherency",
        fd_kind: if option == "fuse" {
            FdKind::Fuse
        } else {
            FdKind::Memfd
        },
        ..Options::default()
    };
    Ok(ExitCode::from(wharf_standin::run(program, &options)?.imitate()))
}

fn bench() -> Outcome<()> {
    let repetitions = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(9);
    let mut cpu = CpuSet::new();
    cpu.set(0);
    sched_setaffinity(None, &cpu)?;
    let program = compiled()?;
    println!("{repetitions} repetitions of {TURN_MS} ms, program and supervisor on CPU 0\n");
    let mut turns = Vec::new();
    for _ in 0..repetitions {
        turns.push([
            measured(&program, None)?,
            measured(&program, Some("plain"))?,
            measured(&program, Some("vgem"))?,
            measured(&program, Some("exact"))?,
            measured(&program, Some("coherency"))?,
            // Dashes where it is not possible; the reason is told.
            measured(&program, Some("fuse")).unwrap_or_else(|error| {
                eprintln!("{error}");
                Figures::new()
            }),
        ]);
    }
    std::fs::remove_file(&program)?;
    print(&turns);
    Ok(())
}

fn compiled() -> Outcome<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("standin/measure.c");
    let program = std::env::temp_dir().join(format!("wharf-measure-{}", std::process::id()));
    let status = Command::new("cc")
        .args(["-O2", "-w", "-o"])
        .arg(&program)
        .arg(source)
        .status()?;
    if status.success() {
        Ok(program)
    } else {
        Err(format!("cc: {status}").into())
    }
}

fn measured(program: &Path, supervised: Option<&str>) -> Outcome<Figures> {
    let mut command = match supervised {
        None => Command::new(program),
        Some(kind) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([RUN, kind]).arg(program);
            command
        }
    };
    let output = command.arg(TURN_MS).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {said}", output.status).into());
    }
    let figure = |line: &str| {
        let (name, ns) = line.split_once(": ")?;
        Some((name.to_owned(), ns.parse().ok()?))
    };
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .filter_map(figure)
        .collect())
}

fn print(turns: &[[Figures; KINDS]]) {
    println!(
        "| call | by itself µs | in a run µs | more µs | in a run / plain ioctl by itself | with --vgem, more µs | with --exact-udmabuf, more µs | with --check-coherency µs | with --fd-kind fuse µs | budget |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for Row { title, name, budget } in ROWS {
        let of =
            |kind: usize| move |turn: &[Figures; KINDS]| turn[kind].get(name).copied().unwrap_or(f64::NAN);
        let more = |kind: usize| move |turn: &[Figures; KINDS]| of(kind)(turn) - of(0)(turn);
        println!(
            "| {title} | {} | {} | {} | {:.0} | {} | {} | {} | {} | {budget} |",
            us(median(turns, of(0))),
            us(median(turns, of(1))),
            us(median(turns, more(1))),
            median(turns, |turn| of(1)(turn)
                / turn[0].get("plain").copied().unwrap_or(f64::NAN)),
            us(median(turns, more(2))),
            us(median(turns, more(3))),
            us(median(turns, of(4))),
            us(median(turns, of(5))),
        );
    }
    let alone = |kind: usize, name: &'static str| {
        us(median(turns, move |turn| {
            turn[kind].get(name).copied().unwrap_or(f64::NAN)
        }))
    };
    println!(
        "\nmmap of a buffer on the card and munmap, with --vgem: {} µs",
        alone(2, "dumb")
    );
    println!(
        "mmap of a buffer of parts and munmap, with --exact-udmabuf: {} µs of one part, {} µs of 4, {} µs of 256",
        alone(3, "parts 1"),
        alone(3, "parts 4"),
        alone(3, "parts 256")
    );
}

/// Nanoseconds as microseconds; a dash for what there is not.
fn us(nanoseconds: f64) -> String {
    if nanoseconds.is_nan() {
        return "–".to_owned();
    }
    format!("{:.2}", nanoseconds / 1e3)
}

fn median(turns: &[[Figures; KINDS]], figure: impl Fn(&[Figures; KINDS]) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(figure).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
