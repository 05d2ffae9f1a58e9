//! The program: from its start to its end.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::io::Errno;

use super::conclusion::Conclusion;
use super::{Broker, InFlight, keep, listener};
use crate::error::{RunError, errno_of};
use crate::files::Descriptors;
use crate::launch::{Channel, Orders, Part, Report, StageReport, start as start_part};
use crate::listener::Listener;
use crate::listener::injection::WAITING;
use crate::listener::task::{nowhere, try_to_look_at};
use crate::memory::Source;

/// A program that runs.
#[derive(Debug)]
pub(super) struct Running {
    pid: Pid,
    child: Child,
    listener: Arc<Listener>,
    children: SignalFd,
    conclusion: Conclusion,
    _broker: Broker,
}

/// Starts the program. When this returns it is running, or has told why not.
pub(super) fn start(
    guardian: &Channel,
    in_flight: OwnedFd,
    orders: &Orders,
    program: &[OsString],
) -> Result<Running, RunError> {
    let failed = |errno: Errno| RunError::setup("prepare supervision", errno);
    let mut deaths = SigSet::empty();
    deaths.add(Signal::SIGCHLD);
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let children = SignalFd::with_flags(&deaths, flags).map_err(|error| failed(errno_of(error)))?;
    let broker = Broker::find(&orders.options)?;
    let (stage, its_end) = Channel::pair().map_err(failed)?;
    let orders = Orders {
        broker: Some(broker.socket.clone()),
        in_flight: None,
        ..orders.clone()
    };
    let child = start_part(Part::Stage, &orders, program, (&its_end, &[]))?;
    drop(its_end);
    // CAST: process numbers are positive ints.
    let pid = Pid::from_raw(child.id() as i32);
    let (devices, mut fds) = match stage.receive().map_err(failed)? {
        Some((StageReport::Ready { devices }, fds)) => (devices, fds),
        Some((StageReport::Failed(failure), _)) => return Err(failure.into()),
        None => {
            return Err(RunError::Supervisor {
                how: "the program's process ended".to_owned(),
            });
        }
    };
    try_to_look_at(child.id()).map_err(|errno| RunError::Setup {
        reason: format!(
            "cannot look at the program's descriptors: {errno}; a container must allow pidfd_getfd (in Docker CAP_SYS_PTRACE does, or \
             another seccomp profile; see docs/ci.md)"
        ),
        errno,
    })?;
    let connection = (fds.len() > 1).then(|| fds.pop()).flatten();
    let fd = fds.pop().ok_or_else(|| failed(Errno::PROTO))?;
    let for_guardian = fd
        .try_clone()
        .map_err(|error| RunError::io("prepare supervision", &error))?;
    let source = Source::new(broker.socket.clone(), label(program), connection);
    let descriptors = |objects: &_, releases: &_| Descriptors::new(orders.options.fd_kind, objects, releases);
    let fds = (fd, InFlight::from(in_flight));
    let mut listener = listener(fds, devices.clone(), (source, descriptors), false)?;
    if orders.options.check_coherency {
        listener.check_coherency();
    }
    let listener = Arc::new(listener);
    answer_in_a_thread(&listener)?;
    // Before the program begins: whatever happens to this process from then on, somebody answers.
    let told = Report::Started {
        pid: pid.as_raw(),
        devices,
    };
    guardian.send(&told, &[for_guardian.as_fd()]).map_err(failed)?;
    stage.send(&(), &[]).map_err(failed)?;
    // It is closed by the program's start.
    if let Some((StageReport::Failed(failure), _)) = stage.receive().map_err(failed)? {
        return Err(failure.into());
    }
    Ok(Running {
        pid,
        child,
        conclusion: Conclusion::new(&listener, &orders.options),
        listener,
        children,
        _broker: broker,
    })
}

/// Starts the thread that answers.
pub(crate) fn answer_in_a_thread(listener: &Arc<Listener>) -> Result<(), RunError> {
    let listener = Arc::clone(listener);
    let started = thread::Builder::new()
        .name("answers".to_owned())
        .spawn(move || listener.serve());
    started
        .map(drop)
        .map_err(|error| RunError::io("start a thread", &error))
}

/// What listings call the program: the last part of its path, within what a label may be.
pub(crate) fn label(program: &[OsString]) -> String {
    let path = program
        .first()
        .map(|program| program.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let label: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(15)
        .collect();
    if label.is_empty() {
        "program".to_owned()
    } else {
        label
    }
}

impl Running {
    /// Attends to it until nothing of it is left, and tells the guardian what becomes of it.
    pub(super) fn attend(self, guardian: &Channel) {
        let Self {
            pid,
            child,
            listener,
            children,
            conclusion,
            _broker,
        } = self;
        // What is piped through the program must not wait for us.
        redirect(&[0, 1]);
        let mut is_over = false;
        let watched = [children.as_fd(), guardian.as_fd()];
        keep(&listener, &watched, |ready| {
            if ready == 0 {
                while matches!(children.read_signal(), Ok(Some(_))) {}
                is_over = report_changes(pid, guardian, &conclusion);
            } else {
                // The guardian is gone: its killer meant the program.
                let _ = kill(pid, Signal::SIGKILL);
                is_over = true;
            }
            !is_over
        });
        if is_over {
            // The program's children may still need answers. The guardian's end is not news any more, and would be told of for ever.
            keep(&listener, &[], |_| true);
        } else {
            wait_for_end(pid, guardian, &conclusion);
        }
        drop(child);
    }
}

/// Tells what became of the program; tells whether it has ended.
fn report_changes(pid: Pid, guardian: &Channel, conclusion: &Conclusion) -> bool {
    let _not_of_traced = WAITING.lock();
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED;
    loop {
        let Ok(status) = waitpid(pid, Some(flags)) else {
            return true;
        };
        let Some(report) = report(status) else {
            return false;
        };
        let is_over = !matches!(report, Report::Stopped { .. });
        let _ = guardian.send(&conclusion.of(report), &[]);
        if is_over {
            // Nobody waits for us any more.
            redirect(&[2]);
            return true;
        }
    }
}

/// The program has let go of the filter, which it does on its way out.
fn wait_for_end(pid: Pid, guardian: &Channel, conclusion: &Conclusion) {
    while let Ok(status) = waitpid(pid, None) {
        if let Some(report) = report(status) {
            let _ = guardian.send(&conclusion.of(report), &[]);
            return;
        }
    }
}

/// What the kernel said of the program, for the guardian.
pub(crate) fn report(status: WaitStatus) -> Option<Report> {
    match status {
        WaitStatus::Exited(_, code) => Some(Report::Exited { code }),
        WaitStatus::Signaled(_, signal, _) => Some(Report::Killed {
            signal: signal as i32,
        }),
        WaitStatus::Stopped(_, signal) => Some(Report::Stopped {
            signal: signal as i32,
        }),
        _ => None,
    }
}

/// Lets go of what these descriptors were.
fn redirect(numbers: &[i32]) {
    let Ok(nowhere) = nowhere() else {
        return;
    };
    for number in numbers {
        let _ = match number {
            0 => rustix::stdio::dup2_stdin(&nowhere),
            1 => rustix::stdio::dup2_stdout(&nowhere),
            _ => rustix::stdio::dup2_stderr(&nowhere),
        };
    }
}
