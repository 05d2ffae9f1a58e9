//! Streams: producers, consumers, slots and pages.

use wharf_protocol::{
    BrokerError, EndReason, EndStream, Incarnation, JoinStreamReply, LeaveStream, Member, ObjectKind, Policy,
    Reply, SetId, Slot, StreamId, TakeChanges,
};
use wharf_stream::status::{SlotState, StreamState};

use super::world::World;
use crate::state::{Effect, Event, FdRef, PeerId};

fn take(world: &mut World, peer: PeerId, stream: StreamId, after: Incarnation) -> (Vec<Member>, Vec<FdRef>) {
    match world.call(peer, TakeChanges { stream, after }) {
        Ok((Reply::TakeChanges(reply), fds)) => (reply.joined, fds),
        other => panic!("{other:?}"),
    }
}

fn leave(of: &JoinStreamReply) -> LeaveStream {
    LeaveStream {
        stream: of.stream,
        slot: of.slot,
        incarnation: of.incarnation,
    }
}

#[test]
fn creating_a_stream_seals_the_set_and_hands_out_the_status_page() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    world.history.clear();
    let stream = world.create(camera, set, 1).unwrap();
    assert!(matches!(
        &world.history[..],
        [Effect::Seal { .. }, Effect::CreateStatusPage { stream: made, .. }, Effect::SetGenerations { .. }, Effect::Reply { fds, .. }]
            if *made == stream && fds.len() == 1
    ));
}

#[test]
fn set_that_is_sealed_already_is_not_sealed_again() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    world.history.clear();
    world.create(camera, set, 1).unwrap();
    assert!(matches!(
        &world.history[..],
        [
            Effect::CreateStatusPage { .. },
            Effect::SetGenerations { .. },
            Effect::Reply { .. }
        ]
    ));
}

#[test]
fn set_carries_one_stream_at_a_time() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    assert_eq!(
        world.create(camera, set, 1),
        Err(BrokerError::SetInUse { set, stream })
    );
}

#[test]
fn buffers_that_consumers_may_still_read_carry_no_new_stream() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let stream = world.create(camera, set, 1).unwrap();
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let joined = world.join(viewer, &token, 1).unwrap().0;
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    assert_eq!(
        world.create(camera, set, 1),
        Err(BrokerError::SetInUse { set, stream })
    );
    world.call(viewer, leave(&joined)).unwrap();
    world.create(camera, set, 1).unwrap();
}

#[test]
fn streams_over_sets_of_others_or_of_nobody_are_refused() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let not_owner = BrokerError::NotOwner {
        kind: ObjectKind::Set,
        id: set.0,
    };
    assert_eq!(world.create(viewer, set, 1), Err(not_owner));
    assert_eq!(
        world.create(viewer, SetId(9), 1),
        Err(BrokerError::NoSuchSet { id: SetId(9) })
    );
    assert!(matches!(
        world.create(camera, set, 65),
        Err(BrokerError::InvalidArgument { .. })
    ));
}

#[test]
fn consumer_is_told_everything_about_its_stream() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (allocated, buffers) = world.allocate(camera, 5000, 3);
    let stream = world.create(camera, allocated.set, 2).unwrap();
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let (reply, fds) = world.join(viewer, &token, 2).unwrap();
    let expected = JoinStreamReply {
        stream,
        set: allocated.set,
        name: "preview".to_owned(),
        slot: Slot(0),
        incarnation: Incarnation(1),
        generation: 1,
        size_bytes: 8192,
        count: 3,
        plan: String::new(),
        producer_label: "camera".to_owned(),
        producer_pid: 101,
        producer_polls: false,
    };
    assert_eq!(reply, expected);
    assert!(matches!(fds[..2], [FdRef::Held(ring), FdRef::Held(status)] if ring != status));
    assert_eq!(fds[2], FdRef::Process(camera));
    assert_eq!(fds[3..], buffers);
}

#[test]
fn slots_are_used_again_under_a_new_incarnation() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 8, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let first = world.join(viewer, &token, 1).unwrap().0;
    let second = world.join(viewer, &token, 1).unwrap().0;
    assert_eq!((first.slot, second.slot), (Slot(0), Slot(1)));
    assert_eq!(
        world.join(viewer, &token, 1),
        Err(BrokerError::StreamFull { max: 2 })
    );
    world.call(viewer, leave(&first)).unwrap();
    let third = world.join(viewer, &token, 1).unwrap().0;
    assert_eq!(third.slot, first.slot);
    assert!(third.incarnation > second.incarnation);
    assert_eq!(
        world.error(viewer, leave(&first)),
        BrokerError::NoSuchStream { id: stream }
    );
}

#[test]
fn depths_and_the_frame_being_written_have_to_fit_the_buffers() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 8);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let exhausted = |promised, requested| {
        Err(BrokerError::CountsExhausted {
            buffers: 4,
            promised,
            requested,
        })
    };
    assert_eq!(world.join(viewer, &token, 4), exhausted(0, 4));
    let joined = world.join(viewer, &token, 2).unwrap().0;
    assert_eq!(world.join(viewer, &token, 2), exhausted(2, 2));
    world.join(viewer, &token, 1).unwrap();
    assert_eq!(world.join(viewer, &token, 1), exhausted(3, 1));
    world.call(viewer, leave(&joined)).unwrap();
    world.join(viewer, &token, 2).unwrap();
}

#[test]
fn producer_learns_of_newcomers_in_the_order_of_joining_as_often_as_it_asks() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let encoder = world.client_of(7, "encoder");
    let stream = world.stream(camera, 8, 3);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let first = world.join(viewer, &token, 1).unwrap().0;
    let second = world.join(viewer, &token, 2).unwrap().0;
    world.call(viewer, leave(&first)).unwrap();
    let third = world.join(encoder, &token, 3).unwrap().0;
    let (joined, fds) = take(&mut world, camera, stream, Incarnation(0));
    assert_eq!(
        joined.iter().map(|member| member.depth).collect::<Vec<_>>(),
        [2, 3]
    );
    let expected = Member {
        slot: third.slot,
        incarnation: third.incarnation,
        label: "encoder".to_owned(),
        pid: 103,
        uid: 7,
        depth: 3,
        policy: Policy::Block,
        polls: false,
    };
    assert_eq!(joined[1], expected);
    assert!(matches!(
        fds[..],
        [FdRef::Held(_), FdRef::Process(one), FdRef::Held(_), FdRef::Process(two)]
            if (one, two) == (viewer, encoder)
    ));
    assert_eq!(
        take(&mut world, camera, stream, Incarnation(0)),
        (joined.clone(), fds.clone()),
        "asked again, the broker answers the same"
    );
    assert_eq!(
        take(&mut world, camera, stream, second.incarnation),
        (joined[1..].to_vec(), fds[2..].to_vec())
    );
    assert_eq!(
        take(&mut world, camera, stream, third.incarnation),
        (vec![], vec![])
    );
}

#[test]
fn newcomer_that_left_again_is_left_out() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 8, 3);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let joined = world.join(viewer, &token, 1).unwrap().0;
    world.call(viewer, leave(&joined)).unwrap();
    let encoder = world.client("encoder");
    world.join(encoder, &token, 1).unwrap();
    world.tell(Event::Disconnected { peer: encoder });
    assert_eq!(take(&mut world, camera, stream, Incarnation(0)), (vec![], vec![]));
}

#[test]
fn pages_of_consumers_are_held_until_the_stream_ends() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 8, 3);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let before = world.fds.len();
    world.join(viewer, &token, 1).unwrap();
    take(&mut world, camera, stream, Incarnation(0));
    assert_eq!(world.fds.len(), before + 1);
    let reason = EndReason::Ended;
    world.call(camera, EndStream { stream, reason }).unwrap();
    assert_eq!(world.fds.len(), before - 2, "ring page and status page go too");
}

#[test]
fn producer_that_fails_without_dying_says_so() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 2);
    world.join(viewer, &token, 1).unwrap();
    let reason = EndReason::ProducerDied;
    world.call(camera, EndStream { stream, reason }).unwrap();
    assert_eq!(world.endings[&stream], StreamState::ProducerDied);
    assert_eq!(
        world.join(viewer, &token, 1),
        Err(BrokerError::StreamEnded { reason })
    );
}

#[test]
fn only_the_producer_takes_changes_and_ends() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 2, 1);
    let not_owner = BrokerError::NotOwner {
        kind: ObjectKind::Stream,
        id: stream.0,
    };
    assert_eq!(
        world.error(
            viewer,
            TakeChanges {
                stream,
                after: Incarnation(0)
            }
        ),
        not_owner
    );
    assert_eq!(
        world.error(
            viewer,
            EndStream {
                stream,
                reason: EndReason::Ended
            }
        ),
        not_owner
    );
    let unknown = StreamId(9);
    assert_eq!(
        world.error(
            camera,
            TakeChanges {
                stream: unknown,
                after: Incarnation(0)
            }
        ),
        BrokerError::NoSuchStream { id: unknown }
    );
    assert_eq!(
        world.error(
            camera,
            EndStream {
                stream: unknown,
                reason: EndReason::Ended
            }
        ),
        BrokerError::NoSuchStream { id: unknown }
    );
}

#[test]
fn only_the_consumer_itself_leaves() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let joined = world.join(viewer, &token, 1).unwrap().0;
    let unknown = BrokerError::NoSuchStream { id: stream };
    assert_eq!(world.error(camera, leave(&joined)), unknown);
    let older = LeaveStream {
        incarnation: Incarnation(0),
        ..leave(&joined)
    };
    assert_eq!(world.error(viewer, older), unknown);
    let elsewhere = LeaveStream {
        slot: Slot(1),
        ..leave(&joined)
    };
    assert_eq!(world.error(viewer, elsewhere), unknown);
    world.call(viewer, leave(&joined)).unwrap();
    assert_eq!(
        world.status_pages[&stream].slots[&joined.slot],
        (joined.incarnation, SlotState::Gone)
    );
}

#[test]
fn ended_stream_shows_its_end_and_is_remembered_until_its_consumers_leave() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let stream = world.stream(camera, 4, 2);
    let token = world.token(camera, ObjectKind::Stream, stream.0, 1);
    let joined = world.join(viewer, &token, 1).unwrap().0;
    world
        .call(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended,
            },
        )
        .unwrap();
    assert_eq!(world.endings[&stream], StreamState::Ended);
    let ended = BrokerError::StreamEnded {
        reason: EndReason::Ended,
    };
    assert_eq!(
        world.error(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended
            }
        ),
        ended
    );
    assert_eq!(
        world.error(
            camera,
            TakeChanges {
                stream,
                after: Incarnation(0)
            }
        ),
        ended
    );
    world.call(viewer, leave(&joined)).unwrap();
    assert_eq!(
        world.error(
            camera,
            EndStream {
                stream,
                reason: EndReason::Ended
            }
        ),
        BrokerError::NoSuchStream { id: stream }
    );
}
