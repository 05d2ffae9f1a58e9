//! The real program, run in a folder of its own, watched, and never left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use recorder::report::Report;
use rustix::process::Signal;
use tempfile::TempDir;

use super::processes;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_recorder");
/// How long anything may take that is not meant to hang. Machines that run tests can be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A run that is being prepared.
pub(crate) struct Recorder {
    command: Command,
    folder: TempDir,
    mark: String,
}

impl Recorder {
    /// Prepares the program with some arguments.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::through(&[PROGRAM], arguments)
    }

    /// Prepares another program that is to run it.
    pub(crate) fn through(wrapper: &[&str], arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().unwrap();
        for name in ["work", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let log = |name| File::create(folder.path().join(name)).unwrap();
        let mut command = Command::new(wrapper[0]);
        command
            .args(&wrapper[1..])
            .args(arguments)
            .current_dir(folder.path().join("work"))
            .env("TMPDIR", folder.path().join("tmp"))
            .env(processes::MARK, &mark)
            .env_remove("WHARF_SOCKET")
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"));
        Self {
            command,
            folder,
            mark,
        }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// A file in the program's folder, before it is started.
    pub(crate) fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(crate) fn start(mut self) -> Run {
        Run {
            child: self.command.spawn().unwrap(),
            folder: self.folder,
            mark: self.mark,
        }
    }

    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }
}

/// A run.
pub(crate) struct Run {
    pub(crate) child: Child,
    folder: TempDir,
    mark: String,
}

impl Run {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// What all processes of the run have in their environment.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// The process that plays a part, once there is one.
    pub(crate) fn process(&self, role: &str) -> u32 {
        self.eventually(role, |run| processes::in_role(&run.mark, role).first().copied())
    }

    /// Waits for something to be so.
    pub(crate) fn eventually<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "no {what}: {}", self.log("stderr"));
            sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the process that plays a part.
    pub(crate) fn signal(&self, role: &str, signal: Signal) {
        processes::signal(self.process(role), signal);
    }

    /// Sends a signal to the process that was started.
    pub(crate) fn signal_director(&self, signal: Signal) {
        processes::signal(self.child.id(), signal);
    }

    /// Sends a signal to the director of a run that another program has started.
    pub(crate) fn signal_program(&self, signal: Signal) {
        let is_director = |arguments: &[String]| arguments.first().is_some_and(|word| word == PROGRAM);
        let director = self.eventually("director", |run| {
            let processes = processes::with_mark(&run.mark);
            let director = processes
                .into_iter()
                .find(|(_, arguments)| is_director(arguments));
            director.map(|(pid, _)| pid)
        });
        processes::signal(director, signal);
    }

    /// Waits until a file has grown beyond a size.
    pub(crate) fn wait_for_bytes(&self, name: &str, bytes: u64) {
        let has_grown = |run: &Self| {
            let length = fs::metadata(run.path(name)).map_or(0, |file| file.len());
            (length > bytes).then_some(())
        };
        self.eventually(name, has_grown);
    }

    /// Waits for the end, and makes sure that nothing is left.
    pub(crate) fn wait(self) -> Ended {
        let ended = self.wait_and_leave_directories();
        let left: Vec<_> = fs::read_dir(ended.folder.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        ended
    }

    /// The same for a run whose director was killed and could not remove anything.
    pub(crate) fn wait_and_leave_directories(mut self) -> Ended {
        let status = self.eventually_ended();
        let is_empty = |run: &Self| processes::with_mark(&run.mark).is_empty().then_some(());
        self.eventually("end of all processes", is_empty);
        let (stdout, stderr) = (self.log("stdout"), self.log("stderr"));
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Ended {
            status,
            stdout,
            stderr,
            folder,
        }
    }

    fn eventually_ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it does not end: {}",
                self.log("stderr")
            );
            sleep(Duration::from_millis(2));
        }
    }

    fn log(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap()).into_owned()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for (pid, _) in processes::with_mark(&self.mark) {
            processes::signal(pid, Signal::KILL);
        }
    }
}

/// A run that is over.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: TempDir,
}

impl Ended {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// The report that was printed as JSON, and nothing else.
    pub(crate) fn report(&self) -> Report {
        match serde_json::from_str(&self.stdout) {
            Ok(report) => report,
            Err(error) => panic!("{error}: {}{}", self.stdout, self.stderr),
        }
    }

    /// The report of a run in which nothing went wrong.
    pub(crate) fn good_report(&self) -> Report {
        assert!(self.status.success(), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr, "");
        let report = self.report();
        assert_eq!(report.problems, Vec::<String>::new());
        report
    }

    /// The one line that says why the exit code is `code`.
    pub(crate) fn complaint(&self, code: i32) -> &str {
        assert_eq!(self.status.code(), Some(code), "{}{}", self.stdout, self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0]
            .strip_prefix("recorder: ")
            .unwrap_or_else(|| panic!("{}", lines[0]))
    }

    /// The names of the files in its folder.
    pub(crate) fn files(&self) -> Vec<String> {
        names(&self.path("."))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
