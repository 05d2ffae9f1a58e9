//! The connection that everything of one session shares.

use crate::error::SessionError;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wharf_protocol::Method;
use wharf_protocol::transport::{BlockingClient, CallError};

/// How long a call on the broker may take before it counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a call may take where the caller has something better to do: while frames flow, and when things are dropped.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_millis(250);

/// A registered connection to the broker. The session ends, and with it everything it holds, when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Mutex<BlockingClient>,
}

impl Connection {
    pub(crate) fn open(path: &Path) -> Result<Self, SessionError> {
        Ok(Self {
            client: Mutex::new(BlockingClient::connect(path, PATIENCE)?),
        })
    }

    /// Makes a call whose reply must bring exactly as many descriptors as `expected` says.
    pub(crate) fn call<M: Method>(
        &self,
        request: M,
        fds: &[BorrowedFd<'_>],
        expected: impl FnOnce(&M::Reply) -> usize,
    ) -> Result<(M::Reply, Vec<OwnedFd>), SessionError> {
        let (reply, received) = self.call_within(PATIENCE, request, fds)?;
        let expected = expected(&reply);
        if received.len() != expected {
            return Err(SessionError::Descriptors {
                method: M::NAME,
                expected,
                got: received.len(),
            });
        }
        Ok((reply, received))
    }

    /// Makes a call with another patience; the reply's descriptors are for the caller to count.
    pub(crate) fn call_within<M: Method>(
        &self,
        patience: Duration,
        request: M,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(M::Reply, Vec<OwnedFd>), CallError> {
        // A panic while calling leaves the client usable: it counts the answers it still owes.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.call(request, fds, patience)
    }
}
