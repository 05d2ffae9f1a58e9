//! A broker with a camera, a viewer and an encoder that is in the camera's way, for tests.

use std::collections::BTreeMap;
use std::path::Path;

use wharf_protocol::{
    Amounts, BrokerState, GetStateReply, Incarnation, Member, MoveState, NegotiationState, OldMemory, Policy,
    SessionId, SessionState, SetId, SetState, SetStatus, Slot, StreamId, StreamState, TimelineId,
    TimelineState, UserState,
};
use wharf_stream::stats::{ConsumerLook, Hold, ProducerLook};

use super::Document;
use crate::look::{Sample, StreamLook};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// Two moments, a second apart, as a document.
pub(crate) fn document() -> Document {
    Document::new(Path::new("/run/wharf-0"), &later(), Some(&earlier()))
}

/// What there is at second 10.
pub(crate) fn earlier() -> Sample {
    Sample {
        taken_ns: 10 * S,
        state: state(),
        streams: BTreeMap::from([(
            StreamId(1),
            StreamLook {
                producer: ProducerLook {
                    published: 300,
                    waits: 1,
                    waited_ns: 5 * MS,
                    ..ProducerLook::default()
                },
                consumers: BTreeMap::from([
                    (Incarnation(1), consumer(280, 20, MS, &[])),
                    (Incarnation(2), consumer(50, 0, 40 * MS, &[])),
                ]),
            },
        )]),
    }
}

/// What there is at second 11.
pub(crate) fn later() -> Sample {
    let mut sample = earlier();
    sample.taken_ns = 11 * S;
    let look = StreamLook {
        producer: ProducerLook {
            published: 330,
            waits: 3,
            waited_ns: 105 * MS,
            waiting_since_ns: Some(11 * S - 400 * MS),
            blocked_by: 0b10,
            failures: 2,
            taken_back: 7,
            wakes: 30,
        },
        consumers: BTreeMap::from([
            (Incarnation(1), consumer(305, 25, MS, &[])),
            (Incarnation(2), consumer(60, 0, 40 * MS, &[(2, 328), (3, 329)])),
        ]),
    };
    sample.streams.insert(StreamId(1), look);
    sample
}

/// Someone who has received so many frames: the first 40 quickly, the rest after `latency_ns`.
fn consumer(received: u64, skipped: u64, latency_ns: u64, holds: &[(usize, u64)]) -> ConsumerLook {
    let hold = |&(buffer, seq): &(usize, u64)| Hold {
        buffer,
        seq,
        since_ns: 11 * S - 450 * MS,
    };
    ConsumerLook {
        latency: (0..received)
            .map(|frame| if frame < 40 { 1000 } else { latency_ns })
            .collect(),
        skipped,
        waits: received,
        waited_ns: received * 10 * MS,
        queued: holds.len() as u64,
        holds: holds.iter().map(hold).collect(),
    }
}

fn state() -> GetStateReply {
    GetStateReply {
        broker: BrokerState {
            pid: 100,
            uid: 1000,
            version: "0.1.0".to_owned(),
        },
        sessions: vec![
            session(1, "camera", &[1], &[1], &[]),
            session(2, "viewer", &[], &[], &[1]),
            session(3, "encoder", &[2], &[2], &[1]),
        ],
        sets: sets(),
        streams: vec![
            stream(
                1,
                "preview",
                1,
                &[(1, "viewer", Policy::Latest), (2, "encoder", Policy::Block)],
            ),
            stream(2, "packets", 3, &[]),
        ],
        timelines: vec![TimelineState {
            timeline: TimelineId(1),
            name: "rendered".to_owned(),
            owner: SessionId(1),
            uid: 1000,
            importers: vec![SessionId(3)],
        }],
        users: vec![UserState {
            uid: 1000,
            used: amounts(&[33_177_600, 5, 3, 2, 25]),
            limit: amounts(&[1 << 25, 1024, 64, 64, 4096]),
        }],
        truncated: false,
    }
}

fn session(id: u64, label: &str, sets: &[u64], produced: &[u64], joined: &[u64]) -> SessionState {
    SessionState {
        session: SessionId(id),
        label: label.to_owned(),
        pid: 100 + u32::try_from(id).unwrap_or(0),
        uid: 1000,
        sets_owned: sets.iter().map(|set| SetId(*set)).collect(),
        sets_imported: vec![],
        streams_produced: produced.iter().map(|stream| StreamId(*stream)).collect(),
        streams_joined: joined.iter().map(|stream| StreamId(*stream)).collect(),
        bytes: if sets == [1] { 33_177_600 } else { 0 },
        fds: 8,
    }
}

fn sets() -> Vec<SetState> {
    let negotiated = NegotiationState {
        status: SetStatus::Moving,
        heaps: vec!["memfd-huge".to_owned()],
        missing: vec![],
        seats: vec![],
    };
    let frames = SetState {
        set: SetId(1),
        name: "frames".to_owned(),
        owner: SessionId(1),
        uid: 1000,
        generation: 2,
        size_bytes: 8_294_400,
        count: 4,
        sealed: true,
        importers: vec![],
        moving: Some(MoveState {
            generation: 3,
            waits_for: vec![SessionId(3)],
        }),
        old: vec![OldMemory {
            generation: 1,
            bytes: 1 << 20,
            kept_by: vec![SessionId(2)],
        }],
        stream: Some(StreamId(1)),
        negotiation: Some(negotiated),
    };
    let packets = SetState {
        set: SetId(2),
        name: "packets".to_owned(),
        owner: SessionId(3),
        generation: 1,
        size_bytes: 4096,
        count: 1,
        moving: None,
        old: vec![],
        stream: Some(StreamId(2)),
        negotiation: None,
        ..frames.clone()
    };
    vec![frames, packets]
}

fn stream(id: u64, name: &str, producer: u64, consumers: &[(u64, &str, Policy)]) -> StreamState {
    let member = |(slot, (incarnation, label, policy)): (u32, &(u64, &str, Policy))| Member {
        slot: Slot(slot),
        incarnation: Incarnation(*incarnation),
        label: (*label).to_owned(),
        pid: 102 + slot,
        uid: 1000,
        depth: 2,
        policy: *policy,
        polls: false,
    };
    StreamState {
        stream: StreamId(id),
        name: name.to_owned(),
        producer: SessionId(producer),
        uid: 1000,
        set: SetId(id),
        max_consumers: 8,
        members: (0..).zip(consumers).map(member).collect(),
        rotation_due: false,
    }
}

fn amounts(amounts: &[u64; 5]) -> Amounts {
    let [bytes, buffers, sessions, streams, fds] = *amounts;
    Amounts {
        bytes,
        buffers,
        sessions,
        streams,
        fds,
    }
}
