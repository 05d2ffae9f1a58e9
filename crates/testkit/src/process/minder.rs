//! The thread that reads what a child process writes, and kills it when it takes too long.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

const READ_BYTES: usize = 4096;

/// What the thread and the owner of the process share.
#[derive(Debug, Default)]
struct Shared {
    stderr: Mutex<Vec<u8>>,
    is_overdue: AtomicBool,
}

/// The thread, which ends when the process is dead and nobody has its stdout and stderr any more.
#[derive(Debug)]
pub(super) struct Minder {
    shared: Arc<Shared>,
    lines: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Minder {
    pub(super) fn start(child: &mut Child, pidfd: Arc<OwnedFd>, deadline: Duration) -> io::Result<Self> {
        let (sender, lines) = channel();
        let shared = Arc::new(Shared::default());
        let streams = Streams {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            process: Some(Arc::clone(&pidfd)),
            line: Vec::new(),
            lines: Some(sender),
            shared: Arc::clone(&shared),
        };
        let started = Instant::now();
        let work = move || streams.mind(&pidfd, started, deadline);
        let thread = Builder::new().name("minder".to_owned()).spawn(work)?;
        Ok(Self {
            shared,
            lines,
            thread: Some(thread),
        })
    }

    /// The lines of its stdout.
    pub(super) fn lines(&self) -> &Receiver<String> {
        &self.lines
    }

    /// What it wrote to stderr so far.
    pub(super) fn stderr(&self) -> String {
        let stderr = self.shared.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&stderr).into_owned()
    }

    /// Whether the process was killed for taking too long.
    pub(super) fn is_overdue(&self) -> bool {
        // ORDERING: Relaxed, the thread was joined, or the caller learned of the end through the channel.
        self.shared.is_overdue.load(Ordering::Relaxed)
    }

    /// Waits until everything the process wrote has been read. It must have ended.
    pub(super) fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself.
            let _ = thread.join();
        }
    }
}

/// What the thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Stdout,
    Stderr,
    Death,
}

/// The ends of the pipes; each goes when the process has closed its own.
struct Streams {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// The process, while it lives.
    process: Option<Arc<OwnedFd>>,
    /// The line that has begun.
    line: Vec<u8>,
    lines: Option<Sender<String>>,
    shared: Arc<Shared>,
}

impl Streams {
    fn mind(mut self, pidfd: &OwnedFd, started: Instant, deadline: Duration) {
        let mut killed = false;
        while self.stdout.is_some() || self.stderr.is_some() || self.process.is_some() {
            let left = deadline.saturating_sub(started.elapsed());
            match self.wait((!killed).then_some(left)) {
                Ok(ready) => ready.into_iter().for_each(|source| self.attend(source)),
                Err(Errno::INTR) => {}
                Err(_) if killed => return,
                Err(_) => {
                    // ORDERING: Relaxed, see `Minder::is_overdue`.
                    self.shared.is_overdue.store(true, Ordering::Relaxed);
                    // It fails only if the process is dead.
                    let _ = pidfd_send_signal(pidfd, Signal::KILL);
                    killed = true;
                }
            }
        }
    }

    /// Waits until there is something to attend to; `ETIMEDOUT` when that took too long.
    fn wait(&self, left: Option<Duration>) -> Result<Vec<Source>, Errno> {
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let stdout = self
            .stdout
            .as_ref()
            .map(|pipe| (Source::Stdout, PollFd::new(pipe, PollFlags::IN)));
        let stderr = self
            .stderr
            .as_ref()
            .map(|pipe| (Source::Stderr, PollFd::new(pipe, PollFlags::IN)));
        let process = self
            .process
            .as_ref()
            .map(|process| (Source::Death, PollFd::new(process, PollFlags::IN)));
        let (sources, mut fds): (Vec<_>, Vec<_>) = [stdout, stderr, process].into_iter().flatten().unzip();
        if poll(&mut fds, timeout.as_ref())? == 0 {
            return Err(Errno::TIMEDOUT);
        }
        let ready = sources
            .into_iter()
            .zip(fds)
            .filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(source, _)| source).collect())
    }

    fn attend(&mut self, source: Source) {
        match source {
            Source::Stdout => {
                let read = read_some(&mut self.stdout);
                self.take_lines(&read);
            }
            Source::Stderr => {
                let read = read_some(&mut self.stderr);
                let mut stderr = self.shared.stderr.lock().unwrap_or_else(PoisonError::into_inner);
                stderr.extend_from_slice(&read);
            }
            Source::Death => self.process = None,
        }
    }

    fn take_lines(&mut self, read: &[u8]) {
        for byte in read {
            match byte {
                b'\n' => self.pass_line(),
                byte => self.line.push(*byte),
            }
        }
        if self.stdout.is_none() {
            if !self.line.is_empty() {
                self.pass_line();
            }
            // Who waits for a line learns that none will come.
            self.lines = None;
        }
    }

    fn pass_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some(lines) = &self.lines {
            // Nobody listens any more when the process is being dropped.
            let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

/// Reads once; the end of a pipe takes it away.
fn read_some<R: Read>(pipe: &mut Option<R>) -> Vec<u8> {
    let mut buffer = [0; READ_BYTES];
    let bytes = pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut buffer));
    match bytes {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Vec::new(),
        Ok(0) | Err(_) => {
            *pipe = None;
            Vec::new()
        }
        Ok(bytes) => buffer[..bytes].to_vec(),
    }
}
