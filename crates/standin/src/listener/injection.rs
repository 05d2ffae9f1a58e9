//! Having the caller make another call than the one it made.
//!
//! A supervisor can answer a call but not make it in the caller's place, and what a program maps must be mapped by itself. So the
//! caller is traced for that moment: it is seized while it waits for its answer, stops on its way back, makes the calls it is given
//! with all signals held off, and goes on with a result as if they were its own one. Nobody is traced before or after that, so that nothing
//! else gets slower and debuggers work, but for programs under a debugger at that moment, whose call fails.
//!
//! A supervisor that dies meanwhile takes the program along, which would go on with a wrong result.
//!
//! References: `ptrace(2)`.

use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use parking_lot::Mutex;
use rustix::io::Errno;

use super::status::Status;
use super::sys::{self, Notification};
use crate::error::errno_of;

/// Held by who waits for changes of any traced or own process: they would take each other's.
pub(crate) static WAITING: Mutex<()> = Mutex::new(());

/// `AUDIT_ARCH_X86_64`: the only way into the kernel for which the registers are known here.
const KNOWN_ENTRY: u32 = 0xc000_003e;
/// `syscall`.
const INSTRUCTION: u64 = 2;
/// All signals that can be held off.
const ALL_SIGNALS: u64 = u64::MAX;

/// A call with its arguments.
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) arguments: [u64; 6],
}

impl Call {
    pub(crate) fn new(number: i64, arguments: [u64; 6]) -> Self {
        Self {
            // CAST: numbers of calls are small and positive.
            number: number as u64,
            arguments,
        }
    }
}

/// What a call returns that fails.
pub(crate) fn failure(errno: Errno) -> u64 {
    // CAST: errors are small and negative there.
    i64::from(-errno.raw_os_error()) as u64
}

/// Whether a call failed that returned this.
pub(crate) fn is_failure(result: u64) -> bool {
    result > u64::MAX - 4095
}

/// Whether the caller of this can be made to make other calls.
pub(crate) fn is_possible(notification: &Notification) -> bool {
    cfg!(target_arch = "x86_64") && notification.data.arch == KNOWN_ENTRY
}

/// A caller that stops before it goes on.
pub(crate) struct Seized {
    thread: Pid,
    _waiting: parking_lot::MutexGuard<'static, ()>,
}

impl Seized {
    /// Seizes the caller. It must be answered after this, and then be made to [act](Seized::act).
    ///
    /// # Errors
    /// `EPERM`: somebody else traces it; `ESRCH`: it is gone.
    pub(crate) fn seize(thread: u32) -> Result<Self, Errno> {
        // CAST: process numbers are positive ints.
        let thread = Pid::from_raw(thread as i32);
        let waiting = WAITING.lock();
        let options = Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD;
        ptrace::seize(thread, options).map_err(errno_of)?;
        let seized = Self {
            thread,
            _waiting: waiting,
        };
        // Fails only if it is dying, which is found out when it is waited for.
        let _ = ptrace::interrupt(thread);
        Ok(seized)
    }

    /// Waits until it has stopped; `None` when it has died.
    fn wait(&self) -> Option<WaitStatus> {
        let any = WaitPidFlag::WSTOPPED | WaitPidFlag::__WALL;
        loop {
            // First without taking it: the death of a child of ours is for others to hear of.
            let looking = any | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            match waitid(Id::Pid(self.thread), looking) {
                Err(nix::Error::EINTR) => {}
                Err(_) => return None,
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {
                    self.bury();
                    return None;
                }
                Ok(_) => match waitid(Id::Pid(self.thread), any | WaitPidFlag::WNOHANG) {
                    Ok(WaitStatus::StillAlive) | Err(_) => {}
                    Ok(status) => return Some(status),
                },
            }
        }
    }

    /// A thread that dies while it is traced waits for its tracer; if it is a process of ours somebody else waits for it.
    fn bury(&self) {
        let thread = self.thread.as_raw().unsigned_abs();
        let is_child = Status::of(thread).is_some_and(|status| {
            status.number("PPid") == Some(std::process::id()) && status.number("Tgid") == Some(thread)
        });
        if !is_child {
            let dead = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
            let _ = waitid(Id::Pid(self.thread), dead);
        }
    }
}

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "nobody is made to call anything there")
)]
/// A caller that has stopped, and makes the calls it is given.
pub(crate) struct Stopped<'a> {
    seized: &'a Seized,
    before: libc::user_regs_struct,
}

#[cfg(target_arch = "x86_64")]
impl Seized {
    /// Has it make the calls of `script` after the answer 0 it got, and go on with what that returns; `None` when it dies meanwhile.
    pub(crate) fn act(self, script: impl FnOnce(&Stopped<'_>) -> Option<u64>) {
        if self.wait().is_none() || self.make(script).is_none() {
            // It is dying.
            return;
        }
        let _ = ptrace::detach(self.thread, None);
    }

    fn make(&self, script: impl FnOnce(&Stopped<'_>) -> Option<u64>) -> Option<()> {
        let before = ptrace::getregs(self.thread).ok()?;
        let held_off = sys::blocked_signals(self.thread.as_raw()).ok()?;
        sys::block_signals(self.thread.as_raw(), ALL_SIGNALS).ok()?;
        let seized = self;
        let result = script(&Stopped { seized, before })?;
        let mut after = before;
        after.rax = result;
        // What came before is no call to begin again.
        after.orig_rax = u64::MAX;
        ptrace::setregs(self.thread, after).ok()?;
        sys::block_signals(self.thread.as_raw(), held_off).ok()
    }
}

#[cfg(target_arch = "x86_64")]
impl Stopped<'_> {
    /// Goes back to the instruction that entered the kernel, and through it. Returns what the kernel says; `None` when the thread dies.
    pub(crate) fn call(&self, call: &Call) -> Option<u64> {
        let (before, thread) = (&self.before, self.seized.thread);
        let mut registers = *before;
        registers.rip = before.rip.wrapping_sub(INSTRUCTION);
        registers.orig_rax = u64::MAX;
        registers.rax = call.number;
        let [rdi, rsi, rdx, r10, r8, r9] = call.arguments;
        (registers.rdi, registers.rsi, registers.rdx) = (rdi, rsi, rdx);
        (registers.r10, registers.r8, registers.r9) = (r10, r8, r9);
        ptrace::setregs(thread, registers).ok()?;
        // It stops when it enters and when it leaves.
        let mut stops = 0;
        while stops < 2 {
            ptrace::syscall(thread, None).ok()?;
            if matches!(self.seized.wait()?, WaitStatus::PtraceSyscall(_)) {
                stops += 1;
            }
        }
        Some(ptrace::getregs(thread).ok()?.rax)
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Seized {
    /// Is not asked for where [`is_possible`] says no.
    pub(crate) fn act(self, _script: impl FnOnce(&Stopped<'_>) -> Option<u64>) {
        if self.wait().is_some() {
            let _ = ptrace::detach(self.thread, None);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Stopped<'_> {
    /// As above.
    pub(crate) fn call(&self, _call: &Call) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_the_last_numbers() {
        assert!(is_failure(failure(Errno::NOMEM)));
        assert!(is_failure(u64::MAX - 4094));
        assert!(!is_failure(u64::MAX - 4095) && !is_failure(0x7fff_ffff_f000));
    }
}
