//! Strangers that send anything at all. The broker outlives them, serves others meanwhile, and keeps nothing of theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::fd::AsFd;

use common::Broker;
use common::raw::Raw;
use proptest::prelude::*;
use wharf_protocol::codec::encode_call;
use wharf_protocol::{
    AllocateBuffers, Call, CreateStream, EndReason, EndStream, FreeBuffers, GetState, ImportBuffers,
    Incarnation, IssueToken, ObjectKind, Register, SetId, StreamId, TakeChanges, Token, WatchStream,
};
use wharf_stream::RING_PAGE_BYTES;

/// One write of a stranger.
#[derive(Clone, Debug)]
enum Utterance {
    Call(Call),
    /// Part of a call, as if more were to follow.
    Beginning(Call, usize),
    Bytes(Vec<u8>),
    Descriptors(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let id = || 0_u64..4;
    let name = String::new;
    prop_oneof![
        "[a-z\n]{0,70}".prop_map(|label| Register { label }.into()),
        (any::<u64>(), 0_u32..70).prop_map(move |(size_bytes, count)| AllocateBuffers {
            name: name(),
            size_bytes,
            count
        }
        .into()),
        (1_u64..9000, 1_u32..9).prop_map(move |(size_bytes, count)| AllocateBuffers {
            name: name(),
            size_bytes,
            count
        }
        .into()),
        id().prop_map(|set| FreeBuffers { set: SetId(set) }.into()),
        (id(), 0_u32..70).prop_map(move |(set, max_consumers)| CreateStream {
            set: SetId(set),
            name: name(),
            max_consumers,
            room_ms: None,
            polled: None,
            rotation: None,
        }
        .into()),
        (id(), any::<u32>()).prop_map(|(id, uses)| IssueToken {
            kind: ObjectKind::Set,
            id,
            uses
        }
        .into()),
        "[0-9a-f]{0,40}".prop_map(|token| ImportBuffers {
            token: Token::new(token),
            contract: None,
        }
        .into()),
        id().prop_map(|stream| TakeChanges {
            stream: StreamId(stream),
            after: Incarnation(0)
        }
        .into()),
        id().prop_map(|stream| EndStream {
            stream: StreamId(stream),
            reason: EndReason::Ended
        }
        .into()),
        id().prop_map(|stream| WatchStream {
            stream: StreamId(stream)
        }
        .into()),
        Just(GetState {}.into()),
    ]
}

fn utterance() -> impl Strategy<Value = Utterance> {
    prop_oneof![
        8 => call().prop_map(Utterance::Call),
        1 => (call(), any::<prop::sample::Index>()).prop_map(|(call, at)| Utterance::Beginning(call, at.index(40))),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Utterance::Bytes),
        2 => (1_usize..12).prop_map(Utterance::Descriptors),
    ]
}

impl Utterance {
    /// The bytes to write, and how many pages go along.
    fn written(&self) -> (Vec<u8>, usize) {
        match self {
            Self::Call(call) => (encode_call(call).unwrap(), call.expected_fds()),
            Self::Beginning(call, length) => (encode_call(call).unwrap()[..*length].to_vec(), 0),
            Self::Bytes(bytes) => (bytes.clone(), 0),
            Self::Descriptors(count) => (b"{".to_vec(), *count),
        }
    }
}

#[test]
fn strangers_that_send_anything_at_all_harm_nobody() {
    let broker = Broker::start();
    let somebody = std::cell::RefCell::new(broker.client("somebody else"));
    let page = common::page(RING_PAGE_BYTES);
    let stranger = prop::collection::vec(utterance(), 1..12);
    proptest!(ProptestConfig::with_cases(150), |(utterances in stranger)| {
        let mut stranger = Raw::connect(broker.socket());
        for utterance in &utterances {
            let (bytes, pages) = utterance.written();
            if pages == 0 {
                stranger.say(&bytes);
            } else if stranger.try_say_with(&bytes, &vec![page.as_fd(); pages]).is_err() {
                break;
            }
        }
        somebody.borrow_mut().call(GetState {}).unwrap();
    });
    drop(somebody);
    broker.wait_until_empty();
}
