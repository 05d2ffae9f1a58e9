//! The connection that everything of one session shares.

use crate::error::SessionError;
use crate::lock::lock;
use crate::timeline::WaiterPages;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};
use wharf_protocol::codec::decode_reply;
use wharf_protocol::transport::{BlockingClient, CallError, LateAnswer};
use wharf_protocol::{JoinStream, JoinStreamReply, LeaveStream, Method};

/// How long a call on the broker may take before it counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a call may take where the caller has something better to do: while frames flow, and when things are dropped.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_millis(100);

/// How often a thread that waits for another's call looks again.
const TURN_SLICE: Duration = Duration::from_micros(200);

/// A registered connection to the broker. The session ends, and with it everything it holds, when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Mutex<BlockingClient>,
    waiter_pages: WaiterPages,
}

impl Connection {
    pub(crate) fn open(path: &Path) -> Result<Self, SessionError> {
        Ok(Self {
            client: Mutex::new(BlockingClient::connect(path, PATIENCE)?),
            waiter_pages: WaiterPages::default(),
        })
    }

    /// Where this session says what it waits for.
    pub(crate) fn waiter_pages(&self) -> &WaiterPages {
        &self.waiter_pages
    }

    /// Makes a call whose reply brings no descriptors.
    pub(crate) fn ask<M: Method>(&self, request: M) -> Result<M::Reply, SessionError> {
        Ok(self.call_within(PATIENCE, request, &[])?.0)
    }

    /// Makes a call whose reply must bring exactly as many descriptors as `expected` says. When they are lost on the way or are not
    /// that many, `undo` gives back what the broker granted.
    pub(crate) fn obtain<M: Method>(
        &self,
        request: M,
        fds: &[BorrowedFd<'_>],
        expected: impl FnOnce(&M::Reply) -> usize,
        undo: impl FnOnce(&Self, &M::Reply),
    ) -> Result<(M::Reply, Vec<OwnedFd>), SessionError> {
        let (reply, received) = match self.call_within(PATIENCE, request, fds) {
            Err(CallError::DescriptorsLost { method, reply }) => {
                if let Ok(granted) = decode_reply(&reply) {
                    undo(self, &granted);
                }
                return Err(CallError::DescriptorsLost { method, reply }.into());
            }
            answer => answer?,
        };
        let (expected, got) = (expected(&reply), received.len());
        if got != expected {
            undo(self, &reply);
            let method = M::NAME;
            return Err(SessionError::Descriptors {
                method,
                expected,
                got,
            });
        }
        Ok((reply, received))
    }

    /// Makes a call whose failure changes nothing for the caller: something is given back, and the broker takes it back at the latest
    /// with the session.
    pub(crate) fn give_back<M: Method>(&self, request: M) {
        let _ = self.call_within(SHORT_PATIENCE, request, &[]);
    }

    /// Makes a call with another patience; the reply's descriptors are for the caller to count.
    pub(crate) fn call_within<M: Method>(
        &self,
        patience: Duration,
        request: M,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(M::Reply, Vec<OwnedFd>), CallError> {
        let until = Instant::now() + patience;
        let Some(mut client) = self.take_turn(until) else {
            return Err(CallError::Timeout {
                method: M::NAME,
                deadline: patience,
            });
        };
        let outcome = client.call(request, fds, until.saturating_duration_since(Instant::now()));
        let late = client.take_late();
        drop(client);
        late.iter().for_each(|late| self.decline(late));
        outcome
    }

    /// Leaves the stream that a call was let into whose caller waits no more: everybody else would wait for it at each move.
    fn decline(&self, late: &LateAnswer) {
        if late.method != JoinStream::NAME {
            return;
        }
        if let Ok(JoinStreamReply {
            stream,
            slot,
            incarnation,
            ..
        }) = decode_reply(&late.message)
        {
            self.give_back(LeaveStream {
                stream,
                slot,
                incarnation,
            });
        }
    }

    /// The client, once no other thread is calling; `None` when that takes too long.
    fn take_turn(&self, until: Instant) -> Option<MutexGuard<'_, BlockingClient>> {
        loop {
            match self.client.try_lock() {
                Ok(client) => return Some(client),
                // A panic while calling leaves the client usable: it counts the answers it still owes.
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(TURN_SLICE),
            }
        }
    }

    /// Does something with the socket, after the call that another thread may be making.
    pub(crate) fn with_socket<T>(&self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        // A panic while calling leaves the client usable: it counts the answers it still owes.
        act(lock(&self.client).as_fd())
    }

    /// Whether the broker has closed the connection or is gone. Not known, and taken as no, while another thread is calling.
    pub(crate) fn is_hung_up(&self) -> bool {
        let Ok(client) = self.client.try_lock() else {
            return false;
        };
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        let mut fds = [PollFd::new(&*client, PollFlags::RDHUP)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0) && fds[0].revents().intersects(gone)
    }
}
