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
use wharf_protocol::{
    BrokerError, Call, CreateStream, GetInterfaceDescription, GetState, INTERFACE, ImportBuffers, ObjectKind,
    Register, SetId, Token,
};
use wharf_stream::RING_PAGE_BYTES;

/// A call with a reply of several kilobytes.
fn wordy() -> Vec<u8> {
    encode_call(&Call::from(GetInterfaceDescription {
        interface: INTERFACE.to_owned(),
    }))
    .unwrap()
}

#[test]
fn peer_that_never_reads_is_served_no_further_and_others_are() {
    let broker = Broker::start();
    let mut deaf = Raw::connect(broker.socket());
    let mut somebody = broker.client("somebody else");
    deaf.0.set_nonblocking(true).unwrap();
    let calls = wordy().repeat(100);
    let mut said = 0;
    // Only the socket's own buffers hold what it says; the broker reads no more.
    let refused = loop {
        match deaf.0.write(&calls) {
            Ok(written) => said += written,
            Err(error) => break error,
        }
        assert!(said < 64 << 20, "it can say what it likes");
        somebody.call(GetState {}).unwrap();
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    for _ in 0..100 {
        somebody.call(GetState {}).unwrap();
    }
    deaf.0.set_nonblocking(false).unwrap();
    let first = deaf.hear().expect("it is served when it reads");
    assert_eq!(deaf.hear(), Some(first));
    drop((deaf, somebody));
    broker.wait_until_empty();
}

#[test]
fn replies_with_descriptors_that_nobody_reads_do_not_pile_up() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let set = camera.allocate(4096, 1).0.set;
    let import = || ImportBuffers {
        token: Token::new("0".repeat(32)),
        contract: None,
    };
    let mut greedy = Raw::connect(broker.socket());
    greedy.say(
        &encode_call(&Call::from(Register {
            label: "greedy".to_owned(),
        }))
        .unwrap(),
    );
    greedy.hear().unwrap();
    // More calls than the broker has a stack for, each answered with a descriptor.
    for _ in 0..20 {
        let token = camera.token(ObjectKind::Set, set.0, 1000);
        let call = encode_call(&Call::from(ImportBuffers {
            token,
            contract: None,
        }))
        .unwrap();
        greedy.0.set_nonblocking(true).unwrap();
        let mut calls = &call.repeat(1000)[..];
        while let Ok(written) = greedy.0.write(calls) {
            calls = &calls[written..];
            if calls.is_empty() {
                break;
            }
        }
    }
    camera.call(import()).unwrap_err();
    greedy.0.set_nonblocking(false).unwrap();
    greedy.hear().unwrap();
    drop(greedy);
    broker.wait_for("it is gone", |state| state.sessions.len() == 1);
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

fn create(set: SetId) -> CreateStream {
    CreateStream {
        set,
        name: String::new(),
        max_consumers: 1,
        room_ms: None,
        polled: None,
        rotation: None,
    }
}

#[test]
fn closing_what_a_peer_has_sent_keeps_nobody_waiting() {
    let broker = Broker::start();
    let (mut stranger, mut camera) = (broker.client("stranger"), broker.client("camera"));
    let set = camera.allocate(4096, 2).0.set;

    let (socket, mut other) = reluctant();
    let mut sender = Raw::connect(broker.socket());
    let call = encode_call(&Call::from(create(set))).unwrap();
    sender.say_with(&call[..10], &[socket.as_fd()]);
    drop(socket); // From now on the broker has the last descriptor of it.
    sender.say(&call[10..]);
    assert_eq!(sender.hear_error(), BrokerError::NotRegistered);
    camera.call(GetState {}).unwrap();

    // What comes after it is closed nevertheless, however much it is.
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let mut again = || stranger.call_with(create(SetId(999)), &[&pipe]).unwrap_err();
    for _ in 0..500 {
        // A few may wait for those before them.
        common::wait_until("it is closed", || again() != BrokerError::OutOfDescriptors);
    }
    let ring = page(RING_PAGE_BYTES);
    common::wait_until("there is room", || {
        camera.call_with(create(set), &[&ring]).is_ok()
    });
    std::io::copy(&mut other, &mut std::io::sink()).unwrap();
}

#[test]
fn user_whose_descriptors_never_close_brings_no_more_and_is_told_so() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let set = camera.allocate(4096, 2).0.set;
    let call = encode_call(&Call::from(create(set))).unwrap();
    let mut others = Vec::new();
    let refused = (0..200).find(|_| {
        let (socket, other) = reluctant();
        others.push(other);
        let mut sender = Raw::connect(broker.socket());
        sender.say_with(&call[..10], &[socket.as_fd()]);
        drop(socket); // From now on the broker has the last descriptor of it.
        sender.say(&call[10..]);
        sender.hear_error() == BrokerError::OutOfDescriptors
    });
    assert!(refused.is_some(), "it could bring what it liked");
    camera.call(GetState {}).unwrap();
    let ring = page(RING_PAGE_BYTES);
    assert_eq!(
        camera.call_with(create(set), &[&ring]).unwrap_err(),
        BrokerError::OutOfDescriptors
    );
    for mut other in others {
        std::thread::spawn(move || std::io::copy(&mut other, &mut std::io::sink()));
    }
    common::wait_until("the descriptors are closed", || {
        camera.call_with(create(set), &[&ring]).is_ok()
    });
}

#[test]
fn hanging_up_on_descriptors_that_nobody_read_keeps_nobody_waiting() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let (socket, _other) = reluctant();
    let mut rude = Raw::connect(broker.socket());
    // It reads one answer only, so that the broker reads no further either.
    rude.say(&wordy().repeat(100));
    rude.hear().unwrap();
    rude.say_with(b"unread", &[socket.as_fd()]);
    drop(socket);
    drop(rude);
    for _ in 0..10 {
        camera.call(GetState {}).unwrap();
    }
    // The same, out of band.
    let (socket, _other) = reluctant();
    let mut sly = Raw::connect(broker.socket());
    sly.say_out_of_band(&[socket.as_fd()]);
    drop(socket);
    sly.say(b"{\"method\":\"org.varlink.service.GetInfo\"}\0");
    sly.hear();
    drop(sly);
    for _ in 0..10 {
        camera.call(GetState {}).unwrap();
    }
}
