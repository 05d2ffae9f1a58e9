//! Child processes that never stay behind.

mod error;
mod minder;

pub use error::ProcessError;

use minder::Minder;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use wharf::now_ns;

/// A child process that is talked to in lines over its stdin and stdout.
///
/// It has a watchdog: when its deadline passes it is killed, and whoever waits for it is told, with what it wrote to stderr. It
/// is killed, with its own children, and reaped when this is dropped, so that no test leaves one behind, however it ends. What
/// it wrote to stderr is passed on if the test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pidfd: Arc<OwnedFd>,
    stdin: Option<ChildStdin>,
    minder: Minder,
    is_reaped: bool,
}

/// How a process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// When the kernel said that it is dead, in nanoseconds of `CLOCK_MONOTONIC`: the earliest moment anybody could detect it.
    pub detectable_ns: u64,
}

impl Process {
    /// Starts `command`, in a process group of its own, to be killed after `deadline` if it still runs. `name` is what errors
    /// call it.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command, deadline: Duration) -> io::Result<Self> {
        command.process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let minder = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|pidfd| {
                let pidfd = Arc::new(pidfd);
                Ok((Arc::clone(&pidfd), Minder::start(&mut child, pidfd, deadline)?))
            });
        let (pidfd, minder) = match minder {
            Ok(started) => started,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
        };
        Ok(Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            pidfd,
            minder,
            is_reaped: false,
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin.
    ///
    /// # Blocking
    ///
    /// While the pipe is full, at most until the watchdog kills the process.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Ended`] or [`ProcessError::Overdue`] when it does not read any more.
    pub fn say(&mut self, line: &str) -> Result<(), ProcessError> {
        let written = match &mut self.stdin {
            Some(stdin) => stdin.write_all(format!("{line}\n").as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|_| self.explain_end())
    }

    /// The next line it writes to stdout.
    ///
    /// # Blocking
    ///
    /// Up to `patience`.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Silent`] when none comes; [`ProcessError::Ended`] and [`ProcessError::Overdue`] when none can come any more.
    pub fn hear(&mut self, patience: Duration) -> Result<String, ProcessError> {
        match self.minder.lines().recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Disconnected) => Err(self.explain_end()),
            Err(RecvTimeoutError::Timeout) => Err(ProcessError::Silent {
                name: self.name.clone(),
                patience,
                stderr: self.minder.stderr(),
            }),
        }
    }

    /// Closes its stdin, which asks most programs to end.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// `ESRCH` when it is dead.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&*self.pidfd, signal)
    }

    /// Kills it by SIGKILL, with the children it may have, and reaps it. A process that is dead already is reaped.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for.
    pub fn kill(mut self) -> io::Result<Death> {
        self.end()
    }

    /// Waits until it ends by itself.
    ///
    /// # Blocking
    ///
    /// Until its deadline at most.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Ended`] when it did not end well; [`ProcessError::Overdue`] when the watchdog had to kill it.
    pub fn finish(mut self) -> Result<(), ProcessError> {
        self.close_stdin();
        match self.explain_end() {
            ProcessError::Ended {
                status: Some(status), ..
            } if status.success() => Ok(()),
            other => Err(other),
        }
    }

    /// Waits for the end and says how it came.
    fn explain_end(&mut self) -> ProcessError {
        let status = self.reap().ok();
        let (name, stderr) = (self.name.clone(), self.minder.stderr());
        match self.minder.is_overdue() {
            true => ProcessError::Overdue { name, stderr },
            false => ProcessError::Ended { name, status, stderr },
        }
    }

    fn end(&mut self) -> io::Result<Death> {
        // It fails only if the process is dead.
        let _ = self.signal(Signal::KILL);
        self.wait_for_death()?;
        let detectable_ns = now_ns();
        self.reap()?;
        Ok(Death { detectable_ns })
    }

    /// Waits until the process is dead, at most until the watchdog kills it.
    fn wait_for_death(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        retry_on_intr(|| poll(&mut fds, None))?;
        Ok(())
    }

    /// Waits until the process is dead, kills what is left of its group and takes its status.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        if !self.is_reaped {
            self.wait_for_death()?;
            // The group's number is not given to others before its leader is reaped. It fails only if nobody is left.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let status = self.child.wait()?;
        self.is_reaped = true;
        self.minder.finish();
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Waiting for a child of ours does not fail.
        let _ = self.end();
        if std::thread::panicking() {
            eprintln!("stderr of {}:\n{}", self.name, self.minder.stderr());
        }
    }
}
