//! The process that the shell sees.
//!
//! It ends as the program ends, passes signals on that are meant for the program, stops when the program is stopped, and answers the
//! program's calls itself when the supervisor dies.

mod signals;
mod takeover;

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::devices::FileId;
use crate::error::RunError;
use crate::launch::{Channel, Device, Orders, Part, Report, start};
use crate::options::Options;
use crate::supervisor::InFlight;
use signals::Signals;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl Ending {
    /// Ends this process in the same way: returns the exit code to end with, or does not return.
    #[must_use]
    pub fn imitate(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => signals::die_by(signal),
        }
    }
}

/// What is known of the program.
#[derive(Debug)]
struct Program {
    pid: Pid,
    listener: OwnedFd,
    devices: Vec<(FileId, Device)>,
}

/// Runs `program`, its name and its arguments, and waits for its end.
///
/// This process must have one thread: it takes over all signals, and starts its own executable again for the other parts of the run (see
/// [`play`](crate::play)).
///
/// # Errors
/// [`RunError`]: there is no program. Everything that happens later is the program's own affair.
pub fn run(program: &[OsString], options: &Options) -> Result<Ending, RunError> {
    let failed = |errno: Errno| RunError::setup("prepare the run", errno);
    options.check()?;
    let signals = Signals::take_over().map_err(failed)?;
    // Orphans of the supervisor come here: the program among them.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(failed)?;
    let in_flight = InFlight::create().map_err(failed)?;
    let (supervisor, its_end) = Channel::pair().map_err(failed)?;
    let orders = Orders {
        options: options.clone(),
        broker: None,
        blocked: signals.blocked(),
        in_flight: Some(std::os::fd::AsRawFd::as_raw_fd(in_flight.file())),
    };
    let child = start(
        Part::Supervisor,
        &orders,
        program,
        (&its_end, &[in_flight.file()]),
    )?;
    drop(its_end);
    Guardian {
        signals,
        supervisor,
        child,
        in_flight,
        program: None,
    }
    .guard(program, options)
}

#[derive(Debug)]
struct Guardian {
    signals: Signals,
    supervisor: Channel,
    child: Child,
    in_flight: InFlight,
    program: Option<Program>,
}

impl Guardian {
    fn guard(mut self, command: &[OsString], options: &Options) -> Result<Ending, RunError> {
        loop {
            let mut fds = [
                PollFd::new(&self.supervisor, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            ];
            if poll(&mut fds, None).is_err() {
                continue;
            }
            let (reported, signaled) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if reported {
                match self.supervisor.receive() {
                    Ok(Some((report, fds))) => {
                        if let Some(ending) = self.hear(report, fds)? {
                            return Ok(ending);
                        }
                    }
                    _ => return self.replace_supervisor(command, options),
                }
            }
            if signaled {
                self.signals
                    .pass_on(self.program.as_ref().map(|program| program.pid));
                self.bury_strangers();
            }
        }
    }

    fn hear(&mut self, report: Report, mut fds: Vec<OwnedFd>) -> Result<Option<Ending>, RunError> {
        match report {
            Report::Started { pid, devices } => {
                if let Some(listener) = fds.pop() {
                    let pid = Pid::from_raw(pid);
                    self.program = Some(Program {
                        pid,
                        listener,
                        devices,
                    });
                    self.signals.pass_on(Some(pid));
                }
                Ok(None)
            }
            Report::Failed(failure) => Err(failure.into()),
            other => Ok(ending(&other).or_else(|| {
                self.stop_too();
                None
            })),
        }
    }

    /// Stops until somebody has this process go on; the program does then, too.
    fn stop_too(&self) {
        signals::stop();
        if let Some(program) = &self.program {
            let _ = nix::sys::signal::kill(program.pid, nix::sys::signal::Signal::SIGCONT);
        }
    }

    /// Reaps orphans of the program. The supervisor's end is seen when its end of the channel is closed.
    fn bury_strangers(&self) {
        let dead = || waitpid(None, Some(WaitPidFlag::WNOHANG));
        while dead().is_ok_and(|status| status.pid().is_some()) {}
    }

    fn replace_supervisor(mut self, command: &[OsString], options: &Options) -> Result<Ending, RunError> {
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(_) => "it was killed".to_owned(),
        };
        let Some(program) = self.program.take() else {
            return Err(RunError::Supervisor { how });
        };
        eprintln!("wharf: the supervisor ended ({how}); its calls are answered from here on");
        if options.check_coherency {
            eprintln!(
                "wharf: coherency: checking has ended with the supervisor, and with it all that moved between the CPU and the card in buffers of \
                 before; nothing is told of this run"
            );
        }
        let ending = takeover::take_over(program, &self.signals, (&self.in_flight, options, command))?;
        // What was not checked to the end has not passed.
        Ok(match (ending, options.coherency_exit) {
            (Ending::Exited(0), Some(code)) => Ending::Exited(code),
            _ => ending,
        })
    }
}

/// The end that a report tells of.
fn ending(report: &Report) -> Option<Ending> {
    match report {
        // CAST: the kernel keeps 8 bits of an exit code.
        Report::Exited { code } => Some(Ending::Exited(*code as u8)),
        Report::Killed { signal } => Some(Ending::Killed(*signal)),
        _ => None,
    }
}

/// What became of a child of this process.
fn ending_of(status: WaitStatus) -> Option<Ending> {
    crate::supervisor::report(status).and_then(|report| ending(&report))
}
