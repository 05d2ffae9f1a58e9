//! A client survives a peer that is no broker, or a dying one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

mod peer;

use peer::{LONG, connected, create, stream_of};
use rustix::io::Errno;
use wharf_protocol::BrokerError;
use wharf_protocol::transport::{CallError, SocketError};

#[test]
fn hang_up_before_or_amid_a_reply_is_the_same_error() {
    for beginning in ["", "{\"parameters\":{\"str"] {
        let (mut client, mut peer) = connected();
        let peer = std::thread::spawn(move || {
            peer.next_call();
            if !beginning.is_empty() {
                peer.write(beginning.as_bytes());
            }
        });

        for _ in 0..2 {
            let error = client.call(create("s"), &[], LONG).expect_err("the peer is gone");
            assert!(matches!(error, CallError::BrokerGone { .. }), "{error}");
            assert_eq!(error.errno(), Errno::PIPE);
        }
        peer.join().expect("the peer is content");
    }
}

#[test]
fn garbage_answer_is_a_protocol_error() {
    let (mut client, peer) = connected();
    let peer = peer.run(|peer| {
        peer.next_call();
        peer.write(b"220 mail.example.org ESMTP\0");
    });

    let error = client
        .call(create("s"), &[], LONG)
        .expect_err("that is no answer");
    assert!(matches!(error, CallError::Protocol { .. }));
    assert_eq!(error.errno(), Errno::PROTO);
    peer.join().expect("the peer is content");
}

#[test]
fn endless_answer_is_cut_off_and_breaks_the_connection() {
    let (mut client, peer) = connected();
    let peer = peer.run(|peer| {
        peer.next_call();
        while !matches!(
            peer.socket.send(&[b'x'; 4096], &[]),
            Err(SocketError::Disconnected)
        ) {}
    });

    let error = client.call(create("s"), &[], LONG).expect_err("that is too long");
    assert!(matches!(error, CallError::Protocol { .. }), "{error}");
    let error = client
        .call(create("s"), &[], LONG)
        .expect_err("the connection is broken");
    assert!(matches!(error, CallError::BrokerGone { .. }), "{error}");
    drop(client);
    peer.join().expect("the peer is content");
}

#[test]
fn answer_to_a_call_never_made_is_a_protocol_error() {
    let (mut client, peer) = connected();
    let peer = peer.run(|peer| {
        peer.next_call();
        peer.write(b"{\"parameters\":{\"stream\":1}}\0{\"parameters\":{\"stream\":2}}\0");
    });

    assert_eq!(stream_of(client.call(create("s"), &[], LONG)), 1);
    let error = client
        .call(create("s"), &[], LONG)
        .expect_err("something is wrong with this peer");
    assert!(matches!(error, CallError::Protocol { .. }), "{error}");
    peer.join().expect("the peer is content");
}

#[test]
fn reason_for_hanging_up_is_told_to_who_was_about_to_speak() {
    let (mut client, peer) = connected();
    peer.write(b"{\"error\":\"dev.wharf.Broker.OutOfDescriptors\"}\0");
    drop(peer);
    let error = client.call(create("s"), &[], LONG).expect_err("it was refused");
    assert!(
        matches!(error, CallError::Broker(BrokerError::OutOfDescriptors)),
        "{error}"
    );
    let error = client.call(create("s"), &[], LONG).expect_err("nobody is there");
    assert!(matches!(error, CallError::BrokerGone { .. }), "{error}");
}

#[test]
fn last_words_that_are_no_error_are_no_answer() {
    let (mut client, peer) = connected();
    peer.write(b"{\"parameters\":{\"stream\":1}}\0");
    drop(peer);
    let error = client.call(create("s"), &[], LONG).expect_err("nobody is there");
    assert!(matches!(error, CallError::BrokerGone { .. }), "{error}");
}
