//! Signals: those of others are for the program.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, raise, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::error::errno_of;

/// `si_code` of signals that the kernel itself sent: to a whole group of processes, the program's among them.
const FROM_THE_KERNEL: i32 = 0x80;

/// All signals that can be waited for.
#[derive(Debug)]
pub(super) struct Signals {
    fd: SignalFd,
    /// What was blocked before.
    blocked: SigSet,
    /// What came for the program before it was known.
    early: RefCell<Vec<Signal>>,
}

impl Signals {
    /// From now on signals wait here and do nothing by themselves.
    pub(super) fn take_over() -> Result<Self, Errno> {
        let mut all = SigSet::all();
        // Faults of our own end us as they should.
        for fault in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGTRAP,
            Signal::SIGABRT,
        ] {
            all.remove(fault);
        }
        let mut blocked = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut blocked)).map_err(errno_of)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&all, flags).map_err(errno_of)?;
        Ok(Self {
            fd,
            blocked,
            early: RefCell::default(),
        })
    }

    /// The signals that were blocked before.
    pub(super) fn blocked(&self) -> Vec<i32> {
        self.blocked.iter().map(|signal| signal as i32).collect()
    }

    /// Sends on to the program what was sent to this process alone. What a terminal sends, the program gets by itself.
    ///
    /// While no program is known (it may run already, and its supervisor be about to say so) signals that ask for an end end this process,
    /// and others wait for the program.
    pub(super) fn pass_on(&self, program: Option<Pid>) {
        while let Ok(Some(information)) = self.fd.read_signal() {
            let Ok(signal) = Signal::try_from(information.ssi_signo as i32) else {
                continue;
            };
            let asks_for_an_end = signal == Signal::SIGINT || signal == Signal::SIGTERM;
            if program.is_none() && asks_for_an_end {
                die_by(signal as i32);
            } else if information.ssi_code != FROM_THE_KERNEL && signal != Signal::SIGCHLD {
                self.early.borrow_mut().push(signal);
            }
        }
        if let Some(program) = program {
            for signal in self.early.take() {
                let _ = kill(program, signal);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Stops this process as the program was; returns when it goes on.
pub(super) fn stop() {
    let _ = raise(Signal::SIGSTOP);
}

/// Ends this process by a signal, without another core file. Returns what a shell would say if the signal is ignored.
pub(super) fn die_by(signal: i32) -> u8 {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    if let Ok(signal) = Signal::try_from(signal) {
        let mut mask = SigSet::empty();
        mask.add(signal);
        // The standard library ignores some and handles others.
        crate::listener::sys::restore_default(signal as i32);
        let _ = raise(signal);
        let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&mask), None);
    }
    // CAST: signals are below 128.
    128 + (signal as u8 & 0x7f)
}
