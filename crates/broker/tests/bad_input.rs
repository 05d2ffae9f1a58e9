//! What peers should not send. Whoever does loses at most its own session, and is told why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::io::Read;
use std::os::fd::AsFd;

use common::raw::Raw;
use common::{Broker, page};
use wharf_protocol::codec::encode_call;
use wharf_protocol::limits::MAX_CALL_BYTES;
use wharf_protocol::{
    BrokerError, Call, CreateStream, GetState, ImportBuffers, ObjectKind, Register, SetId, Target, Token,
};
use wharf_stream::RING_PAGE_BYTES;

/// Another client is served, and nothing is left of the one before.
fn assert_unharmed(broker: &Broker) {
    broker.client("somebody else").allocate(4096, 1);
    broker.wait_until_empty();
}

fn register() -> Vec<u8> {
    encode_call(&Call::from(Register {
        label: "stranger".to_owned(),
    }))
    .unwrap()
}

#[test]
fn garbage_is_answered_and_ends_the_session() {
    let broker = Broker::start();
    let messages: [&[u8]; 8] = [
        b"",
        b"garbage",
        b"\xff\xfe\xfd",
        b"[]",
        b"null",
        b"{}",
        b"{\"method\":5}",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    for message in messages {
        let mut stranger = Raw::connect(broker.socket());
        stranger.say(&register());
        stranger.hear().unwrap();
        stranger.say(message);
        stranger.say(b"\0");
        let error = stranger.hear_error();
        assert!(matches!(error, BrokerError::ProtocolViolation { .. }), "{error}");
        assert_eq!(stranger.hear(), None, "the broker hangs up");
    }
    assert_unharmed(&broker);
}

#[test]
fn mistakes_are_answered_and_the_session_goes_on() {
    let broker = Broker::start();
    let mut client = Raw::connect(broker.socket());
    let nested = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep = format!(r#"{{"method":"dev.wharf.Broker.Register","parameters":{{"label":{nested}}}}}"#);
    let cases = [
        (deep.as_str(), "InvalidArgument"),
        (r#"{"method":"org.example.Fly"}"#, "InterfaceNotFound"),
        (r#"{"method":"dev.wharf.Broker.Fly"}"#, "MethodNotFound"),
        (r#"{"method":"dev.wharf.Broker.Register"}"#, "InvalidArgument"),
        (
            r#"{"method":"dev.wharf.Broker.Register","parameters":[]}"#,
            "InvalidArgument",
        ),
        (
            r#"{"method":"dev.wharf.Broker.Register","parameters":{"label":"\u0000"}}"#,
            "InvalidArgument",
        ),
        (
            r#"{"method":"dev.wharf.Broker.FreeBuffers","parameters":{"set":-1}}"#,
            "InvalidArgument",
        ),
        (
            r#"{"method":"org.varlink.service.GetInfo","upgrade":true}"#,
            "InvalidParameter",
        ),
    ];
    for (message, expected) in cases {
        client.say(message.as_bytes());
        client.say(b"\0");
        let error = format!("{:?}", client.hear_error());
        assert!(error.starts_with(expected), "{message}: {error}");
    }
    client.say(&register());
    assert!(client.hear().unwrap().starts_with(b"{\"parameters\""));
}

#[test]
fn oversized_message_is_answered_and_ends_the_session() {
    let broker = Broker::start();
    let mut stranger = Raw::connect(broker.socket());
    stranger.say(&vec![b' '; 4 * MAX_CALL_BYTES]);
    let expected = BrokerError::MessageTooLarge {
        limit_bytes: MAX_CALL_BYTES as u64,
    };
    assert_eq!(stranger.hear_error(), expected);
    assert_eq!(stranger.hear(), None);
    assert_unharmed(&broker);
}

#[test]
fn largest_message_is_accepted() {
    let broker = Broker::start();
    let mut client = Raw::connect(broker.socket());
    let mut message = br#"{"method":"org.varlink.service.GetInfo"}"#.to_vec();
    message.resize(MAX_CALL_BYTES - 1, b' ');
    message.push(0);
    client.say(&message);
    assert!(client.hear().unwrap().starts_with(b"{\"parameters\""));
}

#[test]
fn half_a_message_holds_nobody_up() {
    let broker = Broker::start();
    let mut slow = Raw::connect(broker.socket());
    let message = register();
    let (first, rest) = message.split_at(20);
    slow.say(first);
    broker.client("somebody else").allocate(4096, 1);
    slow.say(rest);
    assert!(
        slow.hear().unwrap().starts_with(b"{\"parameters\""),
        "it is complete in the end"
    );
    slow.say(first);
    drop(slow);
    assert_unharmed(&broker);
}

#[test]
fn calls_sent_before_hanging_up_for_writing_are_answered() {
    let broker = Broker::start();
    let mut client = Raw::connect(broker.socket());
    client.say(&encode_call(&Call::from(GetState {})).unwrap());
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.0.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"{\"parameters\"") && answer.ends_with(b"\0"));
}

#[test]
fn too_many_descriptors_end_the_session() {
    let broker = Broker::start();
    let mut stranger = Raw::connect(broker.socket());
    let page = page(4096);
    stranger.say_with(b"{", &[page.as_fd(); 9]);
    let error = stranger.hear_error();
    assert!(matches!(error, BrokerError::ProtocolViolation { .. }), "{error}");
    assert_eq!(stranger.hear(), None);
    assert_unharmed(&broker);
}

#[test]
fn descriptors_with_a_call_that_takes_none_are_refused() {
    let broker = Broker::start();
    let mut client = broker.connect();
    let page = page(4096);
    let error = client
        .call_with(
            Register {
                label: "x".to_owned(),
            },
            &[&page],
        )
        .unwrap_err();
    assert!(matches!(error, BrokerError::InvalidArgument { field, .. } if field == "fds"));
    client
        .call(Register {
            label: "x".to_owned(),
        })
        .unwrap();
}

#[test]
fn wrong_used_up_and_other_tokens_are_told_apart() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let set = camera.allocate(4096, 4).0.set;
    let produced = camera.stream(4, 1);
    let wrong = Token::new("00000000000000000000000000000000");
    assert_eq!(viewer.join(&wrong, 1).unwrap_err(), BrokerError::TokenUnknown);
    let token = camera.token(ObjectKind::Set, set.0, 1);
    viewer
        .call(ImportBuffers {
            token: token.clone(),
            contract: None,
        })
        .unwrap();
    assert_eq!(
        viewer
            .call(ImportBuffers {
                token,
                contract: None
            })
            .unwrap_err(),
        BrokerError::TokenUsedUp
    );
    let token = camera.stream_token(produced.stream, 1);
    let error = viewer
        .call(ImportBuffers {
            token,
            contract: None,
        })
        .unwrap_err();
    let expected = Target {
        kind: ObjectKind::Set,
        id: None,
    };
    let actual = Target {
        kind: ObjectKind::Stream,
        id: Some(produced.stream.0),
    };
    assert_eq!(error, BrokerError::TokenForOther { expected, actual });
}

#[test]
fn more_consumers_than_a_stream_supports_are_refused() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let produced = camera.stream(8, 2);
    let token = camera.stream_token(produced.stream, 9);
    viewer.join(&token, 1).unwrap();
    viewer.join(&token, 1).unwrap();
    assert_eq!(
        viewer.join(&token, 1).unwrap_err(),
        BrokerError::StreamFull { max: 2 }
    );
    let ring = page(RING_PAGE_BYTES);
    let call = CreateStream {
        set: SetId(1),
        name: String::new(),
        max_consumers: 65,
        room_ms: None,
        polled: None,
        rotation: None,
    };
    assert!(matches!(
        camera.call_with(call, &[&ring]),
        Err(BrokerError::InvalidArgument { .. })
    ));
}
