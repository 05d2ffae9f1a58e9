//! Makes one call at a time and waits for its answer.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::de::IgnoredAny;

use super::deadline::Deadline;
use super::error::{CallError, ConnectError, SocketError};
use super::socket::Socket;
use crate::codec::{Decoder, Message, ReplyError, decode_reply, encode_call};
use crate::limits::MAX_REPLY_FDS;
use crate::{Call, Method};

/// How much is read at once, in bytes. Most replies fit.
const READ_BYTES: usize = 4096;

/// A connection to the broker that makes one call at a time.
///
/// Its file descriptor (`AsFd`) can be polled for hang-up between calls.
///
/// # Invariants
///
/// Answers come in the order of the calls. `owed` has the methods of those still to come, so that the answer to a call whose
/// caller gave up is not taken for the answer to the next one.
#[derive(Debug)]
pub struct BlockingClient {
    socket: Socket,
    decoder: Decoder<OwnedFd>,
    /// The end of the last call, if its caller gave up before all of it was written.
    unsent: Vec<u8>,
    owed: VecDeque<&'static str>,
    late: Vec<LateAnswer>,
    broken: bool,
}

/// An answer that came after its caller had given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateAnswer {
    /// The method called.
    pub method: &'static str,
    /// The answer, for [`decode_reply`]. The descriptors that came with it are closed.
    pub message: Vec<u8>,
}

/// Why an exchange stopped, before it is known which method it is about.
#[derive(Debug)]
enum Stop {
    Timeout,
    Gone,
    Protocol(String),
    DescriptorsLost(Vec<u8>),
    Os(Errno),
}

impl BlockingClient {
    /// Connects to the broker at `path`.
    ///
    /// # Blocking
    ///
    /// While the broker's queue of connections is full, up to `deadline`.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub fn connect(path: &Path, deadline: Duration) -> Result<Self, ConnectError> {
        Socket::connect(path, deadline).map(Self::new)
    }

    /// Uses a socket that is already connected to a broker.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            decoder: Decoder::for_replies(),
            unsent: Vec::new(),
            owed: VecDeque::new(),
            late: Vec::new(),
            broken: false,
        }
    }

    /// Makes a call and returns its reply with the descriptors that came with it. How many must come is for the
    /// caller to check.
    ///
    /// # Blocking
    ///
    /// Until the broker has answered, up to `deadline`.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. After `Timeout`, `Broker` and `DescriptorsLost` the connection is as good as before, unless the
    /// `Broker` error was the reason for it to hang up; after that, after `BrokerGone` and where the broker's bytes make no sense, every further call gives `BrokerGone`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use std::time::Duration;
    /// use wharf_protocol::transport::BlockingClient;
    /// use wharf_protocol::{AllocateBuffers, Register};
    ///
    /// let patience = Duration::from_secs(5);
    /// let mut client = BlockingClient::connect(Path::new("/run/user/1000/wharf-0"), patience)?;
    /// client.call(Register { label: "camera".to_owned() }, &[], patience)?;
    ///
    /// let request = AllocateBuffers { name: "preview".to_owned(), size_bytes: 8 << 20, count: 4 };
    /// let (reply, buffers) = client.call(request, &[], patience)?;
    /// assert_eq!(buffers.len(), 4);
    /// println!("{} with buffers of {} bytes", reply.set, reply.size_bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call<M: Method>(
        &mut self,
        parameters: M,
        fds: &[BorrowedFd<'_>],
        deadline: Duration,
    ) -> Result<(M::Reply, Vec<OwnedFd>), CallError> {
        let method = M::NAME;
        let message = self.exchange(&parameters.into(), fds, deadline)?;
        match decode_reply(&message.bytes) {
            Ok(reply) => Ok((reply, message.fds)),
            Err(ReplyError::Broker(error)) => Err(error.into()),
            Err(other) => {
                self.hang_up();
                Err(CallError::Protocol {
                    method,
                    reason: other.to_string(),
                })
            }
        }
    }

    /// The answers read since this was last asked to calls that were given up before: what they granted is to be given back.
    pub fn take_late(&mut self) -> Vec<LateAnswer> {
        std::mem::take(&mut self.late)
    }

    /// Gives the connection up, so that the broker ends the session now and not when the last user of it is dropped.
    fn hang_up(&mut self) {
        self.broken = true;
        self.socket.shut_down();
    }

    /// Sends a call and waits for its answer, whatever it is.
    fn exchange(
        &mut self,
        call: &Call,
        fds: &[BorrowedFd<'_>],
        deadline: Duration,
    ) -> Result<Message<OwnedFd>, CallError> {
        let method = call.method();
        let message = encode_call(call).map_err(|source| CallError::Unsendable { method, source })?;
        if self.broken {
            return Err(CallError::BrokerGone { method });
        }
        let until = Deadline::after(deadline);
        let outcome = match self.send((method, message), fds, until) {
            Ok(()) => self.receive(until),
            Err(Stop::Gone) => {
                let parting = self.parting_error(until).ok_or(Stop::Gone);
                self.hang_up();
                parting
            }
            Err(stop) => Err(stop),
        };
        outcome.map_err(|stop| {
            if matches!(stop, Stop::Gone | Stop::Protocol(_)) {
                self.hang_up();
            }
            match stop {
                Stop::Timeout => CallError::Timeout { method, deadline },
                Stop::Gone => CallError::BrokerGone { method },
                Stop::Protocol(reason) => CallError::Protocol { method, reason },
                Stop::DescriptorsLost(reply) => CallError::DescriptorsLost { method, reply },
                Stop::Os(errno) => CallError::Os { method, errno },
            }
        })
    }

    fn send(
        &mut self,
        (method, mut message): (&'static str, Vec<u8>),
        fds: &[BorrowedFd<'_>],
        until: Deadline,
    ) -> Result<(), Stop> {
        if self.owed.is_empty() && self.decoder.next_message().is_some() {
            return Err(Stop::Protocol(
                "the peer answered a call that was not made".to_owned(),
            ));
        }
        self.flush(until)?;
        let sent = self.write(&message, fds, until)?;
        self.owed.push_back(method);
        message.drain(..sent);
        self.unsent = message;
        self.flush(until)
    }

    fn flush(&mut self, until: Deadline) -> Result<(), Stop> {
        while !self.unsent.is_empty() {
            let sent = self.write(&self.unsent, &[], until)?;
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], fds: &[BorrowedFd<'_>], until: Deadline) -> Result<usize, Stop> {
        loop {
            match self.socket.send(bytes, fds) {
                Ok(sent) => return Ok(sent),
                Err(SocketError::WouldBlock) => self.wait(PollFlags::OUT, until)?,
                Err(SocketError::Disconnected) => return Err(Stop::Gone),
                Err(other) => return Err(Stop::Os(other.errno())),
            }
        }
    }

    /// Returns the answer to the last call; those to earlier calls, whose callers gave up, are put aside.
    fn receive(&mut self, until: Deadline) -> Result<Message<OwnedFd>, Stop> {
        let mut descriptors_lost = false;
        loop {
            match self.decoder.next_message() {
                Some(Ok(message)) => match (self.owed.pop_front(), self.owed.len()) {
                    (_, 0) if descriptors_lost => return Err(Stop::DescriptorsLost(message.bytes)),
                    (_, 0) => return Ok(message),
                    (method, _) => self.late.extend(method.map(|method| LateAnswer {
                        method,
                        message: message.bytes,
                    })),
                },
                Some(Err(error)) => return Err(Stop::Protocol(error.to_string())),
                None => descriptors_lost |= self.read(until)?,
            }
        }
    }

    /// What the broker said before it hung up, if that was why: an error that is no answer to a call made before.
    fn parting_error(&mut self, until: Deadline) -> Option<Message<OwnedFd>> {
        loop {
            match self.decoder.next_message() {
                Some(Ok(_)) if !self.owed.is_empty() => drop(self.owed.pop_front()),
                Some(Ok(message)) => {
                    let read = decode_reply::<IgnoredAny>(&message.bytes);
                    return matches!(read, Err(ReplyError::Broker(_))).then_some(message);
                }
                Some(Err(_)) => return None,
                None => self.read(until).ok().map(drop)?,
            }
        }
    }

    /// Reads once; tells whether descriptors were lost.
    fn read(&mut self, until: Deadline) -> Result<bool, Stop> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.socket.receive(&mut buffer, MAX_REPLY_FDS) {
                Ok(received) => {
                    self.decoder.push(&buffer[..received.bytes], received.fds);
                    return Ok(false);
                }
                Err(SocketError::DescriptorsLost { bytes }) => {
                    self.decoder.push(&buffer[..bytes], Vec::new());
                    return Ok(true);
                }
                Err(SocketError::WouldBlock) => self.wait(PollFlags::IN, until)?,
                Err(SocketError::Disconnected) => return Err(Stop::Gone),
                Err(SocketError::Os(errno)) => return Err(Stop::Os(errno)),
            }
        }
    }

    /// Waits until the socket is ready or has hung up.
    fn wait(&self, readiness: PollFlags, until: Deadline) -> Result<(), Stop> {
        loop {
            let mut fds = [PollFd::new(&self.socket, readiness)];
            match poll(&mut fds, until.remaining_timespec().as_ref()) {
                Ok(0) => return Err(Stop::Timeout),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Stop::Os(errno)),
            }
        }
    }
}

impl AsFd for BlockingClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
