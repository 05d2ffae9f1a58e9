//! Generators of the replies.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wharf_protocol::*;

use super::{number, policy, text, token};

pub(crate) fn register() -> impl Strategy<Value = RegisterReply> {
    (number(), any::<u32>(), any::<u32>()).prop_map(|(session, pid, uid)| RegisterReply {
        session: SessionId(session),
        pid,
        uid,
    })
}

pub(crate) fn allocate_buffers() -> impl Strategy<Value = AllocateBuffersReply> {
    (number(), number(), number()).prop_map(|(set, generation, size_bytes)| AllocateBuffersReply {
        set: SetId(set),
        generation,
        size_bytes,
    })
}

pub(crate) fn create_stream() -> impl Strategy<Value = CreateStreamReply> {
    number().prop_map(|stream| CreateStreamReply {
        stream: StreamId(stream),
    })
}

pub(crate) fn issue_token() -> impl Strategy<Value = IssueTokenReply> {
    token().prop_map(|token| IssueTokenReply { token })
}

pub(crate) fn import_buffers() -> impl Strategy<Value = ImportBuffersReply> {
    (number(), number(), text(), number(), any::<u32>(), text()).prop_map(
        |(set, generation, name, size_bytes, count, plan)| ImportBuffersReply {
            set: SetId(set),
            generation,
            name,
            size_bytes,
            count,
            plan,
        },
    )
}

pub(crate) fn move_buffers() -> impl Strategy<Value = MoveBuffersReply> {
    number().prop_map(|generation| MoveBuffersReply { generation })
}

pub(crate) fn get_move() -> impl Strategy<Value = GetMoveReply> {
    any::<bool>().prop_map(|committed| GetMoveReply { committed })
}

pub(crate) fn take_generation() -> impl Strategy<Value = TakeGenerationReply> {
    (number(), any::<u32>(), text()).prop_map(|(size_bytes, count, plan)| TakeGenerationReply {
        size_bytes,
        count,
        plan,
    })
}

pub(crate) fn get_generation() -> impl Strategy<Value = GetGenerationReply> {
    (number(), option::of(number())).prop_map(|(current, offered)| GetGenerationReply { current, offered })
}

pub(crate) fn join_stream() -> impl Strategy<Value = JoinStreamReply> {
    (
        [number(), number(), number(), number(), number()],
        any::<[u32; 3]>(),
        [text(), text(), text()],
    )
        .prop_map(
            |(
                [stream, set, incarnation, generation, size_bytes],
                [slot, count, producer_pid],
                [name, plan, producer_label],
            )| {
                let (stream, slot, incarnation) = (StreamId(stream), Slot(slot), Incarnation(incarnation));
                JoinStreamReply {
                    stream,
                    set: SetId(set),
                    name,
                    slot,
                    incarnation,
                    generation,
                    size_bytes,
                    count,
                    plan,
                    producer_label,
                    producer_pid,
                    producer_polls: count % 2 == 0,
                }
            },
        )
}

fn member() -> impl Strategy<Value = Member> {
    (any::<[u32; 4]>(), number(), text(), policy()).prop_map(
        |([slot, pid, uid, depth], incarnation, label, policy)| {
            let (slot, incarnation) = (Slot(slot), Incarnation(incarnation));
            Member {
                slot,
                incarnation,
                label,
                pid,
                uid,
                depth,
                policy,
                polls: depth % 2 == 0,
            }
        },
    )
}

pub(crate) fn take_changes() -> impl Strategy<Value = TakeChangesReply> {
    vec(member(), 0..4).prop_map(|joined| TakeChangesReply { joined })
}

pub(crate) fn watch_stream() -> impl Strategy<Value = WatchStreamReply> {
    vec(member(), 0..4).prop_map(|members| WatchStreamReply { members })
}

fn sets() -> impl Strategy<Value = Vec<SetId>> {
    vec(number().prop_map(SetId), 0..3)
}

fn streams() -> impl Strategy<Value = Vec<StreamId>> {
    vec(number().prop_map(StreamId), 0..3)
}

fn session() -> impl Strategy<Value = SessionState> {
    (
        [number(), number(), number()],
        text(),
        any::<[u32; 2]>(),
        [sets(), sets()],
        [streams(), streams()],
    )
        .prop_map(
            |(
                [session, bytes, fds],
                label,
                [pid, uid],
                [sets_owned, sets_imported],
                [streams_produced, streams_joined],
            )| {
                let session = SessionId(session);
                SessionState {
                    session,
                    label,
                    pid,
                    uid,
                    sets_owned,
                    sets_imported,
                    streams_produced,
                    streams_joined,
                    bytes,
                    fds,
                }
            },
        )
}

fn set() -> impl Strategy<Value = SetState> {
    let importers = vec(number().prop_map(SessionId), 0..3);
    let stream = option::of(number().prop_map(StreamId));
    let numbers = [number(), number(), number(), number()];
    (
        numbers,
        text(),
        any::<[u32; 2]>(),
        any::<bool>(),
        importers,
        stream,
        option::of(negotiation()),
    )
        .prop_map(
            |(
                [set, owner, generation, size_bytes],
                name,
                [uid, count],
                sealed,
                importers,
                stream,
                negotiation,
            )| {
                let (set, owner) = (SetId(set), SessionId(owner));
                SetState {
                    set,
                    name,
                    owner,
                    uid,
                    generation,
                    size_bytes,
                    count,
                    sealed,
                    importers,
                    moving: None,
                    old: Vec::new(),
                    stream,
                    negotiation,
                }
            },
        )
}

fn negotiation() -> impl Strategy<Value = NegotiationState> {
    let status = prop_oneof![
        Just(SetStatus::Open),
        Just(SetStatus::Allocated),
        Just(SetStatus::Failed)
    ];
    let names = || vec(text(), 0..3);
    (status, names(), names()).prop_map(|(status, heaps, missing)| NegotiationState {
        status,
        heaps,
        missing,
        seats: Vec::new(),
    })
}

/// The moves of a set, and what they left.
fn moved_set() -> impl Strategy<Value = SetState> {
    let sessions = || vec(number().prop_map(SessionId), 0..3);
    let moving = (number(), sessions()).prop_map(|(generation, waits_for)| MoveState {
        generation,
        waits_for,
    });
    let old = (number(), number(), sessions()).prop_map(|(generation, bytes, kept_by)| OldMemory {
        generation,
        bytes,
        kept_by,
    });
    (set(), option::of(moving), vec(old, 0..3)).prop_map(|(set, moving, old)| SetState { moving, old, ..set })
}

fn stream() -> impl Strategy<Value = StreamState> {
    (
        [number(), number(), number()],
        text(),
        any::<[u32; 2]>(),
        vec(member(), 0..3),
        any::<bool>(),
    )
        .prop_map(
            |([stream, producer, set], name, [uid, max_consumers], members, rotation_due)| {
                let (stream, producer, set) = (StreamId(stream), SessionId(producer), SetId(set));
                StreamState {
                    stream,
                    name,
                    producer,
                    uid,
                    set,
                    max_consumers,
                    members,
                    rotation_due,
                }
            },
        )
}

fn amounts() -> impl Strategy<Value = Amounts> {
    [number(), number(), number(), number(), number()].prop_map(|[bytes, buffers, sessions, streams, fds]| {
        Amounts {
            bytes,
            buffers,
            sessions,
            streams,
            fds,
        }
    })
}

fn user() -> impl Strategy<Value = UserState> {
    (any::<u32>(), amounts(), amounts()).prop_map(|(uid, used, limit)| UserState { uid, used, limit })
}

pub(crate) fn get_state() -> impl Strategy<Value = GetStateReply> {
    let broker =
        (any::<[u32; 2]>(), text()).prop_map(|([pid, uid], version)| BrokerState { pid, uid, version });
    (
        broker,
        vec(session(), 0..3),
        vec(moved_set(), 0..3),
        vec(stream(), 0..3),
        vec(super::timelines::state(), 0..3),
        vec(user(), 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(broker, sessions, sets, streams, timelines, users, truncated)| GetStateReply {
                broker,
                sessions,
                sets,
                streams,
                timelines,
                users,
                truncated,
            },
        )
}

pub(crate) fn get_info() -> impl Strategy<Value = GetInfoReply> {
    ([text(), text(), text(), text()], vec(text(), 0..3)).prop_map(
        |([vendor, product, version, url], interfaces)| GetInfoReply {
            vendor,
            product,
            version,
            url,
            interfaces,
        },
    )
}

pub(crate) fn description() -> impl Strategy<Value = GetInterfaceDescriptionReply> {
    text().prop_map(|description| GetInterfaceDescriptionReply { description })
}
