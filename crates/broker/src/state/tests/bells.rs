//! Doorbells: who gets which end, when the broker rings, and what they cost. Contract: S7, P3, P5.

use std::collections::BTreeSet;

use wharf_protocol::{
    Amounts, BrokerError, CreateStream, EndReason, EndStream, Incarnation, JoinStream, JoinStreamReply,
    LeaveStream, ObjectKind, Policy, Reply, Rotation, StreamId, TakeChanges, Token,
};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::world::{Outcome, World};
use crate::state::{Event, FdRef, PeerId};

fn try_create(world: &mut World, camera: PeerId, buffers: u32, polled: bool) -> Outcome {
    let set = world.allocate(camera, 4096, buffers).0.set;
    let call = CreateStream {
        set,
        name: String::new(),
        max_consumers: 4,
        room_ms: None,
        polled: Some(polled),
        // What is counted here is not memory.
        rotation: Some(Rotation::Never),
    };
    let page = world.page(RING_PAGE_BYTES);
    world.call_with(camera, call, vec![page])
}

/// A stream of 8 buffers whose producer polls or does not, a token for it, and what came with the reply.
fn stream(world: &mut World, camera: PeerId, polled: bool) -> (StreamId, Token, Vec<FdRef>) {
    let Ok((Reply::CreateStream(reply), fds)) = try_create(world, camera, 8, polled) else {
        panic!("it is created")
    };
    let token = world.token(camera, ObjectKind::Stream, reply.stream.0, 9);
    (reply.stream, token, fds)
}

fn try_join(world: &mut World, viewer: PeerId, token: &Token, polled: bool) -> Outcome {
    let call = JoinStream {
        polled: Some(polled),
        ..JoinStream::new(token.clone(), 1, Policy::Block)
    };
    let page = world.page(CONSUMER_PAGE_BYTES);
    world.call_with(viewer, call, vec![page])
}

fn join(world: &mut World, viewer: PeerId, token: &Token, polled: bool) -> (JoinStreamReply, Vec<FdRef>) {
    match try_join(world, viewer, token, polled) {
        Ok((Reply::JoinStream(reply), fds)) => (reply, fds),
        other => panic!("{other:?}"),
    }
}

/// What comes with the newcomers, page and process left out.
fn changes(world: &mut World, camera: PeerId, stream: StreamId) -> Vec<FdRef> {
    let after = Incarnation(0);
    match world.call(camera, TakeChanges { stream, after }) {
        Ok((Reply::TakeChanges(_), fds)) => fds[2..].to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Which bell a descriptor is an end of; `None` for anything else.
fn bell(world: &World, fd: FdRef) -> Option<u64> {
    match fd {
        FdRef::Held(handle) | FdRef::Given(handle) => world.bells.get(&handle).copied(),
        FdRef::Process(_) => None,
    }
}

fn bells(world: &World, fds: &[FdRef]) -> Vec<u64> {
    fds.iter().filter_map(|fd| bell(world, *fd)).collect()
}

fn rung(world: &mut World, bell: u64) -> usize {
    world.rung.remove(&bell).unwrap_or(0)
}

fn fds_of(world: &World, uid: u32) -> u64 {
    world.machine.accounts.used(uid).fds
}

#[test]
fn who_does_not_poll_costs_no_bell() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (id, token, fds) = stream(&mut world, camera, false);
    assert_eq!(fds.len(), 1);
    let (reply, fds) = join(&mut world, viewer, &token, false);
    assert!(!reply.producer_polls);
    assert_eq!(fds.len(), 3 + 8);
    assert_eq!(changes(&mut world, camera, id), []);
    assert!(world.bells.is_empty());
}

#[test]
fn consumer_and_producer_get_ends_of_the_same_bell_and_no_end_twice() {
    for (producer_polls, consumer_polls) in [(false, true), (true, false), (true, true)] {
        let mut world = World::new();
        let (camera, viewer) = (world.client("camera"), world.client("viewer"));
        let (id, token, _) = stream(&mut world, camera, producer_polls);
        let (reply, fds) = join(&mut world, viewer, &token, consumer_polls);
        assert_eq!(reply.producer_polls, producer_polls);
        let count = usize::from(producer_polls) + usize::from(consumer_polls);
        let consumers = fds[3..3 + count].to_vec();
        assert!(fds[3 + count..].iter().all(|fd| bell(&world, *fd).is_none()));
        let producers = changes(&mut world, camera, id);
        assert_eq!(bells(&world, &consumers), bells(&world, &producers));
        assert_eq!(bells(&world, &consumers).len(), count);
        assert_eq!(changes(&mut world, camera, id), producers, "asked again");
        let handle = |fd: &FdRef| match fd {
            FdRef::Held(handle) | FdRef::Given(handle) => *handle,
            FdRef::Process(_) => panic!("a process among bells"),
        };
        let ends: BTreeSet<_> = consumers.iter().chain(&producers).map(handle).collect();
        assert_eq!(ends.len(), 2 * count, "everybody has an end of his own");
    }
}

#[test]
fn each_consumer_rings_a_bell_of_its_own_at_the_producer() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (_, token, fds) = stream(&mut world, camera, true);
    let own = bells(&world, &fds);
    let one = join(&mut world, viewer, &token, false).1;
    let other = join(&mut world, viewer, &token, false).1;
    let all: BTreeSet<_> = [own, bells(&world, &one), bells(&world, &other)]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(all.len(), 3);
}

#[test]
fn broker_rings_those_for_whom_there_is_news() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (id, token, fds) = stream(&mut world, camera, true);
    let producer = bells(&world, &fds)[0];
    rung(&mut world, producer);
    let (first, fds) = join(&mut world, viewer, &token, true);
    let of_first = bells(&world, &fds)[0];
    assert_eq!(
        (rung(&mut world, producer), rung(&mut world, of_first)),
        (1, 0),
        "somebody came"
    );
    let fds = join(&mut world, viewer, &token, true).1;
    let of_second = bells(&world, &fds)[0];
    rung(&mut world, producer);
    let (slot, incarnation) = (first.slot, first.incarnation);
    let leave = LeaveStream {
        stream: id,
        slot,
        incarnation,
    };
    world.call(viewer, leave).unwrap();
    assert_eq!(rung(&mut world, producer), 1, "somebody left");
    assert_eq!(
        rung(&mut world, of_first),
        1,
        "who is not in the stream any more is told, too"
    );
    assert_eq!(rung(&mut world, of_second), 0);
    let reason = EndReason::Ended;
    world.call(camera, EndStream { stream: id, reason }).unwrap();
    assert_eq!(rung(&mut world, of_second), 1, "the end");
}

#[test]
fn death_of_the_producer_is_rung_and_that_of_a_consumer() {
    let mut world = World::new();
    let (camera, viewer, other) = (
        world.client("camera"),
        world.client("viewer"),
        world.client("other"),
    );
    let (_, token, fds) = stream(&mut world, camera, true);
    let producer = bells(&world, &fds)[0];
    join(&mut world, viewer, &token, false);
    let fds = join(&mut world, other, &token, true).1;
    let consumer = bells(&world, &fds)[0];
    rung(&mut world, producer);
    world.tell(Event::Disconnected { peer: viewer });
    assert_eq!(rung(&mut world, producer), 1);
    world.tell(Event::Disconnected { peer: camera });
    assert_eq!(rung(&mut world, consumer), 1);
}

#[test]
fn bells_are_paid_for_as_long_as_the_stream_runs_and_the_consumer_is_in_it() {
    let mut world = World::new();
    let (camera, viewer) = (world.client_of(1, "camera"), world.client_of(2, "viewer"));
    let (id, token, _) = stream(&mut world, camera, true);
    assert_eq!(
        fds_of(&world, 1),
        2 + 8 + 3,
        "connection, buffers, pages and a bell"
    );
    join(&mut world, viewer, &token, false);
    assert_eq!(
        fds_of(&world, 2),
        2 + 2,
        "its page, and the producer's end of the bell it rings"
    );
    let second = join(&mut world, viewer, &token, true).0;
    assert_eq!(
        fds_of(&world, 2),
        4 + 4,
        "besides: the producer's and the broker's end of its own"
    );
    let (slot, incarnation) = (second.slot, second.incarnation);
    let leave = LeaveStream {
        stream: id,
        slot,
        incarnation,
    };
    world.call(viewer, leave).unwrap();
    assert_eq!(fds_of(&world, 2), 4);
    let reason = EndReason::Ended;
    world.call(camera, EndStream { stream: id, reason }).unwrap();
    assert_eq!((fds_of(&world, 1), fds_of(&world, 2)), (2 + 8, 2));
}

#[test]
fn without_bells_nobody_joins_and_nothing_is_left_over() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (_, token, _) = stream(&mut world, camera, false);
    let before = world.fds.clone();
    world.failure = Some(BrokerError::OutOfDescriptors);
    let refused = try_join(&mut world, viewer, &token, true);
    assert_eq!(refused, Err(BrokerError::OutOfDescriptors));
    world.failure = None;
    assert_eq!(world.fds, before);
    join(&mut world, viewer, &token, true);
}

#[test]
fn who_dies_or_may_not_join_while_bells_are_made_leaves_none() {
    for dies in [true, false] {
        let mut world = World::new();
        let (camera, viewer) = (world.client("camera"), world.client("viewer"));
        let (id, token, _) = stream(&mut world, camera, true);
        world.hold_reports = true;
        let call = JoinStream {
            polled: Some(true),
            ..JoinStream::new(token.clone(), 1, Policy::Block)
        };
        let page = world.page(CONSUMER_PAGE_BYTES);
        world.post(viewer, call, vec![page]);
        if dies {
            world.tell(Event::Disconnected { peer: viewer });
        } else {
            let reason = EndReason::Ended;
            world.post(camera, EndStream { stream: id, reason }, Vec::new());
        }
        world.hold_reports = false;
        world.report_all();
        if !dies {
            assert!(matches!(
                world.answer(viewer),
                Some(Err(BrokerError::StreamEnded { .. }))
            ));
        }
        world.tell(Event::Disconnected { peer: viewer });
        world.tell(Event::Disconnected { peer: camera });
        world.assert_empty();
    }
}

#[test]
fn oneway_calls_leave_no_bells_behind() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let (_, token, _) = stream(&mut world, camera, true);
    let page = world.page(CONSUMER_PAGE_BYTES);
    let call = JoinStream {
        polled: Some(true),
        ..JoinStream::new(token, 1, Policy::Block)
    };
    world.tell(Event::Call {
        peer: viewer,
        call: call.into(),
        oneway: true,
        fds: vec![page],
    });
    world.tell(Event::Disconnected { peer: viewer });
    world.tell(Event::Disconnected { peer: camera });
    world.assert_empty();
}

#[test]
fn quota_of_descriptors_counts_bells() {
    for polled in [false, true] {
        let mut world = World::with_quota(Amounts {
            fds: 5,
            ..crate::state::DEFAULT_QUOTA
        });
        let camera = world.client("camera");
        let outcome = try_create(&mut world, camera, 1, polled);
        assert_eq!(outcome.is_ok(), !polled, "{outcome:?}");
    }
}
