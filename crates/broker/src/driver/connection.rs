//! One peer: its socket, its process, what it sends and what it is to be sent.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_linux::{Pid, PidFd};
use wharf_protocol::BrokerError;
use wharf_protocol::codec::Decoder;
use wharf_protocol::transport::Socket;

use super::descriptors::{Descriptor, Kept, Shared};
use super::disposal::{Disposal, ForeignFd};
use super::input;
use super::output::Output;
use super::system_error;
use crate::state::Credentials;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Arc<Socket>,
    pub(super) uid: u32,
    pub(super) process: Shared,
    pub(super) decoder: Decoder<ForeignFd>,
    pub(super) output: Output,
    pub(super) stage: Stage,
    /// It has sent something.
    pub(super) has_spoken: bool,
    /// It is served in the next round: there may be a message of it.
    pub(super) is_queued: bool,
    /// Something waits for room in the socket.
    pub(super) wants_room: bool,
    /// What the loop looks for at the socket.
    pub(super) watched: EventFlags,
    /// Descriptors of its next call that needs some could not be received.
    pub(super) fds_lost: bool,
    /// Becomes true when a thread is done reading what came with these descriptors.
    pub(super) reading_elsewhere: Option<Arc<AtomicBool>>,
}

/// How a connection stands with the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its messages are served.
    Open,
    /// Its current call waits for a seal or a move; the ones after it wait too.
    Waiting,
    /// It is over, and the state machine is about to hear of it.
    Broken,
}

impl Connection {
    /// Takes note of who is at the other end of `socket`. Without an error, nobody is any more.
    pub(super) fn open(
        socket: Arc<Socket>,
        released: &Disposal,
    ) -> Result<(Self, Credentials), (Arc<Socket>, Option<BrokerError>)> {
        let (process, credentials) = match identify(&socket) {
            Ok(Some(identified)) => identified,
            Ok(None) => return Err((socket, None)),
            Err(error) => return Err((socket, Some(error))),
        };
        let connection = Self {
            socket,
            uid: credentials.uid,
            process: Shared::new(Kept::new(Descriptor::Process(process), released)),
            decoder: Decoder::for_calls(),
            output: Output::default(),
            stage: Stage::Open,
            has_spoken: false,
            is_queued: false,
            wants_room: false,
            watched: EventFlags::IN,
            fds_lost: false,
            reading_elsewhere: None,
        };
        Ok((connection, credentials))
    }

    /// Whether what it sends is of interest now. What is not read waits in its socket, and in the end makes it wait too.
    pub(super) fn is_heard(&self) -> bool {
        self.stage == Stage::Open && self.output.is_empty() && self.reading_elsewhere.is_none()
    }

    /// Takes note if a thread that read for this connection is done.
    pub(super) fn is_read_elsewhere(&mut self) -> bool {
        // ORDERING: Acquire, pairs with the Release of the thread that has read.
        let is_done = |done: &Arc<AtomicBool>| done.load(Ordering::Acquire);
        if self.reading_elsewhere.as_ref().is_some_and(is_done) {
            self.reading_elsewhere = None;
        }
        self.reading_elsewhere.is_some()
    }

    /// Hangs up. What cannot be closed without waiting is closed elsewhere.
    pub(super) fn close(self, foreign: &Disposal) {
        if self.reading_elsewhere.is_some() {
            self.socket.shut_down();
            foreign.dispose(self.uid, self.socket);
        } else {
            input::close(self.socket, self.uid, foreign);
        }
    }

    /// What the loop should look for at the socket. It tells of a hang-up in any case.
    pub(super) fn interest(&self) -> EventFlags {
        let input = if self.is_heard() {
            EventFlags::IN
        } else {
            EventFlags::empty()
        };
        let output = if self.wants_room {
            EventFlags::OUT
        } else {
            EventFlags::empty()
        };
        input | output
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Finds out whose socket it is, and gets hold of that process. `None` if it is dead.
fn identify(socket: &Socket) -> Result<Option<(PidFd, Credentials)>, BrokerError> {
    let credentials = socket
        .peer_credentials()
        .map_err(|error| system_error(error.errno(), "asking for the caller's identity"))?;
    let Some(pid) = credentials.pid else {
        return Err(BrokerError::ProtocolViolation {
            reason:
                "the caller's process is outside the broker's pid namespace: its death could not be noticed"
                    .to_owned(),
        });
    };
    let process = match PidFd::open(pid) {
        Ok(process) => process,
        Err(error) if error.errno() == rustix::io::Errno::SRCH => return Ok(None),
        Err(error) => return Err(system_error(error.errno(), "watching the caller's process")),
    };
    // Had the process died before it was opened, its number could be another's by now; but then its socket would have
    // hung up, unless it has left a copy to somebody.
    if has_hung_up(socket) {
        return Ok(None);
    }
    let pid = u32::try_from(Pid::as_raw(Some(pid))).unwrap_or(0);
    Ok(Some((
        process,
        Credentials {
            pid,
            uid: credentials.uid,
        },
    )))
}

fn has_hung_up(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::empty())];
    let no_wait = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&no_wait)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}
