//! Counts the system calls of a process from outside, with ptrace: no rights are needed for a child, and a process that makes none is
//! not slowed down.

use crate::Outcome;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Linux's number of the call that is used as a mark; nobody else makes it.
#[cfg(target_arch = "x86_64")]
const MARK: u64 = 110;
/// The call with which a producer waits for its next frame to be due: not the hand-over's.
#[cfg(target_arch = "x86_64")]
const CLOCK_NANOSLEEP: u64 = 230;

/// Begins or ends the stretch that is counted.
pub(crate) fn mark() {
    let _ = rustix::process::getppid();
}

/// Counts what `child` calls between two marks, waiting for its next frame left out. To be called before the first mark; returns after the second.
/// `ready` is called once nothing can be missed.
#[cfg(target_arch = "x86_64")]
pub(crate) fn count(child: u32, ready: impl FnOnce() -> Outcome<()>) -> Outcome<u64> {
    let pid = Pid::from_raw(i32::try_from(child)?);
    ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(pid)?;
    waitpid(pid, None)?;
    ptrace::syscall(pid, None)?;
    ready()?;
    let (mut marks, mut calls) = (0, 0);
    while marks < 2 {
        match entered(pid)? {
            Some(MARK) => marks += 1,
            Some(CLOCK_NANOSLEEP) | None => {}
            Some(_) => calls += marks,
        }
        if marks < 2 {
            ptrace::syscall(pid, None)?;
        }
    }
    ptrace::detach(pid, None)?;
    Ok(calls)
}

/// Waits for the next stop; the number of the call if one begins.
#[cfg(target_arch = "x86_64")]
fn entered(pid: Pid) -> Outcome<Option<u64>> {
    match waitpid(pid, None)? {
        WaitStatus::PtraceSyscall(_) => {
            let registers = ptrace::getregs(pid)?;
            // The result is preset to ENOSYS where a call begins.
            let begins = registers.rax.cast_signed() == -i64::from(nix::errno::Errno::ENOSYS as i32);
            Ok(begins.then_some(registers.orig_rax))
        }
        WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => {
            Err(format!("the traced process was stopped by {signal:?}").into())
        }
        WaitStatus::Exited(..) | WaitStatus::Signaled(..) => Err("the traced process ended".into()),
        _ => Ok(None),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn count(_: u32, _: impl FnOnce() -> Outcome<()>) -> Outcome<u64> {
    Err("system calls are counted on x86-64 only".into())
}
