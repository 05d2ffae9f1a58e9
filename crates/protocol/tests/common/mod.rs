//! Generators of every call, reply and error.
//!
//! Numbers stay below 2^63, as they must on the wire; texts are any text at all, control characters included.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wharf_protocol::*;

pub(crate) mod negotiation;
pub(crate) mod replies;
pub(crate) mod timelines;

prop_compose! {
    pub(crate) fn number()(value in 0..=i64::MAX) -> u64 { value.unsigned_abs() }
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect())
    ]
}

pub(crate) fn token() -> impl Strategy<Value = Token> {
    text().prop_map(Token::new)
}

pub(crate) fn kind() -> impl Strategy<Value = ObjectKind> {
    prop_oneof![
        Just(ObjectKind::Stream),
        Just(ObjectKind::Set),
        Just(ObjectKind::Timeline)
    ]
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Block), Just(Policy::Latest)]
}

/// Any call, of any method.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        text().prop_map(|label| Register { label }.into()),
        (text(), number(), any::<u32>()).prop_map(|(name, size_bytes, count)| AllocateBuffers {
            name,
            size_bytes,
            count
        }
        .into()),
        number().prop_map(|set| FreeBuffers { set: SetId(set) }.into()),
        (number(), text(), any::<u32>(), option::of(number())).prop_map(
            |(set, name, max_consumers, room_ms)| CreateStream {
                set: SetId(set),
                name,
                max_consumers,
                room_ms,
                polled: room_ms.map(|ms| ms % 2 == 0),
                rotation: room_ms
                    .map(|ms| [Rotation::Never, Rotation::OtherUsers, Rotation::Always][ms as usize % 3]),
            }
            .into()
        ),
        (kind(), number(), any::<u32>()).prop_map(|(kind, id, uses)| IssueToken { kind, id, uses }.into()),
        (token(), option::of(contract()))
            .prop_map(|(token, contract)| ImportBuffers { token, contract }.into()),
        (
            token(),
            any::<u32>(),
            policy(),
            option::of(number().prop_map(StreamId)),
            option::of(contract()),
        )
            .prop_map(|(token, depth, policy, stream, contract)| JoinStream {
                token,
                depth,
                policy,
                stream,
                contract,
                needs: None,
                participant: None,
                wait_ms: None,
                polled: Some(depth % 2 == 0),
            }
            .into()),
        (number(), number()).prop_map(|(stream, after)| TakeChanges {
            stream: StreamId(stream),
            after: Incarnation(after),
        }
        .into()),
        number().prop_map(|set| ReleaseImport { set: SetId(set) }.into()),
        (number(), any::<u32>(), number()).prop_map(|(stream, slot, incarnation)| {
            let (slot, incarnation) = (Slot(slot), Incarnation(incarnation));
            LeaveStream {
                stream: StreamId(stream),
                slot,
                incarnation,
            }
            .into()
        }),
        (number(), reason()).prop_map(|(stream, reason)| EndStream {
            stream: StreamId(stream),
            reason,
        }
        .into()),
        moves(),
        negotiation::call(),
        timelines::call(),
        Just(GetState {}.into()),
        number().prop_map(|stream| WatchStream {
            stream: StreamId(stream),
        }
        .into()),
        Just(GetInfo {}.into()),
        text().prop_map(|interface| GetInterfaceDescription { interface }.into()),
    ]
}

fn contract() -> impl Strategy<Value = MoveContract> {
    use MoveContract::*;
    prop_oneof![Just(Movable), Just(Revocable), Just(Pinned)]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Owner), Just(Role::Importer), Just(Role::Consumer)]
}

fn seat() -> impl Strategy<Value = Option<Seat>> {
    let seat = (any::<u32>(), number()).prop_map(|(slot, incarnation)| Seat {
        slot: Slot(slot),
        incarnation: Incarnation(incarnation),
    });
    option::of(seat)
}

/// Any call about a move.
fn moves() -> impl Strategy<Value = Call> {
    let member = || (number().prop_map(SetId), number(), role(), seat());
    prop_oneof![
        ([number(), number(), number()], any::<u32>(), text()).prop_map(
            |([set, size_bytes, deadline_ms], count, plan)| MoveBuffers {
                set: SetId(set),
                size_bytes,
                count,
                deadline_ms,
                plan,
            }
            .into()
        ),
        (number(), number()).prop_map(|(set, generation)| GetMove {
            set: SetId(set),
            generation
        }
        .into()),
        member().prop_map(|(set, generation, role, seat)| TakeGeneration {
            set,
            generation,
            role,
            seat
        }
        .into()),
        (member(), option::of(text())).prop_map(|((set, generation, role, seat), error)| ReadyGeneration {
            set,
            generation,
            role,
            seat,
            error
        }
        .into()),
        member().prop_map(|(set, generation, role, seat)| ReleaseGeneration {
            set,
            generation,
            role,
            seat
        }
        .into()),
        member().prop_map(|(set, _, role, seat)| GetGeneration { set, role, seat }.into()),
    ]
}

fn blocker() -> impl Strategy<Value = MoveBlocker> {
    use Hindrance::*;
    let reason = prop_oneof![Just(Pinned), Just(Silent), Just(KeepsOld)];
    (text(), any::<u32>(), role(), reason).prop_map(|(label, pid, role, reason)| MoveBlocker {
        label,
        pid,
        role,
        reason,
    })
}

/// Any error about a move.
fn move_error() -> impl Strategy<Value = BrokerError> {
    use BrokerError::*;
    prop_oneof![
        (number(), vec(blocker(), 0..3)).prop_map(|(set, blockers)| MoveBusy {
            set: SetId(set),
            blockers
        }),
        (number(), number(), text(), any::<u32>(), text()).prop_map(
            |(set, generation, label, pid, reason)| {
                MoveFailed {
                    set: SetId(set),
                    generation,
                    label,
                    pid,
                    reason,
                }
            }
        ),
        (number(), number()).prop_map(|(set, generation)| MoveInProgress {
            set: SetId(set),
            generation
        }),
        (number(), number()).prop_map(|(generation, current)| StaleGeneration { generation, current }),
    ]
}

fn reason() -> impl Strategy<Value = EndReason> {
    prop_oneof![Just(EndReason::Ended), Just(EndReason::ProducerDied)]
}

fn target() -> impl Strategy<Value = Target> {
    (kind(), option::of(number())).prop_map(|(kind, id)| Target { kind, id })
}

fn resource() -> impl Strategy<Value = Resource> {
    use Resource::*;
    prop_oneof![
        Just(Bytes),
        Just(Buffers),
        Just(Sessions),
        Just(Tokens),
        Just(Sets),
        Just(Streams),
        Just(Fds),
        Just(Timelines)
    ]
}

fn quota() -> impl Strategy<Value = BrokerError> {
    (resource(), number(), number(), number(), any::<u32>()).prop_map(
        |(resource, limit, used, requested, uid)| BrokerError::QuotaExceeded {
            resource,
            limit,
            used,
            requested,
            uid,
        },
    )
}

/// Any error the broker answers with.
pub(crate) fn broker_error() -> impl Strategy<Value = BrokerError> {
    use BrokerError::*;
    let plain = prop_oneof![
        Just(NotRegistered),
        Just(TokenUnknown),
        Just(TokenUsedUp),
        Just(OutOfDescriptors),
        reason().prop_map(|reason| StreamEnded { reason }),
        quota(),
    ];
    let numbered = prop_oneof![
        number().prop_map(|session| AlreadyRegistered {
            session: SessionId(session)
        }),
        number().prop_map(|id| NoSuchSet { id: SetId(id) }),
        number().prop_map(|id| NoSuchStream { id: StreamId(id) }),
        (kind(), number()).prop_map(|(kind, id)| NotOwner { kind, id }),
        (target(), target()).prop_map(|(expected, actual)| TokenForOther { expected, actual }),
        any::<u32>().prop_map(|max| StreamFull { max }),
        any::<[u32; 3]>().prop_map(|[buffers, promised, requested]| CountsExhausted {
            buffers,
            promised,
            requested
        }),
        (number(), number()).prop_map(|(set, stream)| SetInUse {
            set: SetId(set),
            stream: StreamId(stream)
        }),
        number().prop_map(|limit_bytes| MessageTooLarge { limit_bytes }),
    ];
    let worded = prop_oneof![
        (text(), text()).prop_map(|(field, reason)| BrokerError::invalid(field, reason)),
        text().prop_map(|reason| BadPage { reason }),
        (any::<i32>(), text()).prop_map(|(errno, reason)| AllocationFailed { errno, reason }),
        text().prop_map(|reason| ProtocolViolation { reason }),
        text().prop_map(|interface| InterfaceNotFound { interface }),
        text().prop_map(|method| MethodNotFound { method }),
        text().prop_map(|method| MethodNotImplemented { method }),
        text().prop_map(|parameter| InvalidParameter { parameter }),
    ];
    prop_oneof![
        plain,
        numbered,
        worded,
        move_error(),
        negotiation::error(),
        timelines::error()
    ]
}
