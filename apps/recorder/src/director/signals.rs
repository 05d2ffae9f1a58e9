//! Signals that end the run, as something that can be waited for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Becomes readable when one of some signals has come. The signals do nothing else any more.
#[derive(Debug)]
pub(super) struct Signals {
    arrived: UnixStream,
}

impl Signals {
    /// What a service manager or a closing terminal sends.
    pub(super) fn of_the_system() -> io::Result<Self> {
        Self::of(&[SIGTERM, SIGHUP])
    }

    /// What Ctrl-C sends.
    pub(super) fn of_the_user() -> io::Result<Self> {
        Self::of(&[SIGINT])
    }

    fn of(signals: &[i32]) -> io::Result<Self> {
        let (arrived, send) = UnixStream::pair()?;
        arrived.set_nonblocking(true)?;
        for &signal in signals {
            pipe::register(signal, send.try_clone()?)?;
        }
        Ok(Self { arrived })
    }

    /// Whether a signal has come since the last call.
    pub(super) fn take(&mut self) -> bool {
        let mut buffer = [0; 64];
        let mut any = false;
        while matches!(self.arrived.read(&mut buffer), Ok(1..)) {
            any = true;
        }
        any
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}
