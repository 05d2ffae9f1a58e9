//! Peers that do not read, read slowly, or say too much at once. Nobody else notices. Contract: P1, P4.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use common::raw::Raw;
use common::{Broker, page};
use rustix::net::sockopt::set_socket_linger;
use wharf_protocol::codec::encode_call;
use wharf_protocol::{BrokerError, Call, CreateStream, GetInterfaceDescription, GetState, INTERFACE, SetId};
use wharf_stream::RING_PAGE_BYTES;

/// A call with a reply of several kilobytes.
fn wordy() -> Vec<u8> {
    encode_call(&Call::from(GetInterfaceDescription {
        interface: INTERFACE.to_owned(),
    }))
    .unwrap()
}

#[test]
fn peer_that_never_reads_is_cut_off_while_others_are_served() {
    let broker = Broker::start();
    let mut deaf = Raw::connect(broker.socket());
    let mut somebody = broker.client("somebody else");
    let call = wordy();
    let cut_off = (0..100_000).find(|round| {
        if round % 100 == 0 {
            somebody.call(GetState {}).unwrap();
        }
        match deaf.0.write_all(&call) {
            Ok(()) => false,
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => true,
            Err(error) => panic!("{error}"),
        }
    });
    assert!(cut_off.is_some(), "it could say what it liked");
    drop(somebody);
    broker.wait_until_empty();
}

#[test]
fn many_calls_at_once_are_all_answered_in_order() {
    let broker = Broker::start();
    let mut eager = Raw::connect(broker.socket());
    let calls: Vec<u8> = (0..500)
        .flat_map(|index| format!("{{\"method\":\"dev.wharf.Broker.M{index}\"}}\0").into_bytes())
        .collect();
    eager.say(&calls);
    for index in 0..500 {
        let answer = String::from_utf8(eager.hear().unwrap()).unwrap();
        assert!(
            answer.contains(&format!("dev.wharf.Broker.M{index}\"")),
            "{answer}"
        );
    }
}

#[test]
fn slow_reader_gets_every_byte() {
    let broker = Broker::start();
    let mut slow = Raw::connect(broker.socket());
    // More than the socket holds, less than what the broker keeps.
    let rounds = 60;
    slow.say(&wordy().repeat(rounds));
    let mut somebody = broker.client("somebody else");
    let (mut answers, mut complete) = (Vec::new(), 0);
    let mut chunk = vec![0; 1000];
    while complete < rounds {
        let read = slow.0.read(&mut chunk).unwrap();
        assert_ne!(read, 0, "the broker hung up");
        answers.extend_from_slice(&chunk[..read]);
        complete += chunk[..read].iter().filter(|byte| **byte == 0).count();
        if answers.len() % 50_000 < 1000 {
            somebody.call(GetState {}).unwrap();
        }
    }
    let answers: Vec<_> = answers.split(|byte| *byte == 0).take(rounds).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(answers[0].len() > 8000, "{} bytes", answers[0].len());
}

#[test]
fn peer_that_talks_without_end_does_not_keep_the_broker_to_itself() {
    let broker = Broker::start();
    let mut talker = Raw::connect(broker.socket());
    let reader = talker.0.try_clone().unwrap();
    let listening = std::thread::spawn(move || {
        let mut reader = reader;
        let mut sink = vec![0; 1 << 16];
        while matches!(reader.read(&mut sink), Ok(read) if read > 0) {}
    });
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let talking = std::thread::spawn(move || {
        let calls = encode_call(&Call::from(GetState {})).unwrap().repeat(1000);
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            talker.say(&calls);
        }
        talker.0.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let mut somebody = broker.client("somebody else");
    for _ in 0..50 {
        let set = somebody.allocate(4096, 1).0.set;
        somebody.call(wharf_protocol::FreeBuffers { set }).unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    talking.join().unwrap();
    listening.join().unwrap();
}

/// A socket whose last `close` waits until the other end, which is returned too, has read everything.
fn reluctant() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.write(&[0; 1 << 16]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    set_socket_linger(&socket, Some(Duration::from_secs(600))).unwrap();
    (socket, other)
}

#[test]
fn closing_what_a_peer_has_sent_keeps_nobody_waiting() {
    let broker = Broker::start();
    let (mut stranger, mut camera) = (broker.client("stranger"), broker.client("camera"));
    let set = camera.allocate(4096, 2).0.set;
    let create = |set| CreateStream {
        set,
        name: String::new(),
        max_consumers: 1,
    };

    let (socket, mut other) = reluctant();
    let mut sender = Raw::connect(broker.socket());
    let call = encode_call(&Call::from(create(set))).unwrap();
    sender.say_with(&call[..10], &[socket.as_fd()]);
    drop(socket); // From now on the broker has the last descriptor of it.
    sender.say(&call[10..]);
    assert_eq!(sender.hear_error(), BrokerError::NotRegistered);
    camera.call(GetState {}).unwrap();

    // Behind it wait, to be closed, as many descriptors as the broker puts up with.
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let mut again = || stranger.call_with(create(SetId(999)), &[&pipe]).unwrap_err();
    while again() == (BrokerError::NoSuchSet { id: SetId(999) }) {}
    assert_eq!(again(), BrokerError::OutOfDescriptors);
    let ring = page(RING_PAGE_BYTES);
    assert_eq!(
        camera.call_with(create(set), &[&ring]).unwrap_err(),
        BrokerError::OutOfDescriptors
    );
    camera.call(GetState {}).unwrap();

    std::io::copy(&mut other, &mut std::io::sink()).unwrap();
    common::wait_until("the descriptors are closed", || {
        camera.call_with(create(set), &[&ring]).is_ok()
    });
}
