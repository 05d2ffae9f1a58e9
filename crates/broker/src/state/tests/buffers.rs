//! Buffer sets.

use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, BrokerError, EndReason, EndStream, FreeBuffers, ImportBuffers,
    ImportBuffersReply, ObjectKind, ReleaseImport, Reply, SetId,
};

use super::world::World;
use crate::state::{Effect, FdRef};

fn free(set: SetId) -> FreeBuffers {
    FreeBuffers { set }
}

#[test]
fn buffers_come_in_the_number_asked_for_and_in_whole_pages() {
    let mut world = World::new();
    let camera = world.client("camera");
    let (reply, fds) = world.allocate(camera, 4097, 3);
    assert_eq!(
        reply,
        AllocateBuffersReply {
            set: SetId(1),
            generation: 1,
            size_bytes: 8192
        }
    );
    assert_eq!(fds.len(), 3);
    assert!(matches!(
        &world.history[..],
        [
            ..,
            Effect::Allocate {
                size_bytes: 8192,
                count: 3,
                ..
            },
            Effect::Reply { .. }
        ]
    ));
}

#[test]
fn sizes_out_of_range_are_refused() {
    let mut world = World::new();
    let camera = world.client("camera");
    for (size_bytes, count) in [(0, 1), (u64::MAX, 1), (4096, 0), (4096, 65)] {
        let error = world.error(
            camera,
            AllocateBuffers {
                name: String::new(),
                size_bytes,
                count,
            },
        );
        assert!(matches!(error, BrokerError::InvalidArgument { .. }), "{error}");
    }
    assert!(world.machine.sets.is_empty());
}

#[test]
fn freed_set_is_gone_with_its_tokens() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    world.call(camera, free(set)).unwrap();
    assert!(world.fds.is_empty());
    assert_eq!(
        world.error(
            viewer,
            ImportBuffers {
                token,
                contract: None
            }
        ),
        BrokerError::TokenUnknown
    );
    assert_eq!(world.error(camera, free(set)), BrokerError::NoSuchSet { id: set });
}

#[test]
fn only_the_owner_frees() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let error = world.error(viewer, free(set));
    assert_eq!(
        error,
        BrokerError::NotOwner {
            kind: ObjectKind::Set,
            id: set.0
        }
    );
    assert!(world.machine.sets.contains_key(&set));
}

#[test]
fn set_of_a_running_stream_is_not_freed() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    assert_eq!(
        world.error(camera, free(set)),
        BrokerError::SetInUse { set, stream }
    );
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    world.call(camera, free(set)).unwrap();
}

#[test]
fn set_of_an_ended_stream_is_freed_though_consumers_have_not_left() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 4).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    world.join(viewer, &token, 1).unwrap();
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    world.call(camera, free(set)).unwrap();
    assert!(world.machine.streams.is_empty());
    assert!(world.fds.is_empty());
}

#[test]
fn first_token_seals_and_nothing_later_does() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (allocated, buffers) = world.allocate(camera, 4096, 2);
    world.history.clear();
    let token = world.token(camera, ObjectKind::Set, allocated.set.0, 2);
    assert!(matches!(
        world.history[..],
        [Effect::Seal { peer, .. }, Effect::Reply { .. }] if peer == camera
    ));
    world.history.clear();
    let (reply, fds) = world
        .call(
            viewer,
            ImportBuffers {
                token: token.clone(),
                contract: None,
            },
        )
        .unwrap();
    let expected = ImportBuffersReply {
        set: allocated.set,
        generation: 1,
        name: "frames".to_owned(),
        size_bytes: 4096,
        count: 2,
        plan: String::new(),
    };
    assert_eq!(reply, Reply::ImportBuffers(expected));
    assert_eq!(fds, buffers, "in the same order");
    world.token(camera, ObjectKind::Set, allocated.set.0, 2);
    assert!(matches!(
        world.history[..],
        [Effect::Reply { .. }, Effect::Reply { .. }]
    ));
}

#[test]
fn import_is_given_back_once_and_only_by_its_importer() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let other = world.client_of(7, "other");
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 2);
    let not_imported = BrokerError::NoSuchSet { id: set };
    assert_eq!(world.error(viewer, ReleaseImport { set }), not_imported);
    world
        .call(
            viewer,
            ImportBuffers {
                token: token.clone(),
                contract: None,
            },
        )
        .unwrap();
    assert_eq!(world.error(other, ReleaseImport { set }), not_imported);
    assert_eq!(world.error(camera, ReleaseImport { set }), not_imported);
    world.call(viewer, ReleaseImport { set }).unwrap();
    assert!(world.machine.sets[&set].importers.is_empty());
    assert_eq!(world.error(viewer, ReleaseImport { set }), not_imported);
    world
        .call(
            viewer,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    world.call(camera, free(set)).unwrap();
    assert_eq!(world.error(viewer, ReleaseImport { set }), not_imported);
}

#[test]
fn owner_may_import_its_own_set() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 1).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    let (_, fds) = world
        .call(
            camera,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    assert!(matches!(fds[..], [FdRef::Held(_)]));
    assert_eq!(world.machine.sets[&set].importers.len(), 1);
    world.call(camera, ReleaseImport { set }).unwrap();
    assert_eq!(world.machine.sets[&set].count(), 1, "it still owns it");
}

#[test]
fn ids_are_never_used_twice() {
    let mut world = World::new();
    let camera = world.client("camera");
    let first = world.allocate(camera, 4096, 1).0.set;
    world.call(camera, free(first)).unwrap();
    assert_eq!(world.allocate(camera, 4096, 1).0.set, SetId(first.0 + 1));
}
