//! Memory that nobody has yet, or wants any more, is on an account.

use wharf_core::AccessMode;
use wharf_protocol::{BrokerError, FailureDomain, LatePolicy, SealSet, SeatRight, SetStatus};

use super::super::table::{needs, reader};
use super::{GUEST, die, leave};
use crate::state::DEFAULT_QUOTA;
use crate::state::tests::world::World;

#[test]
fn memory_is_on_the_account_until_the_heap_has_answered() {
    let mut world = World::new();
    world.hold_reports = true;
    let recorder = world.client("recorder");
    let most = DEFAULT_QUOTA.bytes;
    for _ in 0..2 {
        let root = world.create_set(recorder, LatePolicy::Refuse, None);
        let greedy = needs("greedy", most / 2, most, 1);
        world.sit(recorder, &root.token, greedy).unwrap();
        world.call(recorder, SealSet { set: root.set }).unwrap();
        assert_eq!(
            world.explain(recorder, root.set).unwrap().status,
            SetStatus::Sealed
        );
        leave(&mut world, recorder, &root.token);
    }
    // Threads are allocating all that there is on the account, even if nobody wants it any more.
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    world
        .sit(recorder, &root.token, needs("more", most / 2, most, 1))
        .unwrap();
    world.call(recorder, SealSet { set: root.set }).unwrap();
    let refused = world.explain(recorder, root.set).unwrap();
    assert_eq!(refused.status, SetStatus::Failed, "{:?}", refused.over);
    leave(&mut world, recorder, &root.token);
    world.hold_reports = false;
    world.report_all();
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    world
        .sit(recorder, &root.token, needs("late", most, most, 1))
        .unwrap();
    world.call(recorder, SealSet { set: root.set }).unwrap();
    assert_eq!(
        world.explain(recorder, root.set).unwrap().status,
        SetStatus::Allocated
    );
    world.everybody_goes();
}

#[test]
fn memory_nobody_wants_any_more_is_paid_for_until_it_is_there_even_if_its_user_is_gone() {
    let mut world = World::new();
    world.hold_reports = true;
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    world.sit(recorder, &root.token, reader(1)).unwrap();
    world.call(recorder, SealSet { set: root.set }).unwrap();
    die(&mut world, recorder);
    assert_eq!(world.machine.accounts.used(1000).buffers, 1);
    world.report_all();
    assert_eq!(world.machine.accounts.used(1000).buffers, 0);
    world.everybody_goes();
}

#[test]
fn guest_that_wants_more_than_there_is_on_the_account_is_left_out() {
    for leaves in [false, true] {
        let mut world = World::new();
        let recorder = world.client("recorder");
        let half = DEFAULT_QUOTA.bytes / 2;
        world.allocate(recorder, half, 1);
        let root = world.create_set(recorder, LatePolicy::Refuse, None);
        let mut seat =
            |rights: &[SeatRight], domain| world.issue(recorder, &root.token, rights, domain).unwrap().token;
        let write = seat(&[SeatRight::Write], FailureDomain::Normal);
        let attached = seat(&[], FailureDomain::Attached);
        let read = seat(&[], FailureDomain::Normal);
        let large = |label, least| needs(label, least, 1 << 40, 1);
        let guest = world.client_of(GUEST, "guest");
        let greedy = world.sit(guest, &attached, large("greedy", half + 1)).unwrap();
        if leaves {
            leave(&mut world, guest, &greedy.token);
        }
        let camera = large("camera", 4096).access(AccessMode::ReadWrite);
        let camera = world.sit(recorder, &write, camera).unwrap();
        world.sit(recorder, &read, large("viewer", 8192)).unwrap();
        let (buffers, _) = world.buffers(&camera).unwrap();
        assert_eq!(
            (buffers.generation, buffers.size_bytes, buffers.count),
            (1, 8192, 2)
        );
        if !leaves {
            let refused = world.buffers(&greedy).unwrap_err();
            assert!(matches!(refused, BrokerError::NoPart { .. }), "{refused}");
        }
        world.everybody_goes();
    }
}
