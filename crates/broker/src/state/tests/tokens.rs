//! Tokens.

use wharf_protocol::{
    BrokerError, EndReason, EndStream, FreeBuffers, ImportBuffers, Incarnation, IssueToken, JoinStream,
    ObjectKind, Policy, Reply, Resource, SetId, StreamId, TakeChanges, Target, Token,
};
use wharf_stream::CONSUMER_PAGE_BYTES;

use super::world::{BROKER_UID, World};
use crate::state::tokens::{MAX_TOKENS_PER_OBJECT, MAX_TOKENS_PER_USER};
use crate::state::{DEFAULT_QUOTA, Event, Machine, Settings};

#[test]
fn token_is_32_hexadecimal_digits() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 1).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    assert_eq!(token.reveal().len(), 32);
    assert!(token.reveal().bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn only_owners_issue_tokens() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    let of = |kind, id| IssueToken { kind, id, uses: 1 };
    let not_owner = |kind, id| BrokerError::NotOwner { kind, id };
    assert_eq!(
        world.error(viewer, of(ObjectKind::Set, set.0)),
        not_owner(ObjectKind::Set, set.0)
    );
    assert_eq!(
        world.error(viewer, of(ObjectKind::Stream, stream.0)),
        not_owner(ObjectKind::Stream, stream.0)
    );
    assert_eq!(
        world.error(camera, of(ObjectKind::Set, 99)),
        BrokerError::NoSuchSet { id: SetId(99) }
    );
    assert_eq!(
        world.error(camera, of(ObjectKind::Stream, 99)),
        BrokerError::NoSuchStream { id: StreamId(99) }
    );
}

#[test]
fn objects_of_other_users_are_as_if_they_did_not_exist() {
    let mut world = World::new();
    let (camera, stranger) = (world.client_of(7, "camera"), world.client_of(8, "stranger"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    let (no_set, no_stream) = (
        BrokerError::NoSuchSet { id: set },
        BrokerError::NoSuchStream { id: stream },
    );
    let issue = |kind, id| IssueToken { kind, id, uses: 1 };
    assert_eq!(world.error(stranger, issue(ObjectKind::Set, set.0)), no_set);
    assert_eq!(world.error(stranger, FreeBuffers { set }), no_set);
    assert_eq!(world.create(stranger, set, 1), Err(no_set));
    assert_eq!(
        world.error(stranger, issue(ObjectKind::Stream, stream.0)),
        no_stream
    );
    let after = Incarnation(0);
    assert_eq!(world.error(stranger, TakeChanges { stream, after }), no_stream);
    let reason = EndReason::Ended;
    assert_eq!(world.error(stranger, EndStream { stream, reason }), no_stream);
}

#[test]
fn tokens_of_one_user_are_limited_and_others_are_not_affected() {
    let mut world = World::new();
    let (camera, other) = (world.client_of(7, "camera"), world.client_of(8, "other"));
    let issue = |set: SetId| IssueToken {
        kind: ObjectKind::Set,
        id: set.0,
        uses: 1,
    };
    let mut first = None;
    for _ in 0..MAX_TOKENS_PER_USER / MAX_TOKENS_PER_OBJECT {
        let set = world.allocate(camera, 4096, 1).0.set;
        for _ in 0..MAX_TOKENS_PER_OBJECT {
            world.call(camera, issue(set)).unwrap();
        }
        first.get_or_insert(set);
    }
    let set = world.allocate(camera, 4096, 1).0.set;
    let exceeded = BrokerError::QuotaExceeded {
        resource: Resource::Tokens,
        limit: 4096,
        used: 4096,
        requested: 1,
        uid: 7,
    };
    assert_eq!(world.error(camera, issue(set)), exceeded);
    let first = first.unwrap();
    world.call(camera, issue(first)).expect("an older one gives way");
    let of_other = world.allocate(other, 4096, 1).0.set;
    world.call(other, issue(of_other)).unwrap();
    world.call(camera, FreeBuffers { set: first }).unwrap();
    world.call(camera, issue(set)).unwrap();
}

#[test]
fn token_that_was_never_issued_is_unknown() {
    let mut world = World::new();
    let viewer = world.client("viewer");
    for text in ["", "00000000000000000000000000000000", "ffff"] {
        let token = Token::new(text);
        assert_eq!(
            world.error(
                viewer,
                ImportBuffers {
                    token: token.clone(),
                    contract: None
                }
            ),
            BrokerError::TokenUnknown
        );
        assert_eq!(world.join(viewer, &token, 1), Err(BrokerError::TokenUnknown));
    }
}

#[test]
fn token_works_as_often_as_it_was_issued_for() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 8, 8);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    world.join(viewer, &token, 1).unwrap();
    world.join(viewer, &token, 1).unwrap();
    assert_eq!(world.join(viewer, &token, 1), Err(BrokerError::TokenUsedUp));
}

#[test]
fn refused_join_uses_nothing_up() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 3, 8);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    assert!(matches!(
        world.join(viewer, &token, 3),
        Err(BrokerError::CountsExhausted { .. })
    ));
    world.join(viewer, &token, 2).unwrap();
}

fn for_other(expected: (ObjectKind, Option<u64>), actual: (ObjectKind, u64)) -> BrokerError {
    BrokerError::TokenForOther {
        expected: Target {
            kind: expected.0,
            id: expected.1,
        },
        actual: Target {
            kind: actual.0,
            id: Some(actual.1),
        },
    }
}

#[test]
fn token_for_something_else_names_both() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 4).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    let for_stream = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let for_set = world.token(camera, ObjectKind::Set, set.0, 1);
    let error = world.error(
        viewer,
        ImportBuffers {
            token: for_stream,
            contract: None,
        },
    );
    assert_eq!(
        error,
        for_other((ObjectKind::Set, None), (ObjectKind::Stream, stream.0))
    );
    let error = world.join(viewer, &for_set, 1).unwrap_err();
    assert_eq!(
        error,
        for_other((ObjectKind::Stream, None), (ObjectKind::Set, set.0))
    );
}

#[test]
fn token_joins_the_stream_its_holder_means_or_none() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (stream, other) = (world.stream(camera, 4, 1), world.stream(camera, 4, 1));
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let mut join = |meant| {
        let page = world.page(CONSUMER_PAGE_BYTES);
        let call = JoinStream {
            stream: Some(meant),
            ..JoinStream::new(token.clone(), 1, Policy::Latest)
        };
        world.call_with(viewer, call, vec![page])
    };
    let refused = for_other(
        (ObjectKind::Stream, Some(other.0)),
        (ObjectKind::Stream, stream.0),
    );
    assert_eq!(join(other), Err(refused));
    assert!(matches!(join(stream), Ok((Reply::JoinStream(_), _))));
}

#[test]
fn token_of_an_ended_stream_says_how_it_ended() {
    let mut world = World::new();
    let (camera, dying, viewer) = (
        world.client("camera"),
        world.client("camera 2"),
        world.client("viewer"),
    );
    let (ended, died) = (world.stream(camera, 2, 1), world.stream(dying, 2, 1));
    let for_ended = world.token(camera, ObjectKind::Stream, ended.0, 1);
    let for_died = world.token(dying, ObjectKind::Stream, died.0, 1);
    world
        .call(
            camera,
            EndStream {
                stream: ended,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    world.tell(Event::Disconnected { peer: dying });
    let over = |reason| Err(BrokerError::StreamEnded { reason });
    assert_eq!(world.join(viewer, &for_ended, 1), over(EndReason::Ended));
    assert_eq!(world.join(viewer, &for_died, 1), over(EndReason::ProducerDied));
}

#[test]
fn oldest_token_gives_way_when_there_are_too_many() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 1).0.set;
    let mut tokens: Vec<_> = (0..=MAX_TOKENS_PER_OBJECT)
        .map(|_| world.token(camera, ObjectKind::Set, set.0, 1))
        .collect();
    let import = |token: &Token| ImportBuffers {
        token: token.clone(),
        contract: None,
    };
    assert_eq!(world.error(viewer, import(&tokens[0])), BrokerError::TokenUsedUp);
    for token in tokens.drain(1..) {
        world.call(viewer, import(&token)).unwrap();
    }
}

#[test]
fn memory_of_dead_tokens_is_bounded() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 1).0.set;
    let first = world.token(camera, ObjectKind::Set, set.0, 1);
    world
        .call(
            camera,
            ImportBuffers {
                token: first.clone(),
                contract: None,
            },
        )
        .unwrap();
    assert_eq!(
        world.error(
            camera,
            ImportBuffers {
                token: first.clone(),
                contract: None
            }
        ),
        BrokerError::TokenUsedUp
    );
    for _ in 0..2000 {
        let token = world.token(camera, ObjectKind::Set, set.0, 1);
        world
            .call(
                camera,
                ImportBuffers {
                    token,
                    contract: None,
                },
            )
            .unwrap();
    }
    assert!(world.machine.tokens.len() <= 1024);
    assert_eq!(
        world.error(
            camera,
            ImportBuffers {
                token: first,
                contract: None
            }
        ),
        BrokerError::TokenUnknown
    );
}

/// A world whose random numbers are as given.
fn with_randomness(random: impl FnMut() -> Result<[u8; 16], BrokerError> + Send + 'static) -> World {
    let settings = Settings {
        quota: DEFAULT_QUOTA,
        page_bytes: 4096,
        pid: 1,
        uid: BROKER_UID,
    };
    World::with_machine(Machine::new(settings, Box::new(random)))
}

#[test]
fn failing_randomness_is_an_error_of_the_system() {
    let failure = BrokerError::AllocationFailed {
        errno: 5,
        reason: "no entropy".to_owned(),
    };
    let error = failure.clone();
    let mut world = with_randomness(move || Err(error.clone()));
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 1).0.set;
    assert_eq!(
        world.error(
            camera,
            IssueToken {
                kind: ObjectKind::Set,
                id: set.0,
                uses: 1
            }
        ),
        failure
    );
}

#[test]
fn the_same_token_is_never_issued_twice() {
    let mut world = with_randomness(|| Ok([7; 16]));
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 1).0.set;
    world.token(camera, ObjectKind::Set, set.0, 5);
    let error = world.error(
        camera,
        IssueToken {
            kind: ObjectKind::Set,
            id: set.0,
            uses: 1,
        },
    );
    assert!(matches!(error, BrokerError::AllocationFailed { .. }));
}
