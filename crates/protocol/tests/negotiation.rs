//! Needs, plans and reports on the wire, and needs that are none.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

use std::fmt::Write;

use proptest::prelude::*;
use wharf_core::layout::Fourcc;
use wharf_protocol::codec::{EncodeError, decode_call, encode_call};
use wharf_protocol::{BrokerError, BufferPlan, Call, Object, TakeSeat, Token};

/// Sends a declaration as text.
fn declare(participant: &str) -> Result<Call, BrokerError> {
    let message = format!(
        r#"{{"method":"dev.wharf.Broker.TakeSeat","parameters":{{"token":"t","participant":{participant}}}}}"#
    );
    decode_call(message.as_bytes())
        .map(|incoming| incoming.call)
        .map_err(|refused| refused.error)
}

fn is_refused(participant: &str) {
    let error = declare(participant).expect_err(participant);
    assert!(
        matches!(error, BrokerError::InvalidArgument { .. }),
        "{participant}: {error}"
    );
    assert!(error.to_string().len() < 1000, "{error}");
}

#[test]
fn declaration_as_other_programs_write_it_is_read() {
    let call = declare(
        r#"{"id":7,"pid":1,"label":"viewer","access":"read_only","functions":[{"name":"sample","camping":2}],
            "contract":"static","presence":{"optional":{"priority":3}}}"#,
    );
    let Ok(Call::TakeSeat(TakeSeat {
        participant: Object(participant),
        ..
    })) = call
    else {
        panic!("{call:?}");
    };
    assert_eq!((&*participant.label, participant.pid), ("viewer", Some(1)));
}

#[test]
fn nonsense_is_refused_and_named_in_few_words() {
    for participant in [
        "null",
        "7",
        "[]",
        r#""viewer""#,
        "{}",
        r#"{"id":1}"#,
        r#"{"id":1,"label":"x","functions":[]}"#,
        r#"{"id":1,"label":"","functions":[{"name":"f"}]}"#,
        r#"{"id":1,"label":"x","label":"y","functions":[{"name":"f"}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f"},{"name":"f"}]}"#,
        r#"{"id":1,"label":"x","surprise":1,"functions":[{"name":"f"}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f","camping":-1}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f","camping":1e99}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f","min_size_bytes":8,"max_size_bytes":4}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f","base_align_bytes":3}]}"#,
        r#"{"id":1,"label":"x","functions":[{"name":"f","max_segments":0}]}"#,
        r#"{"id":18446744073709551616,"label":"x","functions":[{"name":"f"}]}"#,
    ] {
        is_refused(participant);
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    is_refused(&deep);
    is_refused(&format!(r#"{{"id":1,"label":"x","functions":{deep}}}"#));

    let mut functions = String::new();
    for number in 0..10_000 {
        let comma = if number == 0 { "" } else { "," };
        write!(functions, r#"{comma}{{"name":"f{number}"}}"#).expect("text");
    }
    is_refused(&format!(r#"{{"id":1,"label":"x","functions":[{functions}]}}"#));

    let long = "x".repeat(70_000);
    let participant =
        wharf_core::negotiation::Participant::new(wharf_core::negotiation::ParticipantId(1), &long);
    let call = TakeSeat {
        token: Token::new("t"),
        participant: Object(participant),
    };
    assert!(matches!(
        encode_call(&call.into()),
        Err(EncodeError::TooLarge { .. })
    ));
}

#[test]
fn text_of_a_generation_that_is_no_plan_has_no_layout() {
    for text in [
        "",
        "{}",
        "[1]",
        "plan of the producer",
        r#"{"memories":[],"heaps":[],"image":7}"#,
    ] {
        assert_eq!(BufferPlan::read(text), None, "{text}");
    }
    let absurd = r#"{"image":{"format":{"fourcc":"NV12","tiling":"linear"},"size":{"width":1920,"height":1080},"required":[],
        "planes":[{"memory":0,"offset_bytes":0,"stride_bytes":1,"rows":1,"size_bytes":1}]},"memories":[],"heaps":[]}"#;
    if let Some(plan) = BufferPlan::read(absurd) {
        assert_eq!(plan.layout(), None);
    }
    assert_eq!(Fourcc::NV12.to_string(), "NV12");
}

proptest! {
    #[test]
    fn any_text_instead_of_needs_is_refused_or_read(text in ".{0,200}") {
        // Whatever it is: no panic, and nothing but an answer to its sender.
        if let Err(error) = declare(&text) {
            let is_answer = matches!(error, BrokerError::InvalidArgument { .. } | BrokerError::ProtocolViolation { .. });
            prop_assert!(is_answer);
        }
    }
}
