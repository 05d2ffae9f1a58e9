//! The other end of a client's connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use wharf_protocol::codec::{Decoder, IncomingCall, decode_call};
use wharf_protocol::transport::{BlockingClient, CallError, Socket, SocketError};
use wharf_protocol::{CreateStream, CreateStreamReply, SetId};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The other end of a client's connection, as simple as can be.
pub(crate) struct Peer {
    pub(crate) socket: Socket,
    decoder: Decoder<OwnedFd>,
}

pub(crate) fn connected() -> (BlockingClient, Peer) {
    let (left, right) = UnixStream::pair().expect("socket pair");
    let peer = Peer {
        socket: right.into(),
        decoder: Decoder::for_calls(),
    };
    (BlockingClient::new(left.into()), peer)
}

impl Peer {
    /// Waits for the next call; returns it and how many descriptors came with it.
    pub(crate) fn next_call(&mut self) -> (IncomingCall, usize) {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.decoder.next_message() {
                let message = message.expect("within the limits");
                return (
                    decode_call(&message.bytes).expect("a good call"),
                    message.fds.len(),
                );
            }
            match self.socket.receive(&mut buffer, 8) {
                Ok(received) => self.decoder.push(&buffer[..received.bytes], received.fds),
                Err(SocketError::WouldBlock) => std::thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        assert_eq!(self.socket.send(bytes, &[]), Ok(bytes.len()));
    }

    /// Runs `script` with this peer in a thread of its own.
    pub(crate) fn run(mut self, script: impl FnOnce(&mut Self) + Send + 'static) -> JoinHandle<Self> {
        std::thread::spawn(move || {
            script(&mut self);
            self
        })
    }
}

pub(crate) fn create(name: &str) -> CreateStream {
    CreateStream {
        set: SetId(1),
        name: name.to_owned(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    }
}

pub(crate) fn stream_of(outcome: Result<(CreateStreamReply, Vec<OwnedFd>), CallError>) -> u64 {
    outcome.expect("the call succeeds").0.stream.0
}
