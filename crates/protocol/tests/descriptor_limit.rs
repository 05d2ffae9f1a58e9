//! A process at its limit of open files. The limit holds for the whole process, so this test has a program of its own.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use wharf_protocol::codec::encode_reply;
use wharf_protocol::transport::{BlockingClient, CallError, Socket};
use wharf_protocol::{CreateStream, CreateStreamReply, Reply, SetId, StreamId};

const LONG: Duration = Duration::from_secs(60);

fn create() -> CreateStream {
    CreateStream {
        set: SetId(1),
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    }
}

#[test]
fn reply_whose_descriptors_do_not_fit_fails_alone_and_the_connection_goes_on() {
    let (left, right) = UnixStream::pair().expect("socket pair");
    let (mut client, peer) = (BlockingClient::new(left.into()), Socket::from(right));
    let answer = |stream| {
        encode_reply(&Reply::CreateStream(CreateStreamReply {
            stream: StreamId(stream),
        }))
    };
    let (first, second) = (answer(1).expect("short"), answer(2).expect("short"));

    // The answers are sent ahead of the calls: the client reads only when it has called.
    assert_eq!(peer.send(&first, &[peer.as_fd(); 3]), Ok(first.len()));
    let before = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit {
            current: Some(3),
            maximum: before.maximum,
        },
    )
    .expect("lower");
    let error = client
        .call(create(), &[], LONG)
        .expect_err("there is no room for a descriptor");
    setrlimit(Resource::Nofile, before).expect("restore");

    assert!(matches!(error, CallError::DescriptorsLost { .. }), "{error}");
    assert_eq!(error.errno(), Errno::MFILE);
    assert_eq!(peer.send(&second, &[peer.as_fd(); 3]), Ok(second.len()));
    let (reply, fds) = client.call(create(), &[], LONG).expect("there is room again");
    assert_eq!((reply.stream, fds.len()), (StreamId(2), 3));
}
