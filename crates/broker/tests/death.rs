//! Processes that are killed. What they held is free again, and whoever shared something with them is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use common::child::{self, Actor};
use common::{Broker, Client};
use wharf_linux::PidFd;
use wharf_protocol::{BrokerError, EndReason, Incarnation, Register, TakeChanges, Token};

fn client_of(socket: &std::path::Path, label: &str) -> Client {
    let mut client = Client::connect(socket);
    client
        .call(Register {
            label: label.to_owned(),
        })
        .unwrap();
    client
}

/// Plays the camera in a child: holds buffers and a stream, and tells a token for it.
#[test]
fn camera() {
    let Some(socket) = child::socket() else { return };
    let mut client = client_of(&socket, "camera");
    let _buffers = client.allocate(1 << 20, 8);
    let produced = client.stream(8, 4);
    child::tell(client.stream_token(produced.stream, 4).reveal());
    child::wait_for_the_end();
}

/// Plays a viewer in a child: reads a token, joins, and tells its slot.
#[test]
fn viewer() {
    let Some(socket) = child::socket() else { return };
    let mut client = client_of(&socket, "viewer");
    let token = Token::new(child::hear());
    let (joined, _fds) = client.join(&token, 2).unwrap();
    child::tell(&joined.slot.0.to_string());
    child::wait_for_the_end();
}

/// Plays a program that leaves its socket to a child of its own.
#[test]
#[expect(clippy::zombie_processes, reason = "it is killed before its child")]
fn forgetful_parent() {
    let Some(socket) = child::socket() else { return };
    let mut client = client_of(&socket, "forgetful");
    let _produced = client.stream(2, 1);
    let heirloom = client.0.as_fd().try_clone_to_owned().unwrap();
    let heir = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::from(heirloom))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child::tell(&heir.id().to_string());
    child::wait_for_the_end();
}

#[test]
fn death_of_a_producer_ends_its_stream_and_frees_everything() {
    let broker = Broker::start();
    let mut camera = Actor::start("camera", broker.socket());
    let token = Token::new(camera.hear());
    let mut viewer = broker.client("viewer");
    let (_, mut fds) = viewer.join(&token, 2).unwrap();
    let producer = PidFd::from_fd(fds.remove(2)).unwrap();
    let status = common::StatusView::map(fds.remove(1));
    let before = status.version();
    assert!(!producer.is_dead().unwrap());

    camera.kill();
    common::wait_until("the stream has ended", || status.stream_state() == 2);
    assert_ne!(status.version(), before, "sleepers are woken");
    assert!(producer.is_dead().unwrap());
    broker.wait_for("the camera is gone", |state| {
        state.sessions.len() == 1 && state.sets.is_empty()
    });
    let error = viewer.join(&token, 1).unwrap_err();
    assert_eq!(
        error,
        BrokerError::StreamEnded {
            reason: EndReason::ProducerDied
        }
    );
    drop(viewer);
    broker.wait_until_empty();
}

#[test]
fn death_of_a_consumer_frees_its_slot() {
    let broker = Broker::start();
    let mut camera = broker.client("camera");
    let produced = camera.stream(4, 1);
    let token = camera.stream_token(produced.stream, 10);
    for round in 0..5 {
        let mut viewer = Actor::start("viewer", broker.socket());
        viewer.tell(token.reveal());
        assert_eq!(viewer.hear(), "0", "in round {round} the slot is free again");
        let (changes, fds) = camera
            .call(TakeChanges {
                stream: produced.stream,
                after: Incarnation(0),
            })
            .unwrap();
        assert_eq!((changes.joined.len(), changes.joined[0].pid), (1, viewer.pid()));
        let process = PidFd::from_fd(fds.into_iter().nth(1).unwrap()).unwrap();
        let incarnation = changes.joined[0].incarnation.0;
        assert_eq!(produced.status.slot(0), (incarnation, 1));
        viewer.kill();
        common::wait_until("the slot is free", || produced.status.slot(0) == (incarnation, 2));
        assert!(process.is_dead().unwrap());
    }
    drop(camera);
    broker.wait_until_empty();
}

#[test]
fn session_ends_with_its_process_though_a_child_keeps_the_socket() {
    let broker = Broker::start();
    let mut parent = Actor::start("forgetful_parent", broker.socket());
    let heir = parent.hear().parse::<i32>().unwrap();
    broker.wait_for("the parent is there", |state| state.streams.len() == 1);
    parent.kill();
    broker.wait_until_empty();
    let heir = rustix::process::Pid::from_raw(heir).unwrap();
    rustix::process::kill_process(heir, rustix::process::Signal::KILL).expect("the heir was still alive");
}

#[test]
fn sessions_of_a_dead_process_end_all_together() {
    let broker = Broker::start();
    let mut camera = Actor::start("camera", broker.socket());
    camera.hear();
    let mut other = Actor::start("camera", broker.socket());
    other.hear();
    broker.wait_for("both are there", |state| state.streams.len() == 2);
    camera.kill();
    broker.wait_for("one is left", |state| {
        state.sessions.len() == 1 && state.streams.len() == 1
    });
    other.kill();
    broker.wait_until_empty();
}

#[test]
fn kill_in_the_middle_of_a_message_leaves_nothing() {
    let broker = Broker::start();
    for cut in [1, 20, 60] {
        let mut camera = Actor::start("stutterer", broker.socket());
        camera.tell(&cut.to_string());
        camera.hear();
        camera.kill();
        broker.wait_until_empty();
    }
}

/// Plays a program that says only the beginning of what it has to say.
#[test]
fn stutterer() {
    let Some(socket) = child::socket() else { return };
    let cut: usize = child::hear().parse().unwrap();
    let mut raw = common::raw::Raw::connect(&socket);
    let call = wharf_protocol::Call::from(Register {
        label: "x".repeat(60),
    });
    raw.say(&wharf_protocol::codec::encode_call(&call).unwrap()[..cut]);
    child::tell("said");
    child::wait_for_the_end();
}
