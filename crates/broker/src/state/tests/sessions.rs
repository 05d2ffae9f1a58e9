//! How sessions begin and end.

use wharf_protocol::{
    AllocateBuffers, BrokerError, Call, CreateStream, EndReason, EndStream, FreeBuffers, GetInfo, GetState,
    ImportBuffers, Incarnation, IssueToken, JoinStream, LeaveStream, ObjectKind, Policy, Register,
    RegisterReply, Reply, SessionId, SetId, Slot, StreamId, TakeChanges, Token, WatchStream,
};
use wharf_stream::status::{SlotState, StreamState};

use super::world::{BROKER_UID, World};
use crate::state::{Effect, Event, PeerId};

fn register(label: &str) -> Register {
    Register {
        label: label.to_owned(),
    }
}

#[test]
fn registering_tells_the_caller_who_it_is() {
    let mut world = World::new();
    let peer = world.connect(7);
    let (reply, fds) = world.call(peer, register("camera")).unwrap();
    assert_eq!(
        reply,
        Reply::Register(RegisterReply {
            session: SessionId(1),
            pid: 101,
            uid: 7
        })
    );
    assert!(fds.is_empty());
}

#[test]
fn second_registration_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let peer = world.client("camera");
    let error = world.error(peer, register("viewer"));
    assert_eq!(
        error,
        BrokerError::AlreadyRegistered {
            session: SessionId(1)
        }
    );
    assert_eq!(world.machine.sessions[&SessionId(1)].label, "camera");
}

#[test]
fn refused_label_leaves_the_connection_unregistered() {
    let mut world = World::new();
    let peer = world.connect(7);
    assert!(
        matches!(world.error(peer, register("two\nlines")), BrokerError::InvalidArgument { field, .. } if field == "label")
    );
    assert!(world.call(peer, register("one line")).is_ok());
}

#[test]
fn everything_that_changes_something_needs_registration() {
    let mut world = World::new();
    let peer = world.connect(7);
    let (set, stream, token, name) = (SetId(1), StreamId(1), Token::new(""), String::new());
    let join = JoinStream::new(token.clone(), 1, Policy::Block);
    let calls: [Call; 9] = [
        AllocateBuffers {
            name: name.clone(),
            size_bytes: 1,
            count: 1,
        }
        .into(),
        FreeBuffers { set }.into(),
        CreateStream {
            set,
            name,
            max_consumers: 1,
            room_ms: None,
            polled: None,
            rotation: None,
        }
        .into(),
        IssueToken {
            kind: ObjectKind::Set,
            id: 1,
            uses: 1,
        }
        .into(),
        ImportBuffers {
            token,
            contract: None,
        }
        .into(),
        join.into(),
        TakeChanges {
            stream,
            after: Incarnation(0),
        }
        .into(),
        LeaveStream {
            stream,
            slot: Slot(0),
            incarnation: Incarnation(1),
        }
        .into(),
        EndStream {
            stream,
            reason: EndReason::Ended,
        }
        .into(),
    ];
    for call in calls {
        assert!(call.needs_registration());
        let pages = (0..call.expected_fds()).map(|_| world.page(4096)).collect();
        assert_eq!(
            world.call_with(peer, call, pages),
            Err(BrokerError::NotRegistered)
        );
    }
}

#[test]
fn looking_needs_no_registration() {
    let mut world = World::new();
    let peer = world.connect(7);
    assert!(world.call(peer, GetState {}).is_ok());
    assert!(world.call(peer, GetInfo {}).is_ok());
}

#[test]
fn oneway_call_is_carried_out_without_an_answer() {
    let mut world = World::new();
    let peer = world.connect(7);
    world.tell(Event::Call {
        peer,
        call: register("camera").into(),
        oneway: true,
        fds: vec![],
    });
    assert!(world.answer(peer).is_none());
    assert_eq!(world.session(peer), SessionId(1));
    world.tell(Event::Call {
        peer,
        call: register("camera").into(),
        oneway: true,
        fds: vec![],
    });
    assert!(world.answer(peer).is_none(), "not even an error");
}

#[test]
fn callers_mistake_is_answered_and_the_session_goes_on() {
    let mut world = World::new();
    let peer = world.client("camera");
    let error = BrokerError::MethodNotFound {
        method: "dev.wharf.Broker.Fly".to_owned(),
    };
    world.tell(Event::Malformed {
        peer,
        error: error.clone(),
        oneway: false,
    });
    assert_eq!(world.answer(peer), Some(Err(error)));
    assert!(world.connected.contains(&peer));
}

#[test]
fn protocol_violation_is_answered_and_ends_the_session() {
    let mut world = World::new();
    let peer = world.client("camera");
    world.stream(peer, 2, 1);
    let error = BrokerError::ProtocolViolation {
        reason: "garbage".to_owned(),
    };
    world.tell(Event::Malformed {
        peer,
        error: error.clone(),
        oneway: false,
    });
    assert_eq!(world.answer(peer), Some(Err(error)));
    assert!(!world.connected.contains(&peer));
    world.assert_empty();
}

#[test]
fn malformed_oneway_message_is_not_answered() {
    let mut world = World::new();
    let peer = world.client("camera");
    let error = BrokerError::invalid("parameters", "not an object");
    world.tell(Event::Malformed {
        peer,
        error,
        oneway: true,
    });
    assert!(world.answer(peer).is_none());
}

#[test]
fn nothing_is_left_of_a_session_that_ends() {
    let mut world = World::new();
    let camera = world.client("camera");
    let viewer = world.client("viewer");
    let stream = world.stream(camera, 4, 2);
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    world.join(viewer, &token, 1).unwrap();
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    world
        .call(
            viewer,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    world.tell(Event::Disconnected { peer: camera });
    world.tell(Event::Disconnected { peer: viewer });
    world.assert_empty();
}

#[test]
fn hang_up_of_a_consumer_frees_its_slot_at_once() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    let joined = world.join(viewer, &token, 1).unwrap().0;
    world.tell(Event::Disconnected { peer: viewer });
    let slot = world.status_pages[&stream].slots[&joined.slot];
    assert_eq!(slot, (joined.incarnation, SlotState::Gone));
}

#[test]
fn consumers_hear_of_their_producers_death_before_anything_else_is_done() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let other = world.stream(viewer, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    world.join(viewer, &token, 1).unwrap();
    let token = world.token(viewer, ObjectKind::Stream, other.0, 1);
    world.join(camera, &token, 1).unwrap();
    world.history.clear();
    world.tell(Event::Disconnected { peer: camera });
    assert_eq!(
        world.history[0],
        Effect::SetStreamState {
            stream,
            state: StreamState::ProducerDied
        }
    );
    assert_eq!(world.endings[&stream], StreamState::ProducerDied);
    assert!(
        world.status_pages.contains_key(&other),
        "the viewer's own stream goes on"
    );
}

#[test]
fn events_about_unknown_peers_are_harmless() {
    let mut world = World::new();
    let gone = PeerId(99);
    let page = world.page(4096);
    world.tell(Event::Call {
        peer: gone,
        call: register("ghost").into(),
        oneway: false,
        fds: vec![page],
    });
    world.tell(Event::Malformed {
        peer: gone,
        error: BrokerError::NotRegistered,
        oneway: false,
    });
    world.tell(Event::Disconnected { peer: gone });
    world.assert_empty();
}

#[test]
fn peer_number_used_twice_does_not_disturb_the_first() {
    let mut world = World::new();
    let peer = world.client("camera");
    let credentials = crate::state::Credentials { pid: 5, uid: 5 };
    world.tell(Event::Connected { peer, credentials });
    assert_eq!(world.machine.peers[&peer].credentials.uid, BROKER_UID);
}

#[test]
fn sessions_of_one_process_live_apart() {
    let mut world = World::new();
    let (first, second) = (world.client("camera"), world.client("camera"));
    let stream = world.stream(second, 2, 1);
    world.tell(Event::Disconnected { peer: first });
    assert!(world.status_pages.contains_key(&stream));
}

#[test]
fn nothing_is_prepared_for_who_looks_and_wants_no_answer() {
    let mut world = World::new();
    let camera = world.client("camera");
    let stream = world.stream(camera, 2, 1);
    world.history.clear();
    let after = Incarnation(0);
    let calls: [Call; 4] = [
        GetState {}.into(),
        GetInfo {}.into(),
        TakeChanges { stream, after }.into(),
        WatchStream { stream }.into(),
    ];
    for call in calls {
        assert!(!call.changes_something());
        world.tell(Event::Call {
            peer: camera,
            call,
            oneway: true,
            fds: vec![],
        });
    }
    assert_eq!(world.history, []);
    let reason = EndReason::Ended;
    world.tell(Event::Call {
        peer: camera,
        call: EndStream { stream, reason }.into(),
        oneway: true,
        fds: vec![],
    });
    assert!(world.machine.streams.is_empty(), "what changes something is done");
}
