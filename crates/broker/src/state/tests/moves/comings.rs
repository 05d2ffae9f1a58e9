//! Those who come, die or are cut off while a set moves.

use super::super::world::World;
use crate::state::Event;
use wharf_protocol::{
    BrokerError, FreeBuffers, ImportBuffers, LeaveStream, MoveBuffers, MoveContract, ObjectKind, Role, Token,
};
use wharf_stream::status::SlotState;

use super::{MOVABLE, Preview, Share, shown};

#[test]
fn who_dies_or_leaves_during_the_move_is_not_waited_for() {
    for dies in [true, false] {
        let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
        let viewers = preview.viewers.clone();
        preview.begin(4096, 4).unwrap();
        preview.camera.ready(&mut preview.world, 2).unwrap();
        viewers[0].ready(&mut preview.world, 2).unwrap();
        assert_eq!(preview.outcome(2), Ok(false));
        let (peer, seat) = (viewers[1].peer, viewers[1].seat.unwrap());
        if dies {
            preview.world.tell(Event::Disconnected { peer });
        } else {
            let (stream, slot, incarnation) = (preview.stream, seat.slot, seat.incarnation);
            let leave = LeaveStream {
                stream,
                slot,
                incarnation,
            };
            preview.world.call(peer, leave).unwrap();
        }
        assert_eq!(preview.outcome(2), Ok(true));
        viewers[0].release(&mut preview.world, 1).unwrap();
        preview.camera.release(&mut preview.world, 1).unwrap();
        assert_eq!(preview.booked(), 4 * 4096, "the dead do not keep the first");
    }
}

#[test]
fn owner_that_dies_at_any_step_takes_both_generations_with_it() {
    for ready in 0..=2 {
        let mut preview = Preview::new(&[MOVABLE]);
        preview.begin(4096, 4).unwrap();
        let shares = [preview.camera, preview.viewers[0]];
        for share in &shares[..ready] {
            share.ready(&mut preview.world, 2).unwrap();
        }
        let peer = preview.camera.peer;
        preview.world.tell(Event::Disconnected { peer });
        assert_eq!(preview.booked(), 0);
        assert!(preview.world.alarms.is_empty());
        let peer = shares[1].peer;
        preview.world.tell(Event::Disconnected { peer });
        preview.world.assert_empty();
    }
}

#[test]
fn owner_that_dies_while_memory_is_allocated_or_sealed_leaves_nothing() {
    for seals in [false, true] {
        let mut preview = Preview::new(&[]);
        preview.world.hold_reports = !seals;
        let (peer, set) = (preview.camera.peer, preview.camera.set);
        let call = MoveBuffers {
            set,
            size_bytes: 1,
            count: 4,
            deadline_ms: 500,
            plan: String::new(),
        };
        preview.world.post(peer, call, vec![]);
        if seals {
            preview.world.hold_reports = true;
            preview.camera.ready(&mut preview.world, 2).unwrap_or_default();
        }
        preview.world.tell(Event::Disconnected { peer });
        preview.world.report_all();
        preview.world.assert_empty();
    }
}

#[test]
fn who_joins_during_the_move_is_waited_for_too() {
    let mut preview = Preview::new(&[]);
    preview.begin(8192, 4).unwrap();
    let early = preview.join(MOVABLE).unwrap();
    preview.camera.ready(&mut preview.world, 2).unwrap();
    let late = preview.join(MOVABLE).unwrap();
    early.ready(&mut preview.world, 2).unwrap();
    assert_eq!(preview.outcome(2), Ok(false));
    late.ready(&mut preview.world, 2).unwrap();
    assert_eq!(preview.outcome(2), Ok(true));
}

#[test]
fn revocable_ones_are_cut_off_only_if_that_helps() {
    let mut preview = Preview::new(&[MOVABLE, MoveContract::Revocable]);
    let (stream, viewers) = (preview.stream, preview.viewers.clone());
    preview.begin(4096, 4).unwrap();
    preview.camera.ready(&mut preview.world, 2).unwrap();
    preview.time_is_up();
    assert!(matches!(preview.outcome(2), Err(BrokerError::MoveBusy { blockers, .. }) if blockers.len() == 2));
    assert_eq!(preview.world.status_pages[&stream].slots.len(), 2);
    preview.begin(4096, 4).unwrap();
    preview.camera.ready(&mut preview.world, 3).unwrap();
    viewers[0].ready(&mut preview.world, 3).unwrap();
    preview.time_is_up();
    assert_eq!(preview.outcome(3), Ok(true));
    let seat = viewers[1].seat.unwrap();
    let gone = (seat.incarnation, SlotState::Gone);
    assert_eq!(preview.world.status_pages[&stream].slots[&seat.slot], gone);
    assert!(viewers[1].take(&mut preview.world, 3).is_err());
}

#[test]
fn importers_are_waited_for_and_revocable_ones_cut_off() {
    let mut world = World::new();
    let (camera, importer) = (world.client("camera"), world.client("importer"));
    let set = world.allocate(camera, 4096, 1).0.set;
    let token: Token = world.token(camera, ObjectKind::Set, set.0, 1);
    let import = ImportBuffers {
        token,
        contract: Some(MoveContract::Revocable),
    };
    world.call(importer, import).unwrap();
    let owner = Share::owner(camera, set);
    let share = Share {
        peer: importer,
        role: Role::Importer,
        ..owner
    };
    let call = MoveBuffers {
        set,
        size_bytes: 1,
        count: 1,
        deadline_ms: 500,
        plan: String::new(),
    };
    for (generation, takes_part) in [(2, true), (3, false)] {
        world.call(camera, call.clone()).unwrap();
        owner.ready(&mut world, generation).unwrap();
        assert_eq!(share.news(&mut world), (generation - 1, Some(generation)));
        if takes_part {
            share.ready(&mut world, generation).unwrap();
        } else {
            let (operation, _) = world.alarms.pop_first().unwrap();
            world.tell(Event::Alarm { operation });
        }
        assert_eq!(owner.news(&mut world), (generation, None));
    }
    assert_eq!(
        share.take(&mut world, 3).unwrap_err(),
        BrokerError::NoSuchSet { id: set }
    );
    owner.release(&mut world, 1).unwrap();
    owner.release(&mut world, 2).unwrap();
    assert_eq!(
        world.machine.accounts.used(super::super::world::BROKER_UID).bytes,
        4096
    );
}

#[test]
fn stream_that_ends_during_the_move_holds_it_up_no_more() {
    let mut preview = Preview::new(&[MOVABLE]);
    let (camera, stream) = (preview.camera, preview.stream);
    preview.begin(8192, 4).unwrap();
    camera.ready(&mut preview.world, 2).unwrap();
    let end = wharf_protocol::EndStream {
        stream,
        reason: wharf_protocol::EndReason::Ended,
    };
    preview.world.call(camera.peer, end).unwrap();
    assert_eq!(preview.outcome(2), Ok(true));
    camera.release(&mut preview.world, 1).unwrap();
    assert_eq!(
        preview.booked(),
        4 * (4096 + 8192),
        "its consumer may be reading the last frames"
    );
    preview
        .world
        .call(camera.peer, FreeBuffers { set: camera.set })
        .unwrap();
    assert_eq!(preview.booked(), 0);
}

#[test]
fn stream_made_during_a_move_shows_it() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let call = MoveBuffers {
        set,
        size_bytes: 1,
        count: 2,
        deadline_ms: 500,
        plan: String::new(),
    };
    world.call(camera, call).unwrap();
    let stream = world.create(camera, set, 1).unwrap();
    assert_eq!(world.status_pages[&stream].generations, shown(1, Some(2), None));
    Share::owner(camera, set).ready(&mut world, 2).unwrap();
    assert_eq!(world.status_pages[&stream].generations, shown(2, None, None));
}
