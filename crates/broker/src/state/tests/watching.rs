//! Pages to look at.

use wharf_protocol::{
    BrokerError, EndReason, EndStream, LeaveStream, Member, ObjectKind, Reply, StreamId, WatchStream,
};

use super::world::{BROKER_UID, World};
use crate::state::{FdRef, PeerId};

fn watch(
    world: &mut World,
    peer: PeerId,
    stream: StreamId,
) -> Result<(Vec<Member>, Vec<FdRef>), BrokerError> {
    match world.call(peer, WatchStream { stream })? {
        (Reply::WatchStream(reply), fds) => Ok((reply.members, fds)),
        other => panic!("{other:?}"),
    }
}

/// A camera of user 7 with a viewer of its own and one of user 8.
fn busy_world() -> (World, PeerId, [PeerId; 2], StreamId) {
    let mut world = World::new();
    let camera = world.client_of(7, "camera");
    let viewers = [world.client_of(7, "own"), world.client_of(8, "other")];
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    for viewer in viewers {
        world.join(viewer, &token, 1).unwrap();
    }
    (world, camera, viewers, stream)
}

#[test]
fn pages_come_in_the_order_of_the_members() {
    let (mut world, camera, viewers, stream) = busy_world();
    let (members, fds) = watch(&mut world, camera, stream).unwrap();
    let labels: Vec<&str> = members.iter().map(|member| member.label.as_str()).collect();
    assert_eq!(labels, ["own", "other"]);
    let running = &world.machine.streams[&stream];
    let pages = running.pages.unwrap();
    let mut expected = vec![pages.ring, pages.status];
    expected.extend(running.members.values().map(|member| member.page.unwrap()));
    assert_eq!(fds, expected.into_iter().map(FdRef::Held).collect::<Vec<_>>());
    let first = &members[0];
    let leave = LeaveStream {
        stream,
        slot: first.slot,
        incarnation: first.incarnation,
    };
    world.call(viewers[0], leave).unwrap();
    let (members, fds) = watch(&mut world, camera, stream).unwrap();
    assert_eq!(
        (members.len(), members[0].label.as_str(), fds.len()),
        (1, "other", 3)
    );
}

#[test]
fn who_looks_need_not_register_and_costs_nobody_anything() {
    let (mut world, _, _, stream) = busy_world();
    let stranger = world.connect(7);
    let before = (world.machine.accounts.used(7), world.machine.accounts.used(8));
    assert_eq!(watch(&mut world, stranger, stream).unwrap().1.len(), 4);
    let after = (world.machine.accounts.used(7), world.machine.accounts.used(8));
    assert_eq!(before, after);
}

#[test]
fn streams_of_others_are_not_there() {
    let (mut world, _, viewers, stream) = busy_world();
    let unknown = BrokerError::NoSuchStream { id: stream };
    let stranger = world.connect(9);
    // Not even the stream's own consumer of another user has a right to the other pages.
    for peer in [stranger, viewers[1]] {
        assert_eq!(watch(&mut world, peer, stream), Err(unknown.clone()));
    }
    for uid in [0, BROKER_UID, 7] {
        let peer = world.connect(uid);
        assert!(watch(&mut world, peer, stream).is_ok(), "{uid}");
    }
    let none = StreamId(99);
    let root = world.connect(0);
    assert_eq!(
        watch(&mut world, root, none),
        Err(BrokerError::NoSuchStream { id: none })
    );
}

#[test]
fn stream_that_is_over_has_no_pages() {
    let (mut world, camera, _, stream) = busy_world();
    let reason = EndReason::Ended;
    world.call(camera, EndStream { stream, reason }).unwrap();
    assert_eq!(
        watch(&mut world, camera, stream),
        Err(BrokerError::StreamEnded { reason })
    );
}
