//! Answering in place of a supervisor that died.
//!
//! Calls that it had received fail with `EINTR`, as calls do that a signal interrupts. Buffers are recognised by their memory; their
//! fences are lost with the supervisor, and count as signaled. New memory comes from a broker as before.
//!
//! Buffers that were files of the supervisor's are lost as such: calls on them fail with `ENOTCONN`, mappings stay. New ones are files of
//! this process's.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::io::Errno;

use super::signals::{Signals, stop};
use super::{Ending, Program, ending_of};
use crate::error::RunError;
use crate::files::Descriptors;
use crate::listener::injection::WAITING;
use crate::listener::sys::{Reply, reply};
use crate::memory::Source;
use crate::options::Options;
use crate::supervisor::{Broker, InFlight, answer_in_a_thread, keep, label, listener, report};

/// Answers the program's calls until it ends.
pub(super) fn take_over(
    program: Program,
    signals: &Signals,
    (in_flight, options, command): (&InFlight, &Options, &[OsString]),
) -> Result<Ending, RunError> {
    let failed = |errno: Errno| RunError::setup("take over from the supervisor", errno);
    for id in in_flight.read() {
        // Those that were answered are unknown by now.
        let _ = reply(program.listener.as_fd(), id, Reply::Error(Errno::INTR));
    }
    let broker = Broker::find(options);
    // Without a broker allocations fail, and all else works.
    let socket = broker
        .as_ref()
        .map_or_else(|_| PathBuf::new(), |broker| broker.socket.clone());
    let source = Source::new(socket, label(command), None);
    let parts = (program.listener, InFlight::create().map_err(failed)?);
    let descriptors = |objects: &_, releases: &_| Ok(Descriptors::again(options.fd_kind, objects, releases));
    let listener = Arc::new(listener(parts, program.devices, (source, descriptors), true)?);
    answer_in_a_thread(&listener)?;
    let mut ending = ended(program.pid);
    if ending.is_none() {
        keep(&listener, &[signals.as_fd()], |_| {
            signals.pass_on(Some(program.pid));
            ending = ended(program.pid);
            ending.is_none()
        });
    }
    Ok(ending.unwrap_or_else(|| wait(program.pid)))
}

/// How the program ended, if it has; stops with it if it was stopped. Other orphans are reaped.
fn ended(program: Pid) -> Option<Ending> {
    let _not_of_traced = WAITING.lock();
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED;
    while let Ok(status) = waitpid(None, Some(flags)) {
        let of = status.pid()?;
        if of != program {
            continue;
        }
        if let Some(ending) = ending_of(status) {
            return Some(ending);
        }
        if report(status).is_some() {
            stop();
            let _ = kill(program, Signal::SIGCONT);
        }
    }
    None
}

/// Waits for the end of a program that has let go of the filter.
fn wait(program: Pid) -> Ending {
    loop {
        match waitpid(program, None) {
            Ok(status) => {
                if let Some(ending) = ending_of(status) {
                    return ending;
                }
            }
            Err(_) => return Ending::Killed(Signal::SIGKILL as i32),
        }
    }
}
