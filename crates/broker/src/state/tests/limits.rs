//! Quotas.

use wharf_protocol::{
    AllocateBuffers, Amounts, BrokerError, EndReason, EndStream, FreeBuffers, Incarnation, ObjectKind,
    Register, Resource, TakeChanges,
};

use super::world::World;
use crate::state::accounts::DEFAULT_QUOTA;
use crate::state::{Effect, Event};

fn quota(change: impl FnOnce(&mut Amounts)) -> World {
    let mut quota = DEFAULT_QUOTA;
    change(&mut quota);
    World::with_quota(quota)
}

fn exceeded(resource: Resource, limit: u64, used: u64, requested: u64) -> BrokerError {
    BrokerError::QuotaExceeded {
        resource,
        limit,
        used,
        requested,
        uid: 7,
    }
}

fn buffers(size_bytes: u64, count: u32) -> AllocateBuffers {
    AllocateBuffers {
        name: String::new(),
        size_bytes,
        count,
    }
}

#[test]
fn bytes_are_limited_before_anything_is_allocated() {
    let mut world = quota(|quota| quota.bytes = 10 << 12);
    let camera = world.client_of(7, "camera");
    world.allocate(camera, 1 << 12, 4);
    world.history.clear();
    let error = world.error(camera, buffers(1 << 12, 7));
    assert_eq!(error, exceeded(Resource::Bytes, 10 << 12, 4 << 12, 7 << 12));
    assert!(matches!(world.history[..], [Effect::Fail { .. }]));
    world.allocate(camera, 6 << 12, 1);
}

#[test]
fn largest_request_possible_is_refused_without_overflow() {
    let mut world = quota(|_| ());
    let camera = world.client_of(7, "camera");
    let error = world.error(camera, buffers(1 << 40, 64));
    assert_eq!(error, exceeded(Resource::Bytes, 4 << 30, 0, 1 << 46));
}

#[test]
fn buffers_are_limited_across_sets() {
    let mut world = quota(|quota| quota.buffers = 5);
    let camera = world.client_of(7, "camera");
    let set = world.allocate(camera, 4096, 3).0.set;
    assert_eq!(
        world.error(camera, buffers(1, 3)),
        exceeded(Resource::Buffers, 5, 3, 3)
    );
    world.call(camera, FreeBuffers { set }).unwrap();
    world.allocate(camera, 4096, 5);
}

#[test]
fn sessions_of_one_user_are_limited_and_others_are_not_affected() {
    let mut world = quota(|quota| quota.sessions = 2);
    let first = world.client_of(7, "one");
    world.client_of(7, "two");
    let third = world.connect(7);
    let error = world.error(
        third,
        Register {
            label: "three".to_owned(),
        },
    );
    assert_eq!(error, exceeded(Resource::Sessions, 2, 2, 1));
    world.client_of(8, "somebody else");
    world.tell(Event::Disconnected { peer: first });
    world
        .call(
            third,
            Register {
                label: "three".to_owned(),
            },
        )
        .unwrap();
}

#[test]
fn streams_are_limited_before_the_set_is_sealed() {
    let mut world = quota(|quota| quota.streams = 1);
    let camera = world.client_of(7, "camera");
    let stream = world.stream(camera, 2, 1);
    let set = world.allocate(camera, 4096, 2).0.set;
    assert_eq!(
        world.create(camera, set, 1),
        Err(exceeded(Resource::Streams, 1, 1, 1))
    );
    assert!(!world.machine.sets[&set].sealed);
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    world.create(camera, set, 1).unwrap();
}

#[test]
fn descriptors_are_limited_for_connections_too() {
    let mut world = quota(|quota| quota.fds = 5);
    let camera = world.client_of(7, "camera");
    assert_eq!(
        world.error(camera, buffers(1, 4)),
        exceeded(Resource::Fds, 5, 2, 4)
    );
    world.connect(7);
    let refused = world.connect(7);
    assert_eq!(world.answer(refused), Some(Err(exceeded(Resource::Fds, 5, 4, 2))));
    assert!(!world.connected.contains(&refused));
    world.connect(8);
}

#[test]
fn consumer_pays_for_its_page_as_long_as_the_stream_runs() {
    let mut world = quota(|quota| quota.fds = 3);
    let camera = world.client_of(8, "camera");
    assert!(matches!(
        world.error(camera, buffers(1, 2)),
        BrokerError::QuotaExceeded { .. }
    ));

    let mut world = quota(|quota| quota.fds = 12);
    let camera = world.client_of(8, "camera");
    let stream = world.stream(camera, 8, 8);
    assert_eq!(world.machine.accounts.used(8).fds, 12);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let viewer = world.client_of(7, "viewer");
    world.join(viewer, &token, 1).unwrap();
    assert_eq!(world.machine.accounts.used(7).fds, 3);
    let after = Incarnation(0);
    world.call(camera, TakeChanges { stream, after }).unwrap();
    assert_eq!(world.machine.accounts.used(7).fds, 3);
    let reason = EndReason::Ended;
    world.call(camera, EndStream { stream, reason }).unwrap();
    assert_eq!(world.machine.accounts.used(7).fds, 2);
}

#[test]
fn page_that_would_exceed_the_quota_does_not_join() {
    let mut world = quota(|quota| quota.fds = 4);
    let camera = world.client_of(7, "camera");
    let used = world.machine.accounts.used(7).fds;
    assert_eq!(used, 2);
    let mut world = quota(|quota| quota.fds = 8);
    let camera_again = world.client_of(7, "camera");
    assert_eq!(camera, camera_again);
    let stream = world.stream(camera_again, 2, 1);
    let viewer = world.client_of(7, "viewer");
    let token = world.token(camera_again, ObjectKind::Stream, stream.0, 1);
    assert_eq!(
        world.join(viewer, &token, 1),
        Err(exceeded(Resource::Fds, 8, 8, 1))
    );
    assert!(world.machine.streams[&stream].members.is_empty());
}

#[test]
fn connections_without_a_session_are_limited_for_each_user() {
    let mut world = quota(|_| ());
    let strangers: Vec<_> = (0..64).map(|_| world.connect(7)).collect();
    let refused = world.connect(7);
    assert_eq!(
        world.answer(refused),
        Some(Err(exceeded(Resource::Sessions, 64, 64, 1)))
    );
    assert!(!world.connected.contains(&refused));
    world.connect(8);
    let label = "camera".to_owned();
    world.call(strangers[0], Register { label }).unwrap();
    let welcome = world.connect(7);
    assert!(world.connected.contains(&welcome));
}
