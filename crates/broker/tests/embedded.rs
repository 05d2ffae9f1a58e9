//! A broker inside the process that uses it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::Client;
use wharf_broker::Embedded;
use wharf_protocol::Register;

#[test]
fn embedded_broker_needs_no_setup_and_leaves_nothing() {
    let broker = Embedded::start().unwrap();
    let directory = broker.socket_path().parent().unwrap().to_owned();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut client = Client::connect(broker.socket_path());
    client
        .call(Register {
            label: "camera".to_owned(),
        })
        .unwrap();
    let produced = client.stream(2, 1);
    let status = produced.status;
    drop(broker);
    assert!(!directory.exists());
    assert_eq!(status.stream_state(), 0);
}

#[test]
fn embedded_brokers_live_side_by_side() {
    let (one, two) = (Embedded::start().unwrap(), Embedded::start().unwrap());
    assert_ne!(one.socket_path(), two.socket_path());
    Client::connect(one.socket_path());
    Client::connect(two.socket_path());
}
