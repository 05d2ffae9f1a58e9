//! The connection to a broker.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::Errno;
use wharf::PATIENCE;
use wharf_protocol::transport::{BlockingClient, CallError, ConnectError, Socket};
use wharf_protocol::{AllocateBuffers, BrokerError, FreeBuffers, Register, SetId};

/// Whose memory it is, and how to get at it.
#[derive(Debug)]
pub(crate) struct Source {
    socket: PathBuf,
    /// What listings show.
    label: String,
    client: Option<BlockingClient>,
}

impl Source {
    /// Memory of the broker at `socket`. `connection` is the program's own to it, if there is one: what is allocated through it is the
    /// program's, and given back when that dies.
    pub(crate) fn new(socket: PathBuf, label: String, connection: Option<OwnedFd>) -> Self {
        let client = connection.and_then(|fd| {
            let mut client = BlockingClient::new(Socket::from(fd));
            register(&mut client, &label).ok()?;
            Some(client)
        });
        Self {
            socket,
            label,
            client,
        }
    }

    /// The connection; a new one if there is none.
    fn client(&mut self) -> Result<&mut BlockingClient, Errno> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.connect().map_err(|_| Errno::NOMEM)?,
        };
        Ok(self.client.insert(client))
    }

    fn connect(&self) -> Result<BlockingClient, Errno> {
        let mut client =
            BlockingClient::connect(&self.socket, PATIENCE).map_err(|error: ConnectError| error.errno())?;
        register(&mut client, &self.label)?;
        Ok(client)
    }

    /// Allocates `count` buffers of `size_bytes` bytes. One broken connection is replaced.
    ///
    /// # Errors
    /// `ENOMEM`: the broker has no more, or not for this user, or is gone. What a heap says in that case; the reason is in the log of
    /// the broker.
    pub(crate) fn allocate(
        &mut self,
        name: &str,
        size_bytes: u64,
        count: u32,
    ) -> Result<(SetId, Vec<OwnedFd>), Errno> {
        for _ in 0..2 {
            let request = AllocateBuffers {
                name: name.to_owned(),
                size_bytes,
                count,
            };
            match self.client()?.call(request, &[], PATIENCE) {
                // CAST: at most 64.
                Ok((reply, files)) if files.len() == count as usize => return Ok((reply.set, files)),
                Err(CallError::Broker(BrokerError::OutOfDescriptors)) => return Err(Errno::NFILE),
                Ok(_) | Err(CallError::Broker(_)) => return Err(Errno::NOMEM),
                Err(_) => self.client = None,
            }
        }
        Err(Errno::NOMEM)
    }

    /// Gives a set back. If that fails, the set's session has ended and the set with it.
    pub(crate) fn free(&mut self, set: SetId) {
        let Some(client) = &mut self.client else {
            return;
        };
        let outcome = client.call(FreeBuffers { set }, &[], PATIENCE);
        if matches!(outcome, Err(CallError::BrokerGone { .. })) {
            self.client = None;
        }
    }
}

fn register(client: &mut BlockingClient, label: &str) -> Result<(), Errno> {
    let request = Register {
        label: label.to_owned(),
    };
    client
        .call(request, &[], PATIENCE)
        .map(drop)
        .map_err(|error| error.errno())
}
