//! Nothing is left of a broker in the process that ran it. Alone in its binary: it counts what the process has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use common::Client;
use wharf_broker::Embedded;
use wharf_protocol::{ImportBuffers, Incarnation, ObjectKind, Register, TakeChanges};

fn entries(of: &str) -> usize {
    std::fs::read_dir(of).unwrap().count()
}

/// Descriptors, mappings of shared memory, threads.
fn possessions() -> (usize, usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter(|line| line.contains("/memfd:")).count();
    (entries("/proc/self/fd"), mapped, entries("/proc/self/task"))
}

fn busy_round(broker: &Embedded) {
    let connect = |label: &str| {
        let mut client = Client::connect(broker.socket_path());
        client
            .call(Register {
                label: label.to_owned(),
            })
            .unwrap();
        client
    };
    let (mut camera, mut viewer, mut leaver) = (connect("camera"), connect("viewer"), connect("leaver"));
    let (set, _) = camera.allocate(1 << 20, 4);
    let token = camera.token(ObjectKind::Set, set.set.0, 1);
    viewer
        .call(ImportBuffers {
            token,
            contract: None,
        })
        .unwrap();
    let produced = camera.stream(8, 4);
    let token = camera.stream_token(produced.stream, 4);
    viewer.join(&token, 2).unwrap();
    camera
        .call(TakeChanges {
            stream: produced.stream,
            after: Incarnation(0),
        })
        .unwrap();
    leaver.join(&token, 1).unwrap();
    let pipe = rustix::pipe::pipe().unwrap();
    assert!(
        viewer
            .call_with(Register { label: String::new() }, &[&pipe.0])
            .is_err()
    );
}

#[test]
fn neither_sessions_nor_brokers_leave_anything_behind() {
    drop(Embedded::start().unwrap());
    let before = possessions();
    let broker = Embedded::start().unwrap();
    busy_round(&broker);
    let mut idle = possessions();
    for _ in 0..20 {
        busy_round(&broker);
    }
    common::wait_until("sessions are gone", || {
        let now = possessions();
        idle = (idle.0.min(now.0), idle.1.min(now.1), idle.2);
        now.1 == 0 && now.0 <= before.0 + 12
    });
    drop(broker);
    common::wait_until("the broker is gone", || possessions() == before);
}
