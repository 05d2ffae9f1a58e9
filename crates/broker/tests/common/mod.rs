//! What the integration tests share: a broker on a socket of its own, and clients that speak to it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod child;
pub mod raw;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wharf_broker::{Config, Server};
use wharf_linux::{Memfd, SealFlags};
use wharf_memory::{Access, Mapping, ReadOnlyWords, ReadWords};
use wharf_protocol::transport::{BlockingClient, CallError};
use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, BrokerError, CreateStream, GetState, GetStateReply, IssueToken,
    JoinStream, JoinStreamReply, ObjectKind, Policy, Register, SetId, StreamId, Token,
};
use wharf_stream::layout::status;
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES, STATUS_PAGE_BYTES, STATUS_PAGE_CELLS};

/// Longer than anything takes that goes well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A broker in a thread of the test. It stops when dropped.
pub struct Broker {
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    _directory: TempDir,
}

impl Broker {
    pub fn start() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("wharf-0");
        let mut server = Server::bind(&socket, config).unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || server.run(&stopped).unwrap());
        Self {
            stop: Some(stop),
            thread: Some(thread),
            socket,
            _directory: directory,
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A client that has not registered.
    pub fn connect(&self) -> Client {
        Client::connect(&self.socket)
    }

    pub fn client(&self, label: &str) -> Client {
        let mut client = self.connect();
        client
            .call(Register {
                label: label.to_owned(),
            })
            .unwrap();
        client
    }

    pub fn state(&self) -> GetStateReply {
        self.connect().call(GetState {}).unwrap().0
    }

    /// Waits until the broker's state is as it should be.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&GetStateReply) -> bool) {
        let mut client = self.connect();
        wait_until(what, || match client.call(GetState {}) {
            Ok((state, _)) => condition(&state),
            // As long as threads are still closing what this user sent, the broker lets nobody else of it in.
            Err(BrokerError::OutOfDescriptors) => {
                client = self.connect();
                false
            }
            Err(error) => panic!("{error}"),
        });
    }

    /// Waits until the broker holds nothing but the asking connection.
    pub fn wait_until_empty(&self) {
        self.wait_for("nothing is left", |state| {
            let only_us = matches!(&state.users[..], [user] if user.used.fds == 2 && user.used.sessions == 0);
            only_us && state.sessions.is_empty() && state.sets.is_empty() && state.streams.is_empty()
        });
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the broker panicked");
        }
    }
}

/// Waits until `condition` holds. There is no event to wait for where this is used.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client that is patient.
pub struct Client(pub BlockingClient);

impl Client {
    pub fn connect(socket: &Path) -> Self {
        Self(BlockingClient::connect(socket, PATIENCE).unwrap())
    }

    pub fn call<M: wharf_protocol::Method + Into<wharf_protocol::Call>>(
        &mut self,
        parameters: M,
    ) -> Result<(M::Reply, Vec<OwnedFd>), BrokerError> {
        self.call_with(parameters, &[])
    }

    pub fn call_with<M: wharf_protocol::Method + Into<wharf_protocol::Call>>(
        &mut self,
        parameters: M,
        fds: &[&dyn AsFd],
    ) -> Result<(M::Reply, Vec<OwnedFd>), BrokerError> {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        match self.0.call(parameters, &fds, PATIENCE) {
            Ok(answer) => Ok(answer),
            Err(CallError::Broker(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    pub fn allocate(&mut self, size_bytes: u64, count: u32) -> (AllocateBuffersReply, Vec<OwnedFd>) {
        self.call(AllocateBuffers {
            name: "frames".to_owned(),
            size_bytes,
            count,
        })
        .unwrap()
    }

    /// A stream over a new set, with its ring page and status page.
    pub fn stream(&mut self, count: u32, max_consumers: u32) -> Produced {
        let set = self.allocate(4096, count).0.set;
        self.create(set, max_consumers)
    }

    pub fn create(&mut self, set: SetId, max_consumers: u32) -> Produced {
        let ring = page(RING_PAGE_BYTES);
        let call = CreateStream {
            set,
            name: "preview".to_owned(),
            max_consumers,
            room_ms: None,
            polled: None,
            rotation: None,
        };
        let (reply, mut fds) = self.call_with(call, &[&ring]).unwrap();
        assert_eq!(fds.len(), 1);
        Produced {
            stream: reply.stream,
            ring,
            status: StatusView::map(fds.remove(0)),
        }
    }

    pub fn token(&mut self, kind: ObjectKind, id: u64, uses: u32) -> Token {
        self.call(IssueToken { kind, id, uses }).unwrap().0.token
    }

    pub fn stream_token(&mut self, stream: StreamId, uses: u32) -> Token {
        self.token(ObjectKind::Stream, stream.0, uses)
    }

    pub fn join(
        &mut self,
        token: &Token,
        depth: u32,
    ) -> Result<(JoinStreamReply, Vec<OwnedFd>), BrokerError> {
        let page = page(CONSUMER_PAGE_BYTES);
        let call = JoinStream::new(token.clone(), depth, Policy::Block);
        self.call_with(call, &[&page])
    }
}

/// What a producer has of its stream.
pub struct Produced {
    pub stream: StreamId,
    pub ring: Memfd,
    pub status: StatusView,
}

/// A page as it should be: sealed after it was mapped.
pub fn page(size_bytes: usize) -> Memfd {
    let memory = Memfd::create("page", size_bytes as u64).unwrap();
    memory.seal_future_writes().unwrap();
    memory
}

/// A memfd with seals as given.
pub fn memfd(size_bytes: u64, seals: SealFlags) -> OwnedFd {
    use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};
    let fd = memfd_create("page", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, size_bytes).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

/// A status page as its readers see it.
pub struct StatusView {
    words: ReadOnlyWords,
    pub fd: OwnedFd,
}

impl StatusView {
    pub fn map(fd: OwnedFd) -> Self {
        let mapping = Mapping::map(&fd, STATUS_PAGE_BYTES, Access::ReadOnly).unwrap();
        Self {
            words: ReadOnlyWords::new(mapping, STATUS_PAGE_CELLS).unwrap(),
            fd,
        }
    }

    pub fn load_u64(&self, cell: usize) -> u64 {
        self.words.load_u64(cell, wharf_memory::Ordering::Acquire)
    }

    pub fn version(&self) -> u32 {
        self.words
            .load_u32(status::VERSION, wharf_memory::Ordering::Acquire)
    }

    /// 0 while the stream runs, 1 when it was ended, 2 when its producer died.
    pub fn stream_state(&self) -> u32 {
        self.words
            .load_u32(status::STREAM, wharf_memory::Ordering::Acquire)
    }

    /// Incarnation, and 0 for free, 1 for live, 2 for gone.
    pub fn slot(&self, slot: u32) -> (u64, u64) {
        let word = self
            .words
            .load_u64(status::SLOTS + slot as usize, wharf_memory::Ordering::Acquire);
        (word >> 2, word & 3)
    }
}
