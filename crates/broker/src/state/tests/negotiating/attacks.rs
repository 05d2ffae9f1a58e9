//! Guests that mean harm: what they do to others, to the books and to the broker's memory. Contract: P3, P4, P5.

use wharf_core::AccessMode;
use wharf_core::constraints::{
    Buffers, Bytes, Constraints, ImageConstraints, Pixels, Record, Rows, Size, key,
};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{Function, Participant, Presence};
use wharf_protocol::limits::{MAX_CALL_BYTES, MAX_DECLARED_BYTES, MAX_PARTICIPANTS, MAX_REPLY_BYTES};
use wharf_protocol::{
    BrokerError, FailureDomain, LatePolicy, LeaveSeat,
    MoveContract::{Movable, Pinned},
    Reply, SealSet, SeatRight, SetStatus, Token,
};

use super::table::{Chair, Studio, needs, pinned, reader, writer};
use crate::state::negotiating::ABANDONED_AFTER_MS;
use crate::state::tests::world::World;
use crate::state::{DEFAULT_QUOTA, Event, PeerId};

const GUEST: u32 = 2000;

fn die(world: &mut World, peer: PeerId) {
    world.tell(Event::Disconnected { peer });
}

fn leave(world: &mut World, peer: PeerId, token: &Token) {
    let token = token.clone();
    world.call(peer, LeaveSeat { token }).unwrap();
}

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
    let seat = world
        .issue(host.peer, &host.token, &rights, FailureDomain::Attached)
        .unwrap();
    let newcomer = world.client_of(GUEST, "newcomer");
    let newcomer = world
        .sit(newcomer, &seat.token, needs("encoder", 8192, 1 << 20, 1))
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

/// What fills a declaration.
fn long(count: usize) -> Participant {
    let mut long = reader(1);
    long.source = Some("x".repeat(250).into());
    (0..count).fold(long, |long, number| {
        let constraints = Constraints::default();
        let name = format!("{number:0>250}");
        long.function(Function::new(&name, constraints))
    })
}

#[test]
fn who_declares_and_leaves_again_and_again_fills_the_set_and_no_more() {
    // Few long declarations, and many short ones.
    for functions in [50, 1] {
        fill(functions);
    }
}

fn fill(functions: usize) {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let issuing = [SeatRight::Issue];
    let source = world
        .issue(recorder, &root.token, &issuing, FailureDomain::Attached)
        .unwrap();
    let guest = world.client_of(GUEST, "guest");
    let mut stayed = 0;
    let mut refusal = None;
    for _ in 0..1000 {
        let seat = world.issue(guest, &source.token, &[], FailureDomain::Attached);
        let sat = seat.and_then(|seat| world.sit(guest, &seat.token, long(functions)));
        match sat {
            Ok(chair) => leave(&mut world, guest, &chair.token),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
        stayed += 1;
    }
    assert!(
        matches!(refusal, Some(BrokerError::SetFull { .. })),
        "after {stayed}: {refusal:?}"
    );
    let each = serde_json::to_vec(&long(functions)).unwrap().len();
    let most = MAX_PARTICIPANTS.min(MAX_DECLARED_BYTES / each);
    assert!(stayed <= most, "{stayed} are in force");
    world.everybody_goes();
}

#[test]
fn guest_that_can_issue_seats_harms_nobody_with_them() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, Some(1234));
    let camera = world
        .issue(recorder, &root.token, &[SeatRight::Write], FailureDomain::Normal)
        .unwrap();
    let guest = world.client_of(GUEST, "guest");
    let source = world
        .issue(
            recorder,
            &root.token,
            &[SeatRight::Issue],
            FailureDomain::Attached,
        )
        .unwrap();
    let camera = world.sit(recorder, &camera.token, writer(2)).unwrap();
    // Needs that nobody else can do with, in a seat that would take the set along.
    let odd = world
        .issue(guest, &source.token, &[], FailureDomain::Normal)
        .unwrap();
    // And one that never comes.
    let _missing = world
        .issue(guest, &source.token, &[], FailureDomain::Normal)
        .unwrap();
    world.sit(guest, &source.token, reader(0)).unwrap();
    world
        .sit(guest, &odd.token, needs("odd", 1 << 21, 1 << 22, 1))
        .unwrap();
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
        let seat = world
            .issue(recorder, &root, &[], FailureDomain::Attached)
            .unwrap();
        let chair = world.sit(guest, &seat.token, participant).unwrap();
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
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let source = world
        .issue(recorder, &root.token, &[SeatRight::Issue], FailureDomain::Normal)
        .unwrap();
    leave(&mut world, recorder, &root.token);
    let guest = world.client_of(GUEST, "guest");
    for _ in 0..100 {
        let seat = world
            .issue(guest, &source.token, &[], FailureDomain::Attached)
            .unwrap();
        let room = reader(1).presence(Presence::Phantom);
        let chair = world.sit(guest, &seat.token, room).unwrap();
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

/// Declares little, of which much has to be said: many functions, each of which states much of everything.
fn talkative(most_bytes: u64) -> Participant {
    let mut talkative = reader(1);
    talkative.device = Some("d".repeat(250).into());
    talkative.label = "l".repeat(250).into();
    (0..63).fold(talkative, |talkative, number: u64| {
        let constraints = Constraints::builder()
            .with(key::MAX_SIZE, Bytes(most_bytes))
            .with(key::MIN_SIZE, Bytes(4096))
            .with(key::MIN_CHUNK, Bytes(4096))
            .with(key::MAX_BUFFERS, Buffers(64))
            .with(key::MIN_BUFFERS, Buffers(1))
            .with(key::MAX_TOTAL, Bytes(1 << 40));
        let images = (0..2).map(|format| {
            let modifier = Modifier::from_raw(format);
            let plane = Record::new()
                .with(key::STRIDE_ALIGN, Bytes(1))
                .with(key::MIN_STRIDE, Bytes(1));
            let image = Record::new()
                .with(key::ROWS_ALIGN, Rows(1))
                .with(key::MIN_WIDTH, Pixels(1));
            let sizes = [Size {
                width: 16,
                height: 16,
            }]
            .into_iter()
            .collect();
            let image = image
                .with(key::REQUIRED_SIZES, sizes)
                .with(key::MIN_HEIGHT, Pixels(1));
            ImageConstraints::new(Fourcc::XRGB8888, modifier)
                .image(image)
                .every_plane(plane)
        });
        let constraints = images.fold(constraints, |constraints, image| constraints.image(image));
        talkative.function(Function::new(&format!("{number}"), constraints.build().unwrap()))
    })
}

#[test]
fn who_has_much_to_say_leaves_room_in_what_others_are_told() {
    for is_possible in [true, false] {
        let mut world = World::new();
        let recorder = world.client("recorder");
        let root = world.create_set(recorder, LatePolicy::Refuse, None);
        let rights = [SeatRight::Write];
        let camera = world
            .issue(recorder, &root.token, &rights, FailureDomain::Normal)
            .unwrap();
        let mut guests = Vec::new();
        for number in 0..10 {
            let seat = world
                .issue(recorder, &root.token, &[], FailureDomain::Normal)
                .unwrap();
            guests.push((world.client_of(GUEST + number, "guest"), seat.token));
        }
        for (guest, token) in guests {
            let talkative = talkative(if is_possible { 1 << 30 } else { 1 << 13 });
            assert!(serde_json::to_vec(&talkative).unwrap().len() < MAX_CALL_BYTES);
            world.sit(guest, &token, talkative).unwrap();
        }
        let needs = needs("camera", if is_possible { 4096 } else { 1 << 14 }, 1 << 30, 1);
        let camera = world.sit(recorder, &camera.token, needs.access(AccessMode::ReadWrite));
        let told = camera.and_then(|camera| world.buffers(&camera));
        let explained = world.explain(recorder, root.set).unwrap();
        let most = MAX_REPLY_BYTES / 2;
        if let Ok((reply, _)) = &told {
            assert!(is_possible);
            assert!(
                wharf_protocol::codec::encode_reply(&Reply::AwaitBuffers(reply.clone()))
                    .unwrap()
                    .len()
                    < most
            );
            assert!(
                reply
                    .plan
                    .0
                    .choices
                    .iter()
                    .any(|choice| choice.participant.0 == 2),
                "its own"
            );
        } else {
            assert!(!is_possible, "{told:?}");
            let error = told.unwrap_err();
            assert!(
                wharf_protocol::codec::encode_error(&error).unwrap().len() < most,
                "{error}"
            );
        }
        assert!(
            wharf_protocol::codec::encode_reply(&Reply::ExplainSet(explained))
                .unwrap()
                .len()
                < 2 * most
        );
        world.everybody_goes();
    }
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

#[test]
fn nothing_is_worked_out_for_who_may_not_take_part() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let seat = world
        .issue(recorder, &root.token, &[], FailureDomain::Attached)
        .unwrap();
    // Nothing could suit it, which it is not told: that would take time.
    let impossible = || needs("odd", 1 << 60, 1 << 61, 1);
    let guest = world.client_of(GUEST, "guest");
    let denied = world.sit(guest, &seat.token, impossible().access(AccessMode::ReadWrite));
    assert!(
        matches!(denied, Err(BrokerError::SeatDenied { .. })),
        "{denied:?}"
    );
    world.hold_reports = true;
    world.sit(guest, &seat.token, reader(1)).unwrap();
    let settling = world.sit(recorder, &root.token, impossible());
    assert!(
        matches!(settling, Err(BrokerError::SetSettling { .. })),
        "{settling:?}"
    );
    world.hold_reports = false;
    world.report_all();
    let again = world.sit(guest, &seat.token, impossible());
    assert_eq!(again.unwrap_err(), BrokerError::TokenUsedUp);
    world.everybody_goes();
}

#[test]
fn declarations_that_are_short_to_send_and_long_to_keep_fill_the_set() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let ways = |number: u64| {
        let function = Function {
            name: number.to_string().into(),
            alternatives: Vec::new(),
        };
        (0..48).fold(function, |function, way: u32| {
            function.or(&way.to_string(), way, Constraints::default())
        })
    };
    let versatile = (0..48).fold(reader(1), |versatile, number| versatile.function(ways(number)));
    assert!(serde_json::to_vec(&versatile).unwrap().len() < MAX_CALL_BYTES);
    let mut seated = 0;
    let refusal = loop {
        let seat = world
            .issue(recorder, &root.token, &[], FailureDomain::Attached)
            .unwrap();
        match world.sit(recorder, &seat.token, versatile.clone()) {
            Ok(_) => seated += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, BrokerError::SetFull { .. }), "{refusal}");
    assert!(seated < 3, "{seated} of them take a megabyte each");
    world.everybody_goes();
}

#[test]
fn seat_is_taken_once_and_by_one() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let seat = world
        .issue(recorder, &root.token, &[], FailureDomain::Attached)
        .unwrap();
    let (first, second) = (world.client_of(GUEST, "first"), world.client_of(GUEST, "second"));
    let chair = world.sit(first, &seat.token, reader(0)).unwrap();
    let taken = world.sit(second, &seat.token, reader(0));
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
        let gone = world.sit(guest, &seat.token, reader(0));
        assert_eq!(gone.unwrap_err(), BrokerError::TokenUnknown);
    }
    assert_eq!(
        world.buffers(&chair).unwrap_err(),
        BrokerError::NoSuchSet { id: root.set }
    );
    world.everybody_goes();
}
