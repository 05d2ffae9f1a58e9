//! What the broker tells about itself.

use wharf_protocol::{
    Amounts, BrokerError, GetInfo, GetInterfaceDescription, GetState, GetStateReply, ImportBuffers,
    ObjectKind, Reply, SessionId, SetId, StreamId,
};

use super::world::{BROKER_UID, World};
use crate::state::{DEFAULT_QUOTA, PeerId};

fn state(world: &mut World, peer: PeerId) -> GetStateReply {
    match world.call(peer, GetState {}) {
        Ok((Reply::GetState(reply), _)) => reply,
        other => panic!("{other:?}"),
    }
}

/// A camera of user 7 with a viewer of user 8, and an importer of the broker's user.
fn busy_world() -> World {
    let mut world = World::new();
    let camera = world.client_of(7, "camera");
    let viewer = world.client_of(8, "viewer");
    let importer = world.client("importer");
    let stream = world.stream(camera, 4, 2);
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    world.join(viewer, &token, 1).unwrap();
    world.join(viewer, &token, 1).unwrap();
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    world
        .call(
            importer,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    world
}

#[test]
fn state_says_who_holds_what() {
    let mut world = busy_world();
    let root = world.connect(0);
    let state = state(&mut world, root);
    assert_eq!((state.broker.pid, state.broker.uid), (1, BROKER_UID));
    let [camera, viewer, importer] = &state.sessions[..] else {
        panic!("{:?}", state.sessions)
    };
    assert_eq!(
        (camera.session, camera.label.as_str(), camera.pid, camera.uid),
        (SessionId(1), "camera", 101, 7)
    );
    assert_eq!(camera.sets_owned, [SetId(1), SetId(2)]);
    assert_eq!(camera.streams_produced, [StreamId(1)]);
    assert_eq!((camera.bytes, camera.fds), (6 * 4096, 2 + 6 + 2));
    assert_eq!(
        viewer.streams_joined,
        [StreamId(1)],
        "once, though it joined twice"
    );
    assert_eq!((viewer.bytes, viewer.fds), (0, 2 + 2));
    assert_eq!(importer.sets_imported, [SetId(2)]);
    assert_eq!(state.sets[0].stream, Some(StreamId(1)));
    assert_eq!(
        (state.sets[1].stream, &state.sets[1].importers[..]),
        (None, &[SessionId(3)][..])
    );
    assert!(state.sets[1].sealed);
    assert_eq!(state.streams[0].members.len(), 2);
    assert_eq!(state.streams[0].producer, SessionId(1));
}

#[test]
fn usage_of_each_user_is_the_sum_of_its_sessions() {
    let mut world = busy_world();
    let root = world.connect(0);
    let state = state(&mut world, root);
    let users: Vec<_> = state.users.iter().map(|user| user.uid).collect();
    assert_eq!(users, [0, 7, 8, BROKER_UID]);
    let camera = Amounts {
        bytes: 6 * 4096,
        buffers: 6,
        sessions: 1,
        streams: 1,
        fds: 10,
    };
    assert_eq!(
        (state.users[1].used, state.users[1].limit),
        (camera, DEFAULT_QUOTA)
    );
    assert_eq!(state.users[2].used.fds, state.sessions[1].fds);
}

#[test]
fn others_see_only_what_is_theirs() {
    let mut world = busy_world();
    let curious = world.connect(8);
    let seen = state(&mut world, curious);
    assert_eq!(
        seen.sessions
            .iter()
            .map(|session| session.uid)
            .collect::<Vec<_>>(),
        [8]
    );
    assert!(seen.sets.is_empty() && seen.streams.is_empty());
    assert_eq!(seen.users.iter().map(|user| user.uid).collect::<Vec<_>>(), [8]);
    let own = world.connect(BROKER_UID);
    assert_eq!(state(&mut world, own).sessions.len(), 3);
}

#[test]
fn service_answers_introspection() {
    let mut world = World::new();
    let peer = world.connect(7);
    let Ok((Reply::GetInfo(info), _)) = world.call(peer, GetInfo {}) else {
        panic!("no info")
    };
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    for interface in info.interfaces {
        let call = GetInterfaceDescription {
            interface: interface.clone(),
        };
        let Ok((Reply::GetInterfaceDescription(reply), _)) = world.call(peer, call) else {
            panic!("{interface}")
        };
        assert!(reply.description.contains(&format!("interface {interface}")));
    }
    let unknown = GetInterfaceDescription {
        interface: "org.example".to_owned(),
    };
    let error = BrokerError::InterfaceNotFound {
        interface: "org.example".to_owned(),
    };
    assert_eq!(world.error(peer, unknown), error);
}
