//! One call after the other, and what becomes of those that are given up.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

mod peer;

use std::os::fd::AsFd;
use std::time::Duration;

use peer::{LONG, Peer, connected, create, stream_of};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::pipe::pipe;
use wharf_protocol::codec::{encode_error, encode_reply};
use wharf_protocol::transport::{BlockingClient, CallError, SocketError};
use wharf_protocol::*;

/// A deadline that is meant to pass.
const SHORT: Duration = Duration::from_millis(20);

fn answer_stream(peer: &Peer, stream: u64) {
    let reply = Reply::CreateStream(CreateStreamReply {
        stream: StreamId(stream),
    });
    peer.write(&encode_reply(&reply).expect("short"));
}

#[test]
fn call_carries_descriptors_both_ways() {
    let (mut client, peer) = connected();
    let (reader, writer) = pipe().expect("pipe");
    let peer = peer.run(move |peer| {
        let (incoming, fds) = peer.next_call();
        assert_eq!((incoming.call, fds), (create("s").into(), 1));
        let reply =
            encode_reply(&Reply::CreateStream(CreateStreamReply { stream: StreamId(9) })).expect("short");
        assert_eq!(peer.socket.send(&reply, &[writer.as_fd()]), Ok(reply.len()));
    });

    let (reply, fds) = client
        .call(create("s"), &[reader.as_fd()], LONG)
        .expect("the call succeeds");
    assert_eq!((reply.stream, fds.len()), (StreamId(9), 1));
    peer.join().expect("the peer is content");
}

#[test]
fn refusal_is_the_brokers_own_error() {
    let (mut client, peer) = connected();
    let peer = peer.run(|peer| {
        peer.next_call();
        peer.write(&encode_error(&BrokerError::StreamFull { max: 4 }).expect("short"));
        peer.next_call();
        answer_stream(peer, 1);
    });

    let refused = client
        .call(create("s"), &[], LONG)
        .expect_err("the stream is full");
    assert!(matches!(
        refused,
        CallError::Broker(BrokerError::StreamFull { max: 4 })
    ));
    assert_eq!(refused.errno(), Errno::USERS);
    assert_eq!(
        stream_of(client.call(create("s"), &[], LONG)),
        1,
        "the connection is as good as before"
    );
    peer.join().expect("the peer is content");
}

#[test]
fn reply_in_single_bytes_is_put_together() {
    let (mut client, peer) = connected();
    let peer = peer.run(|peer| {
        peer.next_call();
        for byte in b"{\"parameters\":{\"stream\":5}}\0" {
            peer.write(&[*byte]);
        }
    });

    assert_eq!(stream_of(client.call(create("s"), &[], LONG)), 5);
    peer.join().expect("the peer is content");
}

#[test]
fn silent_peer_lets_the_deadline_pass() {
    let (mut client, _peer) = connected();
    let error = client.call(create("s"), &[], SHORT).expect_err("nobody answers");
    assert!(matches!(
        error,
        CallError::Timeout {
            method: "dev.wharf.Broker.CreateStream",
            deadline: SHORT
        }
    ));
    assert_eq!(error.errno(), Errno::TIMEDOUT);
}

#[test]
fn late_answer_is_not_taken_for_the_answer_to_the_next_call() {
    let (mut client, peer) = connected();
    let gave_up = client.call(create("first"), &[], SHORT);
    assert!(matches!(gave_up, Err(CallError::Timeout { .. })));

    let peer = peer.run(|peer| {
        for stream in [1, 2] {
            peer.next_call();
            answer_stream(peer, stream);
        }
    });
    assert_eq!(stream_of(client.call(create("second"), &[], LONG)), 2);
    peer.join().expect("the peer is content");
}

#[test]
fn call_given_up_half_written_is_completed_before_the_next() {
    let (mut client, mut peer) = connected();
    // Nobody reads, and the socket takes at most a half of its small buffer at once: a part of the first call fits.
    set_socket_send_buffer_size(&client, 16384).expect("a socket has a buffer");
    let long = Register {
        label: "x".repeat(50_000),
    };
    while !is_full(&client) {
        let outcome = client.call(long.clone(), &[], Duration::ZERO);
        assert!(matches!(outcome, Err(CallError::Timeout { .. })));
    }
    let peer = std::thread::spawn(move || {
        for count in 1.. {
            let (incoming, _) = peer.next_call();
            answer_stream(&peer, count);
            if incoming.call == create("last").into() {
                return count;
            }
            assert_eq!(incoming.call, long.clone().into(), "every call arrives whole");
        }
        0
    });

    let last = stream_of(client.call(create("last"), &[], LONG));
    assert_eq!(
        last,
        peer.join().expect("the peer is content"),
        "answers to the calls given up are skipped"
    );
}

/// Tells whether the client's socket takes no more bytes.
fn is_full(client: &BlockingClient) -> bool {
    let mut fds = [PollFd::new(client, PollFlags::OUT)];
    poll(
        &mut fds,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    ) == Ok(0)
}

#[test]
fn call_too_long_for_the_broker_is_not_sent() {
    let (mut client, peer) = connected();
    let error = client
        .call(create(&"x".repeat(70_000)), &[], LONG)
        .expect_err("too long");
    assert!(matches!(error, CallError::Unsendable { .. }));
    assert_eq!(error.errno(), Errno::MSGSIZE);
    assert_eq!(
        peer.socket.receive(&mut [0; 8], 8).map(|_| ()),
        Err(SocketError::WouldBlock)
    );
}
