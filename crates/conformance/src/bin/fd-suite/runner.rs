//! Cases in processes of their own.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::case::{Case, Outcome, Stop};
use crate::ready::ready_within;
use crate::sys;

/// How long a case may take; none waits for more than two seconds of its own will.
const LIFE: Duration = Duration::from_secs(30);

/// What became of a case, in one line without its name.
pub(crate) fn told(outcome: Outcome) -> String {
    match outcome {
        Ok(()) => "pass".to_owned(),
        Err(Stop::Differs { expected, got }) => format!("differs: expected {expected}, got {got}"),
        Err(Stop::Absent(what)) => format!("absent: {what}"),
    }
}

/// Runs cases one after the other, each in a process of its own.
pub(crate) fn run_all(cases: &[&Case]) -> ExitCode {
    let (mut passed, mut differ, mut absent) = (0, 0, 0);
    for case in cases {
        let became = run_apart(case)
            .unwrap_or_else(|errno| told(Err(Stop::differs("a process", crate::case::name_of(errno)))));
        println!("{}: {became}", case.name);
        match became.as_str() {
            "pass" => passed += 1,
            other if other.starts_with("absent: ") => absent += 1,
            _ => differ += 1,
        }
    }
    let all = cases.len();
    println!("{all} cases: {passed} pass, {differ} differ, {absent} absent");
    ExitCode::from(u8::from(differ > 0))
}

fn run_apart(case: &Case) -> Result<String, Errno> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let Some(process) = sys::fork()? else {
        drop(reader);
        let line = told((case.body)());
        let _ = rustix::io::write(&writer, line.as_bytes());
        std::process::exit(0);
    };
    drop(writer);
    let ended = ready_within(&reader, PollFlags::IN, LIFE)? != PollFlags::empty();
    if !ended {
        kill_process(process, Signal::KILL)?;
    }
    let mut line = String::new();
    // Whatever is no text is no result.
    let _ = std::fs::File::from(reader).read_to_string(&mut line);
    let end = end_of(process)?;
    Ok(match line.as_str() {
        _ if !ended => told(Err(Stop::differs(
            "an end",
            format!("none within {} s", LIFE.as_secs()),
        ))),
        "" => told(Err(Stop::differs("a result", end))),
        _ => line,
    })
}

fn end_of(process: Pid) -> Result<String, Errno> {
    let Some((_, status)) = waitpid(Some(process), WaitOptions::empty())? else {
        return Err(Errno::CHILD);
    };
    Ok(match (status.terminating_signal(), status.exit_status()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "another end".to_owned(),
    })
}
