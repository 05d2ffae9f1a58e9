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

/// Has another process of this program try `what`.
pub(super) fn probe(what: &str) -> Result<(), Ended> {
    let could_not = |error: std::io::Error| Ended {
        errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        said: format!("cannot start a process: {error}"),
    };
    let myself = std::env::current_exe().map_err(could_not)?;
    let mut command = Command::new(myself);
    command.args(["probe", what]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
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

/// Runs a program that allocates a page.
pub(super) fn find() -> Finding {
    match probe("run") {
        Ok(()) => Finding::yes(
            Area::WharfRun,
            "",
            State::Yes,
            "ran a program that allocated a page",
        ),
        Err(ended) if ended.said.is_empty() => {
            let reason = "a program was run, and it could not allocate a page";
            Finding::no(
                Area::WharfRun,
                "",
                ended.errno,
                (reason, "try wharf run --socket with a broker that has room"),
            )
        }
        Err(ended) => {
            let advice = "docs/run.md tells what it needs: user namespaces or root, and to be the only listener for system calls";
            Finding::no(Area::WharfRun, "", ended.errno, (ended.said, advice))
        }
    }
}

/// Runs the program, in a process that was started for it. Returns its exit code, or the error number and says why.
pub(super) fn run() -> u8 {
    let myself = std::env::current_exe().map(std::path::PathBuf::into_os_string);
    let program = [myself.unwrap_or_default(), "probe".into(), "program".into()];
    match wharf_standin::run(&program, &wharf_standin::Options::default()) {
        Ok(ending) => ending.imitate(),
        Err(error) => {
            eprintln!("{error}");
            // CAST: error numbers that the kernel gives here are below 134.
            error.errno().raw_os_error() as u8
        }
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
