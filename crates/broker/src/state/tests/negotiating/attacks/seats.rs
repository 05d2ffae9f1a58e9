//! Seats that are issued, shared, left and died in to harm others.

use wharf_core::AccessMode;
use wharf_core::negotiation::Presence;
use wharf_protocol::{
    BrokerError, FailureDomain, LatePolicy,
    MoveContract::{Movable, Pinned},
    SeatRight, SetStatus,
};

use super::super::table::{Chair, Studio, needs, opened, pinned, reader, writer};
use super::{GUEST, die, leave};
use crate::state::PeerId;
use crate::state::negotiating::ABANDONED_AFTER_MS;
use crate::state::tests::world::World;

/// A reader with the buffers, who has let somebody in for whom the buffers move; everybody else is ready for that.
fn host_and_newcomer(studio: &mut Studio, between: bool) -> (Chair, Chair, PeerId) {
    let rights = [SeatRight::Issue, SeatRight::Move];
    let (recorder, root) = (studio.recorder, studio.root.token.clone());
    let world = &mut studio.world;
    let mut parent = world
        .issue(recorder, &root, &rights, FailureDomain::Attached)
        .unwrap()
        .token;
    let grandparent = world.client_of(GUEST, "grandparent");
    if between {
        let top = world.sit(grandparent, &parent, reader(0)).unwrap();
        parent = world
            .issue(grandparent, &top.token, &rights, FailureDomain::Attached)
            .unwrap()
            .token;
    }
    let host = world.client_of(GUEST, "host");
    let host = world.sit(host, &parent, reader(0)).unwrap();
    world.buffers(&host).unwrap();
    let seat = world.seat(host.peer, &host.token, &rights, FailureDomain::Attached);
    let newcomer = world.client_of(GUEST, "newcomer");
    let newcomer = world
        .sit(newcomer, &seat, needs("encoder", 8192, 1 << 20, 1))
        .unwrap();
    world.ready(studio.camera.peer, studio.root.set, 2, None).unwrap();
    assert_eq!(studio.status(), SetStatus::Moving);
    (host, newcomer, grandparent)
}

#[test]
fn last_one_a_move_waits_for_dies_and_takes_the_newcomer_along() {
    for (between, in_order) in [(false, false), (true, false), (false, true)] {
        let mut studio = Studio::new(LatePolicy::Reallocate, 2, 1);
        let (host, newcomer, grandparent) = host_and_newcomer(&mut studio, between);
        match (between, in_order) {
            (true, _) => die(&mut studio.world, grandparent),
            (_, true) => leave(&mut studio.world, host.peer, &host.token),
            _ => die(&mut studio.world, host.peer),
        }
        assert_eq!(studio.status(), SetStatus::Allocated, "{between} {in_order}");
        // Nobody else has lost anything: machine and memory speak of the same generation, and the stream runs.
        let set = studio.root.set;
        let memory = studio
            .world
            .machine
            .sets
            .get(&set)
            .map(|memory| memory.current.number);
        let decided = studio
            .world
            .machine
            .negotiating
            .audited(set)
            .unwrap()
            .generation();
        assert!(memory.is_some(), "the memory is gone");
        assert_eq!(memory, decided, "{between} {in_order}");
        assert!(studio.world.status_pages.contains_key(&studio.stream));
        let _ = newcomer;
        studio.close();
    }
}

#[test]
fn guest_that_can_issue_seats_harms_nobody_with_them() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, Some(1234));
    let camera = world.seat(recorder, &root.token, &[SeatRight::Write], FailureDomain::Normal);
    let guest = world.client_of(GUEST, "guest");
    let source = world.seat(
        recorder,
        &root.token,
        &[SeatRight::Issue],
        FailureDomain::Attached,
    );
    let camera = world.sit(recorder, &camera, writer(2)).unwrap();
    // Needs that nobody else can do with, in a seat that would take the set along.
    let odd = world.seat(guest, &source, &[], FailureDomain::Normal);
    // And one that never comes.
    let _missing = world.seat(guest, &source, &[], FailureDomain::Normal);
    world.sit(guest, &source, reader(0)).unwrap();
    world.sit(guest, &odd, needs("odd", 1 << 21, 1 << 22, 1)).unwrap();
    world.pass(1234);
    let status = world.explain(recorder, root.set).unwrap();
    assert_eq!(status.status, SetStatus::Allocated, "{:?}", status.over);
    assert_eq!(world.buffers(&camera).unwrap().0.count, 2);
    world.everybody_goes();
}

#[test]
fn one_session_in_two_seats_has_the_buffers_until_it_leaves_both() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let (recorder, root) = (studio.recorder, studio.root.token.clone());
    let world = &mut studio.world;
    let guest = world.client_of(GUEST, "guest");
    let mut take = |participant| {
        let seat = world.seat(recorder, &root, &[], FailureDomain::Attached);
        let chair = world.sit(guest, &seat, participant).unwrap();
        world.buffers(&chair).unwrap();
        chair
    };
    let (first, second) = (take(pinned(reader(0))), take(reader(0)));
    let contract = |world: &World| {
        let importers = &world.machine.sets[&first.set].importers;
        importers.values().next().copied()
    };
    assert_eq!(contract(world), Some(Pinned), "the stricter promise counts");
    leave(world, guest, &first.token);
    assert_eq!(
        contract(world),
        Some(Movable),
        "it has the buffers in its other seat"
    );
    leave(world, guest, &second.token);
    assert_eq!(contract(world), None);
    studio.close();
}

#[test]
fn set_that_is_left_often_is_given_up_once() {
    let (mut world, recorder, root) = opened();
    let source = world.seat(recorder, &root.token, &[SeatRight::Issue], FailureDomain::Normal);
    leave(&mut world, recorder, &root.token);
    let guest = world.client_of(GUEST, "guest");
    for _ in 0..100 {
        let seat = world.seat(guest, &source, &[], FailureDomain::Attached);
        let room = reader(1).presence(Presence::Phantom);
        let chair = world.sit(guest, &seat, room).unwrap();
        let is_waiting = |world: &World| world.alarms.values().any(|after| *after == ABANDONED_AFTER_MS);
        assert!(!is_waiting(&world), "somebody has a seat");
        leave(&mut world, guest, &chair.token);
        let alarms = world
            .alarms
            .values()
            .filter(|after| **after == ABANDONED_AFTER_MS);
        assert_eq!(alarms.count(), 1);
    }
    world.everybody_goes();
}

#[test]
fn nothing_is_worked_out_for_who_may_not_take_part() {
    let (mut world, recorder, root) = opened();
    let seat = world.seat(recorder, &root.token, &[], FailureDomain::Attached);
    // Nothing could suit it, which it is not told: that would take time.
    let impossible = || needs("odd", 1 << 60, 1 << 61, 1);
    let guest = world.client_of(GUEST, "guest");
    let denied = world.sit(guest, &seat, impossible().access(AccessMode::ReadWrite));
    assert!(
        matches!(denied, Err(BrokerError::SeatDenied { .. })),
        "{denied:?}"
    );
    world.hold_reports = true;
    world.sit(guest, &seat, reader(1)).unwrap();
    let settling = world.sit(recorder, &root.token, impossible());
    assert!(
        matches!(settling, Err(BrokerError::SetSettling { .. })),
        "{settling:?}"
    );
    world.hold_reports = false;
    world.report_all();
    let again = world.sit(guest, &seat, impossible());
    assert_eq!(again.unwrap_err(), BrokerError::TokenUsedUp);
    world.everybody_goes();
}

#[test]
fn seat_is_taken_once_and_by_one() {
    let (mut world, recorder, root) = opened();
    let seat = world.seat(recorder, &root.token, &[], FailureDomain::Attached);
    let (first, second) = (world.client_of(GUEST, "first"), world.client_of(GUEST, "second"));
    let chair = world.sit(first, &seat, reader(0)).unwrap();
    let taken = world.sit(second, &seat, reader(0));
    assert_eq!(taken.unwrap_err(), BrokerError::TokenUsedUp);
    // Another's number in the set is nothing to ask for buffers with.
    let lie = Chair {
        peer: second,
        ..chair.clone()
    };
    assert_eq!(
        world.buffers(&lie).unwrap_err(),
        BrokerError::NoSuchSet { id: root.set }
    );
    leave(&mut world, first, &chair.token);
    for guest in [first, second] {
        let gone = world.sit(guest, &seat, reader(0));
        assert_eq!(gone.unwrap_err(), BrokerError::TokenUnknown);
    }
    assert_eq!(
        world.buffers(&chair).unwrap_err(),
        BrokerError::NoSuchSet { id: root.set }
    );
    world.everybody_goes();
}
