//! The wish that a process comes to its end.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// A flag that can be waited for. Clones are the same flag; once raised it stays up.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    /// Readable from the moment the flag is up.
    event: Arc<OwnedFd>,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The flag is up.
    Stop,
    /// What was waited for can be read, or has hung up.
    Readable,
    /// The time has passed.
    TimedOut,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Errno> {
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self {
            flag: Arc::default(),
            event: Arc::new(event),
        })
    }

    /// Raises the flag and wakes who waits.
    pub(crate) fn raise(&self) {
        // ORDERING: Relaxed: the flag carries no data, and waiting goes by the descriptor.
        self.flag.store(true, Ordering::Relaxed);
        // Adding 1 to a counter that is never read fails at 2^64 - 1 only.
        let _ = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
    }

    /// Whether the flag is up.
    pub(crate) fn is_raised(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Waits until the flag is up, at most for `timeout`; tells whether it is.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut fds = [PollFd::new(&*self.event, PollFlags::IN)];
        // An early end of the sleep, by a signal, makes the caller look at its clock once more.
        let _ = poll(&mut fds, Some(&timespec(timeout)));
        self.is_raised()
    }

    /// Waits until `fd` is readable or the flag is up, at most for `timeout`.
    pub(crate) fn wait_readable(&self, fd: impl AsFd, timeout: Option<Duration>) -> Result<Woken, Errno> {
        let timeout = timeout.map(timespec);
        loop {
            let mut fds = [
                PollFd::new(&*self.event, PollFlags::IN),
                PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Ok(Woken::TimedOut),
                Ok(_) if self.is_raised() => return Ok(Woken::Stop),
                Ok(_) => return Ok(Woken::Readable),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // A time beyond the type's range is as good as for ever.
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_flag_ends_every_wait() {
        let stop = Stop::new().unwrap();
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(!stop.wait(Duration::ZERO));
        assert_eq!(
            stop.wait_readable(&reader, Some(Duration::ZERO)),
            Ok(Woken::TimedOut)
        );
        let other = stop.clone();
        let raiser = std::thread::spawn(move || other.raise());
        assert!(stop.wait(Duration::MAX));
        assert_eq!(stop.wait_readable(&reader, None), Ok(Woken::Stop));
        raiser.join().unwrap();
    }

    #[test]
    fn data_and_hang_up_wake_the_reader() {
        let stop = Stop::new().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        assert_eq!(stop.wait_readable(&reader, None), Ok(Woken::Readable));
        rustix::io::read(&reader, &mut [0; 1]).unwrap();
        drop(writer);
        assert_eq!(stop.wait_readable(&reader, None), Ok(Woken::Readable));
    }
}
