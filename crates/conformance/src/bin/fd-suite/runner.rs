//! Cases in processes of their own.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::case::{Outcome, Stop, Suite};

/// How long a case may take; none waits for more than two seconds of its own will.
const LIFE: Duration = Duration::from_secs(30);

/// Runs one case in this process and prints what became of it, without its name.
pub(crate) fn run_here(suite: &mut Suite, name: &str) -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(LIFE);
        println!("differs: expected an end, got none within {} s", LIFE.as_secs());
        std::process::exit(0);
    });
    let Some(outcome) = suite.run(name) else {
        eprintln!("fd-suite: no case is called {name}");
        return ExitCode::from(2);
    };
    println!("{}", told(outcome));
    ExitCode::SUCCESS
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Ok(()) => "pass".to_owned(),
        Err(Stop::Differs { expected, got }) => format!("differs: expected {expected}, got {got}"),
        Err(Stop::Absent(what)) => format!("absent: {what}"),
    }
}

/// Runs cases one after the other, each in a process of its own.
pub(crate) fn run_all(names: &[String]) -> ExitCode {
    let (mut passed, mut differ, mut absent) = (0, 0, 0);
    for name in names {
        let became = run_apart(name);
        println!("{name}: {became}");
        match became.as_str() {
            "pass" => passed += 1,
            other if other.starts_with("absent: ") => absent += 1,
            _ => differ += 1,
        }
    }
    let all = names.len();
    println!("{all} cases: {passed} pass, {differ} differ, {absent} absent");
    ExitCode::from(u8::from(differ > 0))
}

fn run_apart(name: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let run = Command::new(program)
        .args(["--one", name])
        .stdin(Stdio::null())
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) => return format!("differs: expected a process of its own, got: {error}"),
    };
    if let Some(signal) = output.status.signal() {
        return format!("differs: expected an end, got killed by signal {signal}");
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default();
    if line.is_empty() {
        let last = String::from_utf8_lossy(&output.stderr);
        return format!(
            "differs: expected a result, got: {}",
            last.trim().replace('\n', " ")
        );
    }
    line.to_owned()
}
