//! Replies as other implementations, and hostile ones, may send them.

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_protocol::codec::{EncodeError, ReplyError, decode_reply, encode_reply};
use wharf_protocol::limits::MAX_REPLY_BYTES;
use wharf_protocol::*;

#[test]
fn reply_without_parameters_is_an_empty_one() {
    for reply in [
        "{}",
        r#"{"parameters":null}"#,
        r#"{"parameters":{},"continues":false}"#,
    ] {
        assert_eq!(decode_reply(reply.as_bytes()), Ok(Done {}));
    }
}

#[test]
fn error_without_fields_may_come_with_empty_parameters() {
    for parameters in ["", r#","parameters":null"#, r#","parameters":{}"#] {
        let message = format!(r#"{{"error":"dev.wharf.Broker.TokenUsedUp"{parameters}}}"#);
        let read = decode_reply::<Done>(message.as_bytes());
        assert_eq!(read, Err(ReplyError::Broker(BrokerError::TokenUsedUp)));
    }
}

#[test]
fn unknown_error_is_reported_by_name() {
    let read = decode_reply::<Done>(br#"{"error":"dev.wharf.Broker.TooWindy","parameters":{"knots":40}}"#);
    let text = read.unwrap_err().to_string();
    assert_eq!(
        text,
        r#"the broker answered with the unknown error dev.wharf.Broker.TooWindy {"knots":40}"#
    );
}

#[test]
fn known_error_with_unreadable_parameters_is_never_taken_for_success() {
    for message in [
        r#"{"error":"dev.wharf.Broker.NoSuchSet"}"#,
        r#"{"error":"dev.wharf.Broker.NoSuchSet","parameters":[1]}"#,
    ] {
        let read = decode_reply::<Done>(message.as_bytes());
        assert!(
            matches!(read, Err(ReplyError::Unknown { .. } | ReplyError::Broker(_))),
            "{read:?}"
        );
    }
}

#[test]
fn reply_of_another_shape_is_malformed() {
    let messages: [&[u8]; 6] = [
        b"",
        b"[]",
        b"{\"parameters\":{}}",
        b"{\"parameters\":[3]}",
        b"{\"parameters\":{\"stream\":\"three\"}}",
        b"{\"parameters\":{\"stream\":3},\"continues\":true}",
    ];
    for message in messages {
        let read = decode_reply::<CreateStreamReply>(message);
        assert!(matches!(read, Err(ReplyError::Malformed { .. })), "{read:?}");
    }
}

#[test]
fn reply_a_client_would_refuse_is_not_written() {
    let description = GetInterfaceDescriptionReply {
        description: "x".repeat(MAX_REPLY_BYTES),
    };
    let written = encode_reply(&Reply::GetInterfaceDescription(description));
    assert!(matches!(
        written,
        Err(EncodeError::TooLarge {
            limit_bytes: MAX_REPLY_BYTES,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_reply::<GetStateReply>(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_reading_panic(
        text in r#"\{("method"|"error"|"parameters"|"set"|[a-z\[\]{}:,"0-9. \\]|"dev\.wharf\.Broker\.FreeBuffers"){0,40}\}?"#,
    ) {
        let _ = decode_reply::<GetStateReply>(text.as_bytes());
    }
}
