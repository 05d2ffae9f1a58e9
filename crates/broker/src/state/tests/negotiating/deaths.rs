//! Somebody dies in each state of a set: whom it harms its failure domain says. Contract: P5, S4.

use wharf_protocol::{BrokerError, FailureDomain, LatePolicy, LeaveSeat, SeatRight, SetStatus, Token};

use super::table::{Chair, Studio, Who, needs, opened, reader, writer};
use crate::state::negotiating::ABANDONED_AFTER_MS;
use crate::state::tests::world::World;
use crate::state::{Event, PeerId};

const DOMAINS: [FailureDomain; 3] = [
    FailureDomain::Normal,
    FailureDomain::Dispensable,
    FailureDomain::Attached,
];

/// A set of which the camera's seat is `domain`, and the viewer's normal; and the tokens of both.
fn open(world: &mut World, domain: FailureDomain) -> (PeerId, Token, Token, wharf_protocol::SetId) {
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let write = world.seat(recorder, &root.token, &[SeatRight::Write], domain);
    let read = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
    (recorder, write, read, root.set)
}

fn die(world: &mut World, peer: PeerId) {
    world.tell(Event::Disconnected { peer });
}

fn sit(world: &mut World, token: &Token, participant: wharf_core::negotiation::Participant) -> Chair {
    let peer = world.client("guest");
    world.sit(peer, token, participant).unwrap()
}

#[test]
fn death_in_an_open_set() {
    for domain in DOMAINS {
        let mut world = World::new();
        let (recorder, write, read, set) = open(&mut world, domain);
        let camera = sit(&mut world, &write, writer(2));
        die(&mut world, camera.peer);
        let status = world.explain(recorder, set).unwrap().status;
        if domain == FailureDomain::Attached {
            assert_eq!(status, SetStatus::Open);
            let viewer = sit(&mut world, &read, reader(1));
            assert_eq!(world.buffers(&viewer).unwrap().0.count, 1);
        } else {
            assert_eq!(status, SetStatus::Failed);
            assert!(
                world
                    .explain(recorder, set)
                    .unwrap()
                    .over
                    .unwrap()
                    .contains("camera")
            );
        }
        world.everybody_goes();
    }
}

#[test]
fn death_while_memory_is_being_allocated() {
    for domain in DOMAINS {
        let mut world = World::new();
        let (recorder, write, read, set) = open(&mut world, domain);
        let camera = sit(&mut world, &write, writer(2));
        world.hold_reports = true;
        let viewer = sit(&mut world, &read, reader(1));
        assert_eq!(world.explain(recorder, set).unwrap().status, SetStatus::Sealed);
        die(&mut world, camera.peer);
        world.hold_reports = false;
        world.report_all();
        let status = world.explain(recorder, set).unwrap().status;
        let buffers = world.buffers(&viewer);
        if domain == FailureDomain::Attached {
            // Nobody is left who writes: the buffers are sealed as they are.
            assert_eq!((status, buffers.unwrap().0.count), (SetStatus::Allocated, 3));
        } else {
            assert_eq!(status, SetStatus::Failed);
            assert!(matches!(buffers, Err(BrokerError::SetOver { .. })), "{buffers:?}");
        }
        world.everybody_goes();
    }
}

#[test]
fn death_of_the_writer_before_and_after_it_has_mapped_the_buffers() {
    for (domain, has_mapped) in DOMAINS
        .into_iter()
        .flat_map(|domain| [(domain, false), (domain, true)])
    {
        let mut world = World::new();
        let (recorder, write, read, set) = open(&mut world, domain);
        let camera = sit(&mut world, &write, writer(2));
        let viewer = sit(&mut world, &read, reader(1));
        world.buffers(&camera).unwrap();
        if has_mapped {
            world.mapped(&camera, 1).unwrap();
        }
        world.post_buffers(&viewer, 500);
        die(&mut world, camera.peer);
        let answered = world.answered_buffers(viewer.peer).unwrap();
        let status = world.explain(recorder, set).unwrap().status;
        if domain == FailureDomain::Normal {
            assert_eq!(status, SetStatus::Failed);
            assert!(has_mapped || matches!(answered, Err(BrokerError::SetOver { .. })));
            assert!(matches!(world.buffers(&viewer), Err(BrokerError::SetOver { .. })));
        } else {
            assert_eq!(
                (status, answered.unwrap().0.generation),
                (SetStatus::Allocated, 1)
            );
        }
        world.everybody_goes();
    }
}

#[test]
fn death_of_a_reader_with_buffers() {
    for domain in DOMAINS {
        let (mut world, recorder, root) = opened();
        let write = world.seat(recorder, &root.token, &[SeatRight::Write], FailureDomain::Normal);
        let read = world.seat(recorder, &root.token, &[], domain);
        let camera = sit(&mut world, &write, writer(2));
        let viewer = sit(&mut world, &read, reader(1));
        world.buffers(&camera).unwrap();
        world.mapped(&camera, 1).unwrap();
        world.buffers(&viewer).unwrap();
        die(&mut world, viewer.peer);
        let status = world.explain(recorder, root.set).unwrap().status;
        let survives = domain != FailureDomain::Normal;
        let wanted = if survives {
            SetStatus::Allocated
        } else {
            SetStatus::Failed
        };
        assert_eq!(status, wanted);
        assert_eq!(world.machine.sets.contains_key(&root.set), survives);
        world.everybody_goes();
    }
}

#[test]
fn death_of_each_one_while_the_buffers_move() {
    for victim in 0..4 {
        let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
        let viewer = studio.world.client("viewer");
        let mut room = reader(2);
        room.label = "room".into();
        studio
            .world
            .come(viewer, &studio.tickets, 2, Who::Needs(room))
            .unwrap();
        let encoder = studio.world.client("encoder");
        let larger = Who::Needs(needs("encoder", 8192, 1 << 20, 2));
        studio.world.post_join(encoder, &studio.tickets, 2, larger, 998);
        studio
            .world
            .ready(studio.camera.peer, studio.root.set, 2, None)
            .unwrap();
        let who = [studio.recorder, studio.camera.peer, viewer, encoder][victim];
        die(&mut studio.world, who);
        let answered = studio.world.answered_join(encoder);
        match victim {
            // The creator and the camera take the set along.
            0 | 1 => assert!(answered.unwrap().is_err()),
            // Nobody waits for the dead: everybody else has the new buffers.
            2 => {
                assert_eq!(answered.unwrap().unwrap().generation, 2);
                assert_eq!(studio.status(), SetStatus::Allocated);
            }
            _ => {
                assert!(answered.is_none());
                assert_eq!(studio.status(), SetStatus::Allocated);
            }
        }
        studio.close();
    }
}

#[test]
fn creator_may_go_in_order_and_the_others_stay() {
    let mut world = World::new();
    let (recorder, write, read, set) = open(&mut world, FailureDomain::Normal);
    let camera = sit(&mut world, &write, writer(2));
    let viewer = sit(&mut world, &read, reader(1));
    let root = {
        let held = world.machine.negotiating.audited(set);
        assert!(held.is_some());
        world.root_token(set)
    };
    world.call(recorder, LeaveSeat { token: root }).unwrap();
    die(&mut world, recorder);
    assert_eq!(world.buffers(&camera).unwrap().0.count, 3);
    world.mapped(&camera, 1).unwrap();
    world.buffers(&viewer).unwrap();
    let (camera, viewer) = (camera.token, viewer);
    let peer = viewer.peer;
    world.call(peer, LeaveSeat { token: viewer.token }).unwrap();
    drop(camera);
    world.everybody_goes();
}

#[test]
fn set_that_nobody_comes_to_is_given_up() {
    let mut world = World::new();
    let (recorder, _write, _read, set) = open(&mut world, FailureDomain::Normal);
    let token = world.root_token(set);
    world.call(recorder, LeaveSeat { token }).unwrap();
    die(&mut world, recorder);
    assert!(world.machine.negotiating.audited(set).is_some());
    world.pass(ABANDONED_AFTER_MS);
    assert!(world.machine.negotiating.audited(set).is_none());
    world.everybody_goes();
}

#[test]
fn writer_leaves_after_its_stream_only() {
    let mut studio = Studio::new(LatePolicy::Refuse, 2, 0);
    let token = studio.camera.token.clone();
    let camera = studio.camera.peer;
    let busy = studio.world.error(camera, LeaveSeat { token: token.clone() });
    assert!(matches!(busy, BrokerError::SetInUse { .. }), "{busy}");
    let end = wharf_protocol::EndStream {
        stream: studio.stream,
        reason: wharf_protocol::EndReason::Ended,
    };
    studio.world.call(camera, end).unwrap();
    studio.world.call(camera, LeaveSeat { token }).unwrap();
    assert_eq!(studio.status(), SetStatus::Allocated);
    studio.close();
}
