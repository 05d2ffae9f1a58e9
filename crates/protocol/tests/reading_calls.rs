//! Calls as other implementations, and hostile ones, may send them.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_protocol::codec::{EncodeError, IncomingCall, RefusedCall, decode_call, encode_call};
use wharf_protocol::limits::MAX_CALL_BYTES;
use wharf_protocol::*;

/// The error a call is refused with.
fn refusal(message: impl AsRef<[u8]>) -> BrokerError {
    decode_call(message.as_ref())
        .expect_err("the call must be refused")
        .error
}

fn invalid_parameters(reason: &str) -> BrokerError {
    BrokerError::invalid("parameters", reason)
}

#[test]
fn parameters_may_be_absent_null_or_empty_where_there_are_none() {
    for parameters in [
        "",
        r#","parameters":null"#,
        r#","parameters":{}"#,
        r#","parameters": { }"#,
    ] {
        let message = format!(r#"{{"method":"dev.wharf.Broker.GetState"{parameters}}}"#);
        let incoming = decode_call(message.as_bytes());
        assert_eq!(
            incoming,
            Ok(IncomingCall {
                call: GetState {}.into(),
                oneway: false,
                more: false
            })
        );
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let message = br#" {"traceId":[1,{"a":null}],"parameters":{"set":5,"extra":"x"},"method":"dev.wharf.Broker.FreeBuffers"} "#;
    let incoming = decode_call(message).unwrap();
    assert_eq!(incoming.call, FreeBuffers { set: SetId(5) }.into());
}

#[test]
fn escaped_method_name_is_understood() {
    let message = br#"{"method":"dev.wharf.Broker.Get\u0053tate"}"#;
    assert_eq!(decode_call(message).unwrap().call, GetState {}.into());
}

#[test]
fn flags_are_read_and_null_is_no() {
    let read = |flags: &str| {
        let message = format!(r#"{{"method":"dev.wharf.Broker.GetState",{flags}}}"#);
        let incoming = decode_call(message.as_bytes()).unwrap();
        (incoming.oneway, incoming.more)
    };
    assert_eq!(read(r#""oneway":true"#), (true, false));
    assert_eq!(read(r#""more":true"#), (false, true));
    assert_eq!(
        read(r#""oneway":false,"more":null,"upgrade":false"#),
        (false, false)
    );
}

#[test]
fn optional_parameter_may_be_null_or_absent() {
    for stream in ["", r#","stream":null"#] {
        let message = format!(
            r#"{{"method":"dev.wharf.Broker.JoinStream","parameters":{{"token":"t","depth":1,"policy":"block"{stream}}}}}"#
        );
        let expected = JoinStream {
            token: Token::new("t"),
            depth: 1,
            policy: Policy::Block,
            stream: None,
            contract: None,
            needs: None,
            participant: None,
            wait_ms: None,
            polled: None,
        };
        assert_eq!(decode_call(message.as_bytes()).unwrap().call, expected.into());
    }
}

#[test]
fn unknown_method_and_unknown_interface_are_told_apart() {
    assert_eq!(
        refusal(r#"{"method":"dev.wharf.Broker.Fly"}"#),
        BrokerError::MethodNotFound {
            method: "dev.wharf.Broker.Fly".to_owned()
        }
    );
    assert_eq!(
        refusal(r#"{"method":"org.example.Other.Fly"}"#),
        BrokerError::InterfaceNotFound {
            interface: "org.example.Other".to_owned()
        }
    );
    assert_eq!(
        refusal(r#"{"method":"Fly"}"#),
        BrokerError::InterfaceNotFound {
            interface: "Fly".to_owned()
        }
    );
}

#[test]
fn refused_oneway_call_wants_no_answer() {
    let refused = decode_call(br#"{"method":"dev.wharf.Broker.Fly","oneway":true}"#);
    assert!(matches!(
        refused,
        Err(RefusedCall {
            error: BrokerError::MethodNotFound { .. },
            oneway: true
        })
    ));
}

#[test]
fn parameters_of_the_wrong_shape_are_refused_with_the_reason() {
    let refused = |method: &str, parameters: &str| {
        refusal(format!(
            r#"{{"method":"dev.wharf.Broker.{method}","parameters":{parameters}}}"#
        ))
        .to_string()
    };
    assert!(refused("Register", "{}").contains("missing field `label`"));
    assert!(refused("Register", r#"{"label":7}"#).contains("invalid type: integer `7`, expected a string"));
    assert!(refused("FreeBuffers", r#"{"set":-1}"#).contains("invalid value: integer `-1`, expected u64"));
    assert!(refused("FreeBuffers", r#"{"set":1.5}"#).contains("expected u64"));
    assert!(refused("FreeBuffers", r#"{"set":1e300}"#).contains("expected u64"));
    assert!(refused("FreeBuffers", r#"{"set":1,"set":2}"#).contains("duplicate field `set`"));
    assert!(
        refused(
            "AllocateBuffers",
            r#"{"name":"","size_bytes":1,"count":4294967296}"#
        )
        .contains("u32")
    );
    assert!(refused("IssueToken", r#"{"kind":"boat","id":1,"uses":1}"#).contains("unknown variant `boat`"));
}

#[test]
fn parameters_that_are_no_object_are_refused() {
    let not_object = invalid_parameters("they are not a JSON object");
    for parameters in ["[5]", "5", "\"set\"", "true"] {
        let message = format!(r#"{{"method":"dev.wharf.Broker.FreeBuffers","parameters":{parameters}}}"#);
        assert_eq!(refusal(message), not_object);
    }
}

#[test]
fn upgrade_to_another_protocol_is_refused() {
    let refused = refusal(r#"{"method":"dev.wharf.Broker.GetState","upgrade":true}"#);
    assert_eq!(
        refused,
        BrokerError::InvalidParameter {
            parameter: "upgrade".to_owned()
        }
    );
}

#[test]
fn message_that_is_no_call_is_a_protocol_violation() {
    let deep = "[".repeat(60_000);
    let messages: [&[u8]; 12] = [
        b"",
        b"   ",
        b"null",
        b"{}",
        b"{",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe{}",
        br#"["dev.wharf.Broker.GetState"]"#,
        br#"{"method":7}"#,
        br#"{"method":"a.B"} {"method":"a.B"}"#,
        br#"{"method":"a.B","method":"a.C"}"#,
        deep.as_bytes(),
    ];
    for message in messages {
        let error = refusal(message);
        assert!(
            matches!(error, BrokerError::ProtocolViolation { .. }),
            "{error:?}"
        );
        assert_eq!(error.fault(), Fault::Peer);
    }
}

#[test]
fn deeply_nested_parameters_are_refused_without_overflowing_the_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let (opened, closed) = (open.repeat(10_000), close.repeat(10_000));
        let message = format!(
            r#"{{"method":"dev.wharf.Broker.FreeBuffers","parameters":{{"set":{opened}0{closed}}}}}"#
        );
        assert!(decode_call(message.as_bytes()).is_err());
    }
}

#[test]
fn what_a_peer_sent_is_repeated_only_in_part_and_without_control_characters() {
    let name = format!("dev.wharf.Broker.\\u001b[31m{}", "é".repeat(5000));
    let text = refusal(format!(r#"{{"method":"{name}"}}"#)).to_string();
    assert!(text.chars().count() < 300, "{text}");
    assert!(!text.contains(char::is_control), "{text}");
}

#[test]
fn call_the_broker_would_refuse_is_not_written() {
    let call = Call::from(Register {
        label: "x".repeat(MAX_CALL_BYTES),
    });
    let written = encode_call(&call);
    assert!(matches!(
        written,
        Err(EncodeError::TooLarge {
            limit_bytes: MAX_CALL_BYTES,
            ..
        })
    ));
}

#[test]
fn fds_are_expected_where_the_description_says_so_and_registration_where_something_is_changed() {
    let page = |call: Call| (call.expected_fds(), call.needs_registration());
    let join = JoinStream {
        token: Token::new(""),
        depth: 1,
        policy: Policy::Latest,
        stream: None,
        contract: None,
        needs: None,
        participant: None,
        wait_ms: None,
        polled: None,
    };

    assert_eq!(
        page(
            CreateStream {
                set: SetId(1),
                name: String::new(),
                max_consumers: 1,
                room_ms: None,
                polled: None,
                rotation: None,
            }
            .into()
        ),
        (1, true)
    );
    assert_eq!(page(join.into()), (1, true));
    let create = CreateTimeline { name: String::new() };
    let import = ImportTimeline {
        token: Token::new("t"),
        cell: 8,
    };
    let drop = DropTimeline {
        timeline: TimelineId(1),
    };
    assert_eq!(page(create.into()), (1, true));
    assert_eq!(page(import.into()), (1, true));
    assert_eq!(page(drop.into()), (0, true));
    assert_eq!(
        page(
            EndStream {
                stream: StreamId(1),
                reason: EndReason::Ended
            }
            .into()
        ),
        (0, true)
    );
    assert_eq!(page(Register { label: String::new() }.into()), (0, false));
    assert_eq!(page(GetState {}.into()), (0, false));
    assert_eq!(page(WatchStream { stream: StreamId(1) }.into()), (0, false));
    assert_eq!(page(GetInfo {}.into()), (0, false));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_call(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_reading_panic(
        text in r#"\{("method"|"error"|"parameters"|"set"|[a-z\[\]{}:,"0-9. \\]|"dev\.wharf\.Broker\.FreeBuffers"){0,40}\}?"#,
    ) {
        let _ = decode_call(text.as_bytes());
    }
}
