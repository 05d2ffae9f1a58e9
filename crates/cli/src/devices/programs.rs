//! What has to be tried by another process.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::finding::{Area, Finding, State};

/// How long a process may take that does next to nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(2);

/// How a process of ours failed.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) errno: Errno,
    /// The last line it said.
    pub(super) said: String,
}

/// Has another process of this program try `what`, started through `before`.
pub(super) fn probe(what: &str, before: &[&str]) -> Result<(), Ended> {
    let could_not = |error: std::io::Error| Ended {
        errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        said: format!("cannot start a process: {error}"),
    };
    let myself = std::env::current_exe().map_err(could_not)?;
    let mut command = Command::new(&myself);
    if !before.is_empty() {
        command.args(before).arg(&myself);
    }
    command.args(["probe", what]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(could_not)?;
    let code = wait(&mut child).map_err(could_not)?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        // A few lines at most; what a process says that does not end is not waited for.
        if code.is_some() {
            let _ = stderr.take(4096).read_to_string(&mut said);
        }
    }
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Ended {
            errno: Errno::from_raw_os_error(code),
            said: said.lines().last().unwrap_or_default().to_owned(),
        }),
        None => Err(Ended {
            errno: Errno::TIMEDOUT,
            said: format!("it did not end within {} s", PATIENCE.as_secs()),
        }),
    }
}

/// The exit code; none if it had to be killed, or was.
fn wait(child: &mut Child) -> std::io::Result<Option<i32>> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        std::thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The exit code of `wharf run` when it could not run the program.
const NOT_RUN: i32 = 125;

/// Runs a program that allocates a page.
pub(super) fn find() -> Finding {
    match probe("program", &["run", "--"]) {
        Ok(()) => Finding::yes(Area::WharfRun, "", State::Yes, "ran a program that allocated a page"),
        Err(ended) if ended.errno.raw_os_error() == NOT_RUN => {
            let said = ended.said.trim_start_matches("wharf: ");
            Finding::no(Area::WharfRun, "", Errno::PERM, (said, advice(said)))
        }
        Err(ended) => {
            let reason = format!("a program was run, and could not allocate a page: {}", ended.said);
            Finding::no(Area::WharfRun, "", ended.errno, (reason, ""))
        }
    }
}

fn advice(said: &str) -> &'static str {
    if said.contains("busy") || said.contains("Busy") {
        "system calls have a listener already: is this wharf run itself, or a container that listens?"
    } else {
        "see docs/run.md: it needs user namespaces (or root) and a listener for system calls"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_is_waited_for() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        assert_eq!(wait(&mut child).unwrap(), Some(3));
    }
}
