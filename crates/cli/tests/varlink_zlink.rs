//! The broker and an independent Varlink client that takes descriptors: zlink, over a plain blocking socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustix::fs::fstat;
use serde::{Deserialize, Serialize};
use support::{Broker, Outcome};
use zlink_core::connection::PassedCredentials;
use zlink_core::connection::socket::{ReadHalf, ReadResult, Socket, WriteHalf};
use zlink_core::{Call, Connection, unix_utils};

/// A socket on which every operation waits until it is done.
#[derive(Debug, Clone)]
struct Blocking(Arc<UnixStream>);

impl Socket for Blocking {
    type ReadHalf = Self;
    type WriteHalf = Self;
    const CAN_TRANSFER_FDS: bool = true;

    fn split(self) -> (Self, Self) {
        (self.clone(), self)
    }
}

impl ReadHalf for Blocking {
    async fn read(&mut self, buffer: &mut [u8]) -> zlink_core::Result<ReadResult> {
        Ok(unix_utils::recvmsg(&*self.0, buffer)?)
    }
}

impl WriteHalf for Blocking {
    async fn write(
        &mut self,
        bytes: &[u8],
        fds: &[impl AsFd],
        credentials: Option<&PassedCredentials>,
    ) -> zlink_core::Result<()> {
        let mut fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = unix_utils::sendmsg(&*self.0, rest, &fds, credentials)?;
            rest = &rest[sent..];
            fds.clear();
        }
        Ok(())
    }
}

/// What a future gives that never has to wait, because its socket does.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a blocking socket is never pending"),
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "method", content = "parameters")]
enum Method {
    #[serde(rename = "dev.wharf.Broker.Register")]
    Register { label: &'static str },
    #[serde(rename = "dev.wharf.Broker.AllocateBuffers")]
    AllocateBuffers {
        name: &'static str,
        size_bytes: u64,
        count: u32,
    },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Registered {
    session: u64,
    pid: u32,
    uid: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Allocated {
    set: u64,
    generation: u64,
    size_bytes: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "error", content = "parameters")]
enum Refusal {
    #[serde(rename = "dev.wharf.Broker.InvalidArgument")]
    InvalidArgument { field: String, reason: String },
}

/// The answer to a call, and the descriptors that zlink says belong to it.
fn call<T>(connection: &mut Connection<Blocking>, method: Method) -> (Result<T, Refusal>, Vec<OwnedFd>)
where
    T: for<'de> Deserialize<'de> + std::fmt::Debug,
{
    let (answer, fds) = now(connection.call_method(&Call::new(method), Vec::new())).unwrap();
    (
        answer.map(|reply| reply.into_parameters().expect("parameters")),
        fds,
    )
}

#[test]
fn zlink_client_gets_its_buffers() -> Outcome {
    let broker = Broker::start(&[]);
    let mut connection = Connection::new(Blocking(Arc::new(UnixStream::connect(broker.socket())?)));
    let (registered, fds) = call::<Registered>(&mut connection, Method::Register { label: "zlink" });
    assert_eq!((registered.unwrap().pid, fds.len()), (std::process::id(), 0));

    let frames = Method::AllocateBuffers {
        name: "frames",
        size_bytes: 10_000,
        count: 3,
    };
    let (allocated, fds) = call::<Allocated>(&mut connection, frames);
    let allocated = allocated.unwrap();
    assert_eq!((allocated.set, allocated.generation, fds.len()), (1, 1, 3));
    for fd in fds {
        assert_eq!(u64::try_from(fstat(fd)?.st_size)?, allocated.size_bytes);
    }

    let none = Method::AllocateBuffers {
        name: "none",
        size_bytes: 4096,
        count: 0,
    };
    let (refused, fds) = call::<Allocated>(&mut connection, none);
    let Refusal::InvalidArgument { field, reason } = refused.unwrap_err();
    assert_eq!(
        (field.as_str(), reason.as_str(), fds.len()),
        ("count", "0 is not in 1..=64", 0)
    );
    Ok(())
}
