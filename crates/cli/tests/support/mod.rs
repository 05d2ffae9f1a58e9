//! Real brokers and other real processes, each under the test kit's watchdog.
#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod solving;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use wharf_testkit::{Process, ProcessError, eventually, skip};

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How long anything may take that should happen soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long any process may live.
const LIFE: Duration = Duration::from_secs(120);

/// A `wharf` command, without anything in its environment that would tell it of a socket.
pub(crate) fn wharf(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.args(arguments);
    without_environment(&mut command);
    command
}

/// Removes the variables that say where a broker's socket is, or how much to log.
pub(crate) fn without_environment(command: &mut Command) {
    for variable in [
        "WHARF_SOCKET",
        "XDG_RUNTIME_DIR",
        "LISTEN_FDS",
        "LISTEN_PID",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
}

/// What a process left behind that has ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// The lines of its stdout, each with its end.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The one line of an error that is all there is.
    pub(crate) fn error_line(&self) -> &str {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let line = self.stderr.strip_suffix('\n').filter(|line| !line.contains('\n'));
        line.and_then(|line| line.strip_prefix("wharf: "))
            .unwrap_or_else(|| panic!("{self:?}"))
    }

    /// What it printed, if it ended well and without complaint.
    pub(crate) fn output(&self) -> &str {
        assert!(self.status.success() && self.stderr.is_empty(), "{self:?}");
        &self.stdout
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Ended {
    let mut process = Process::spawn("command", command, LIFE).expect("it can be started");
    process.close_stdin();
    let mut stdout = String::new();
    loop {
        match process.hear(LIFE) {
            Ok(line) => stdout = stdout + &line + "\n",
            Err(ProcessError::Ended {
                status: Some(status),
                stderr,
                ..
            }) => {
                return Ended {
                    status,
                    stdout,
                    stderr,
                };
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether buffers can be files here; said aloud where they cannot. `wharf devices` is asked, which finds out in another way.
pub(crate) fn files_are_possible() -> bool {
    let report: serde_json::Value =
        serde_json::from_str(run(wharf(&["devices", "--json"])).output()).expect("it is JSON");
    let findings = report["findings"].as_array().into_iter().flatten();
    let mut of_files = findings.filter(|finding| finding["area"] == "fuse-passthrough");
    let finding = of_files.next().expect("there is an answer");
    let is_possible = finding["state"] == "yes";
    if !is_possible {
        skip(&format!("--fd-kind fuse: {}", finding["refusal"]["reason"]));
    }
    is_possible
}

/// Runs a program to its end under `wharf run` as a user without any privilege; `None`, said aloud, where this one cannot become such a user.
pub(crate) fn run_unprivileged(options: &[&str], program: &Path) -> Option<Ended> {
    let under = |mut wharf: Command, program: &Path| {
        without_environment(&mut wharf);
        wharf.arg("run").args(options).arg("--").arg(program);
        run(wharf)
    };
    let wharf = Path::new(env!("CARGO_BIN_EXE_wharf"));
    if !rustix::process::geteuid().is_root() {
        return Some(under(Command::new(wharf), program));
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        skip("becoming an unprivileged user takes setpriv");
        return None;
    }
    let place = TempDir::new().expect("a directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(), open.clone()).expect("our own directory");
    let copied = |from: &Path, name: &str| {
        let to = place.path().join(name);
        std::fs::copy(from, &to).expect("it can be copied");
        std::fs::set_permissions(&to, open.clone()).expect("our own file");
        to
    };
    let (wharf, program) = (copied(wharf, "wharf"), copied(program, "program"));
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(wharf);
    Some(under(command, &program))
}

/// `wharf serve`, running, in a directory of its own.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Process,
    place: Place,
}

/// A directory for a socket.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a temporary directory can be made"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("wharf-0")
    }

    /// A command about this place's socket.
    pub(crate) fn wharf(&self, arguments: &[&str]) -> Command {
        let mut command = wharf(arguments);
        command.arg("--socket").arg(self.socket());
        command
    }

    /// The names of the files in it.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("the directory can be read");
        let names = entries.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Broker {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(Place::new(), arguments)
    }

    pub(crate) fn start_in(place: Place, arguments: &[&str]) -> Self {
        let command = place.wharf(&[&["serve"], arguments].concat());
        let process = Process::spawn("wharf serve", command, LIFE).expect("it can be started");
        let broker = Self { process, place };
        answers(&broker.socket()).unwrap_or_else(|error| panic!("{error}"));
        broker
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.place.socket()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What `wharf info` prints of it.
    pub(crate) fn info(&self, arguments: &[&str]) -> String {
        run(self.place.wharf(&[&["info"], arguments].concat()))
            .output()
            .to_owned()
    }

    /// Waits until `lists` of its state are empty.
    #[track_caller]
    pub(crate) fn expect_none(&self, lists: &[&str]) {
        let empty = || {
            let state: serde_json::Value = serde_json::from_str(&self.info(&["--json"])).expect("JSON");
            let is_empty = |list: &&str| state[*list].as_array().is_some_and(Vec::is_empty);
            if lists.iter().all(is_empty) {
                Ok(())
            } else {
                Err(state)
            }
        };
        eventually(PATIENCE, empty).unwrap_or_else(|state| panic!("left behind: {state}"));
    }

    /// Asks it to end by a signal, waits until it has, and returns what it left behind.
    pub(crate) fn stop(self, signal: Signal) -> Result<Place, ProcessError> {
        self.process.signal(signal).expect("it runs");
        self.process.finish()?;
        Ok(self.place)
    }

    /// Kills it by SIGKILL.
    pub(crate) fn kill(self) -> Place {
        self.process.kill().expect("it can be waited for");
        self.place
    }
}

/// Waits until a broker answers at `socket`.
pub(crate) fn answers(socket: &Path) -> Result<(), String> {
    eventually(PATIENCE, || {
        let mut command = wharf(&["info", "--socket"]);
        command.arg(socket);
        let ended = run(command);
        if ended.status.success() {
            Ok(())
        } else {
            Err(ended.stderr)
        }
    })
}
