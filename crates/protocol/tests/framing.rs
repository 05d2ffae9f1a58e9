//! A byte stream is cut into messages, and each message gets the descriptors that came with it.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_protocol::BrokerError;
use wharf_protocol::codec::{DecodeError, Decoder, Message};

/// What a sender writes: a message, and how many descriptors go with its first byte.
type Write = (Vec<u8>, usize);

/// One read: bytes and descriptors.
type Read = (Vec<u8>, Vec<u32>);

fn message(bytes: &[u8], fds: &[u32]) -> Message<u32> {
    Message {
        bytes: bytes.to_vec(),
        fds: fds.to_vec(),
    }
}

fn drain(decoder: &mut Decoder<u32>) -> Vec<Message<u32>> {
    std::iter::from_fn(|| decoder.next_message())
        .collect::<Result<_, _>>()
        .expect("within the limits")
}

fn decode(reads: &[Read]) -> Vec<Message<u32>> {
    let mut decoder = Decoder::new(1 << 16, 253);
    let mut messages = Vec::new();
    for (bytes, fds) in reads {
        decoder.push(bytes, fds.clone());
        messages.append(&mut drain(&mut decoder));
    }
    messages
}

/// The messages a sender meant: each with its own descriptors, numbered through.
fn meant(writes: &[Write]) -> Vec<Message<u32>> {
    let mut number = 0..;
    writes
        .iter()
        .map(|(bytes, count)| Message {
            bytes: bytes.clone(),
            fds: number.by_ref().take(*count).collect(),
        })
        .collect()
}

/// What reads of the given sizes return on Linux: a read ends when it is full, or with the write whose descriptors it
/// returns, or when nothing is left.
fn kernel_reads(writes: &[Write], sizes: &[usize]) -> Vec<Read> {
    let mut stream: Vec<(Vec<u8>, Vec<u32>)> = meant(writes)
        .into_iter()
        .map(|message| ([message.bytes, vec![0]].concat(), message.fds))
        .rev()
        .collect();
    let mut sizes = sizes.iter().cycle();
    let mut reads = Vec::new();
    while !stream.is_empty() {
        let size = sizes.next().copied().unwrap_or(1);
        reads.push(kernel_read(&mut stream, size));
    }
    reads
}

/// One read from a stream whose next write is at the end of `stream`.
fn kernel_read(stream: &mut Vec<Read>, size: usize) -> Read {
    let mut read = (Vec::new(), Vec::new());
    while read.0.len() < size && read.1.is_empty() {
        let Some((mut bytes, fds)) = stream.pop() else {
            break;
        };
        let rest = bytes.split_off(bytes.len().min(size - read.0.len()));
        read.0.extend(bytes);
        read.1 = fds;
        if !rest.is_empty() {
            stream.push((rest, Vec::new()));
        }
    }
    read
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    vec(
        (vec(1..=255_u8, 0..20), prop_oneof![Just(0_usize), 0..4_usize]),
        1..8,
    )
}

proptest! {
    #[test]
    fn descriptors_stay_with_their_message_however_the_stream_is_read(
        writes in writes(),
        sizes in vec(1..40_usize, 1..8),
    ) {
        prop_assert_eq!(decode(&kernel_reads(&writes, &sizes)), meant(&writes));
    }

    #[test]
    fn garbage_within_the_limit_is_cut_at_each_nul_and_nothing_else(chunks in vec(vec(any::<u8>(), 0..50), 0..8)) {
        let reads: Vec<Read> = chunks.iter().map(|chunk| (chunk.clone(), Vec::new())).collect();
        let all = chunks.concat();
        let expected: Vec<_> = all.split(|byte| *byte == 0).map(|part| message(part, &[])).collect();

        prop_assert_eq!(decode(&reads), &expected[..expected.len() - 1]);
    }
}

#[test]
fn stream_split_at_every_byte_gives_the_same_messages() {
    let stream = b"{\"method\":\"a.B\"}\0{}\0\0{\"method\":\"a.C\"}\0";
    let whole = decode(&[(stream.to_vec(), vec![])]);
    assert_eq!(whole.len(), 4);

    for at in 0..=stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(
            decode(&[(left.to_vec(), vec![]), (right.to_vec(), vec![])]),
            whole,
            "split at {at}"
        );
    }
    let bytewise: Vec<Read> = stream.iter().map(|byte| (vec![*byte], vec![])).collect();
    assert_eq!(decode(&bytewise), whole);
}

#[test]
fn read_that_begins_with_an_earlier_message_gives_descriptors_to_the_last_one() {
    let messages = decode(&[(b"first\0second\0".to_vec(), vec![7, 8])]);
    assert_eq!(messages, [message(b"first", &[]), message(b"second", &[7, 8])]);
}

#[test]
fn descriptors_wait_for_the_rest_of_their_message() {
    let messages = decode(&[
        (b"first\0sec".to_vec(), vec![7]),
        (b"ond\0third\0".to_vec(), vec![]),
    ]);
    assert_eq!(
        messages,
        [
            message(b"first", &[]),
            message(b"second", &[7]),
            message(b"third", &[])
        ]
    );
}

#[test]
fn descriptors_with_an_empty_message_stay_with_it() {
    let messages = decode(&[(b"\0".to_vec(), vec![7]), (b"x\0".to_vec(), vec![])]);
    assert_eq!(messages, [message(b"", &[7]), message(b"x", &[])]);
}

#[test]
fn message_of_exactly_the_limit_is_accepted() {
    let mut decoder = Decoder::<u32>::new(4, 0);
    decoder.push(b"abc\0abc\0", vec![]);
    assert_eq!(drain(&mut decoder), [message(b"abc", &[]), message(b"abc", &[])]);
}

#[test]
fn message_beyond_the_limit_is_refused_complete_or_not() {
    for stream in [&b"abcd\0"[..], b"abcd", b"abcdefgh"] {
        let mut decoder = Decoder::<u32>::new(4, 0);
        decoder.push(stream, vec![]);
        assert_eq!(
            decoder.next_message(),
            Some(Err(DecodeError::MessageTooLarge { limit_bytes: 4 }))
        );
        assert_eq!(decoder.next_message(), None, "the error comes once");
    }
}

#[test]
fn complete_messages_before_an_oversized_one_are_still_delivered() {
    let mut decoder = Decoder::<u32>::new(4, 0);
    decoder.push(b"ab\0too long\0", vec![]);
    assert_eq!(decoder.next_message(), Some(Ok(message(b"ab", &[]))));
    assert_eq!(
        decoder.next_message(),
        Some(Err(DecodeError::MessageTooLarge { limit_bytes: 4 }))
    );
}

#[test]
fn more_waiting_descriptors_than_the_limit_are_refused() {
    let mut decoder = Decoder::new(100, 3);
    decoder.push(b"a", vec![1, 2]);
    assert_eq!(decoder.next_message(), None);
    decoder.push(b"b", vec![3, 4]);
    assert_eq!(
        decoder.next_message(),
        Some(Err(DecodeError::TooManyFds { count: 4, limit: 3 }))
    );
}

#[test]
fn descriptors_already_delivered_do_not_count_against_the_limit() {
    let mut decoder = Decoder::new(100, 2);
    for _ in 0..10 {
        decoder.push(b"a\0", vec![1, 2]);
        assert_eq!(drain(&mut decoder), [message(b"a", &[1, 2])]);
    }
}

#[test]
fn broken_decoder_drops_what_comes_later() {
    let counted = std::rc::Rc::new(());
    let mut decoder = Decoder::new(4, 8);
    decoder.push(b"ab", vec![counted.clone()]);
    decoder.push(b"cdef", vec![counted.clone()]);
    assert!(matches!(
        decoder.next_message(),
        Some(Err(DecodeError::MessageTooLarge { .. }))
    ));

    decoder.push(b"a\0", vec![counted.clone()]);
    assert!(decoder.next_message().is_none());
    assert_eq!(std::rc::Rc::strong_count(&counted), 1, "no descriptor is kept");
}

#[test]
fn limits_become_errors_the_peer_is_blamed_for() {
    use wharf_protocol::Fault;

    let large = BrokerError::from(DecodeError::MessageTooLarge { limit_bytes: 65536 });
    let fds = BrokerError::from(DecodeError::TooManyFds { count: 9, limit: 8 });

    assert_eq!(large, BrokerError::MessageTooLarge { limit_bytes: 65536 });
    assert_eq!(
        fds.to_string(),
        "protocol violation by the caller: the peer sent 9 file descriptors, 8 are accepted"
    );
    assert_eq!((large.fault(), fds.fault()), (Fault::Peer, Fault::Peer));
}
