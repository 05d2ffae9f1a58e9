//! From the first seat to the first buffers.

use wharf_core::negotiation::{HeapAnswer, ReportKind};
use wharf_protocol::{
    Amounts, BrokerError, FailureDomain, LatePolicy, LeaveSeat, SealSet, SeatRight, SeatStatus, SetId,
    SetStatus,
};

use super::table::{Chair, needs, opened, reader, writer};
use crate::state::tests::world::World;
use crate::state::{DEFAULT_QUOTA, Effect, PeerId};

/// A set with a camera and a viewer expected.
fn open(world: &mut World) -> (PeerId, SetId, Chair, wharf_protocol::Token) {
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, None);
    let write = world.seat(recorder, &root.token, &[SeatRight::Write], FailureDomain::Normal);
    let read = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
    let camera = world.client("camera");
    let camera = world.sit(camera, &write, writer(3)).unwrap();
    (recorder, root.set, camera, read)
}

#[test]
fn buffers_are_there_for_the_writer_first_and_then_for_the_readers() {
    let mut world = World::new();
    let (recorder, set, camera, token) = open(&mut world);
    let waiting = world.buffers(&camera).unwrap_err();
    assert_eq!(
        waiting,
        BrokerError::SetWaiting {
            set,
            missing: vec!["guest".to_owned()]
        }
    );
    // Both wait; the camera is answered as soon as the viewer has said what it needs, and the viewer when the camera is ready.
    world.post_buffers(&camera, 500);
    assert!(world.answered_buffers(camera.peer).is_none());
    let viewer = world.client("viewer");
    let viewer = world.sit(viewer, &token, reader(2)).unwrap();
    let (reply, fds) = world.answered_buffers(camera.peer).unwrap().unwrap();
    assert!(reply.writable);
    assert_eq!(
        (reply.generation, reply.size_bytes, reply.count, fds.len()),
        (1, 4096, 5, 5)
    );
    world.post_buffers(&viewer, 500);
    assert!(world.answered_buffers(viewer.peer).is_none());
    world.mapped(&camera, 1).unwrap();
    let (reply, fds) = world.answered_buffers(viewer.peer).unwrap().unwrap();
    assert!(!reply.writable);
    assert_eq!((reply.count, fds.len()), (5, 5));
    let sealed = Effect::Seal {
        peer: camera.peer,
        operation: crate::state::OperationId(0),
        set,
        buffers: Vec::new(),
    };
    let is_seal = |effect: &&Effect| std::mem::discriminant(*effect) == std::mem::discriminant(&sealed);
    assert_eq!(world.history.iter().filter(is_seal).count(), 1);
    // Who has written the buffers cannot have them again, and who reads can.
    assert_eq!(
        world.buffers(&camera).unwrap_err(),
        BrokerError::SetSealed { set }
    );
    assert!(world.buffers(&viewer).is_ok());
    let explained = world.explain(recorder, set).unwrap();
    assert_eq!(
        (explained.status, explained.heaps),
        (SetStatus::Allocated, vec!["small".to_owned()])
    );
    let pids: Vec<_> = explained.seats.iter().map(|seat| seat.pid).collect();
    assert_eq!(pids, [None, Some(102), Some(103)]);
    world.everybody_goes();
}

#[test]
fn patience_ends_with_an_answer_and_the_next_call_is_served() {
    let mut world = World::new();
    let (_, set, camera, _token) = open(&mut world);
    world.post_buffers(&camera, 700);
    assert!(world.answered_buffers(camera.peer).is_none());
    assert!(world.waiting.contains(&camera.peer));
    world.pass(700);
    let error = world.answered_buffers(camera.peer).unwrap().unwrap_err();
    assert_eq!(
        error,
        BrokerError::SetWaiting {
            set,
            missing: vec!["guest".to_owned()]
        }
    );
    assert!(!world.waiting.contains(&camera.peer));
    assert!(world.buffers(&camera).is_err());
    world.everybody_goes();
}

#[test]
fn deadline_fails_the_set_and_names_who_is_missing() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    let root = world.create_set(recorder, LatePolicy::Refuse, Some(1234));
    let seat = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
    let _missing = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
    let viewer = world.client("viewer");
    let viewer = world.sit(viewer, &seat, reader(1)).unwrap();
    world.post_buffers(&viewer, 999);
    world.pass(5_000);
    assert!(world.answered_buffers(viewer.peer).is_none());
    world.pass(1234);
    let error = world.answered_buffers(viewer.peer).unwrap().unwrap_err();
    let BrokerError::Refused { report, late: false } = error else {
        panic!("{error}");
    };
    let missing = vec!["guest".into()];
    assert_eq!(report.0.kind, ReportKind::Stalled { missing });
    assert_eq!(
        world.explain(recorder, root.set).unwrap().status,
        SetStatus::Failed
    );
    world.everybody_goes();
}

#[test]
fn heap_without_memory_is_followed_by_the_next_and_all_of_them_are_told() {
    let mut world = World::new();
    world.empty_heaps.insert("small".to_owned());
    let (recorder, set, camera, token) = open(&mut world);
    let viewer = world.client("viewer");
    let viewer = world.sit(viewer, &token, reader(2)).unwrap();
    let (reply, _) = world.buffers(&camera).unwrap();
    // In whole chunks of the heap it came from.
    assert_eq!(reply.size_bytes, 1 << 16);
    assert_eq!(world.explain(recorder, set).unwrap().heaps, ["large"]);
    drop(viewer);

    world.empty_heaps.insert("large".to_owned());
    let (recorder, set, camera, token) = open(&mut world);
    let viewer = world.client("viewer");
    let refused = world.sit(viewer, &token, reader(2));
    let error = refused.map(|_| world.buffers(&camera).unwrap_err()).unwrap();
    let BrokerError::Refused { report, .. } = error else {
        panic!("{error}");
    };
    let ReportKind::NoMemory { trail } = &report.0.kind else {
        panic!("{report:?}");
    };
    let asked: Vec<_> = trail
        .iter()
        .map(|answer| match answer {
            HeapAnswer::Refused { heap, errno, .. } => (&**heap, errno.raw()),
            HeapAnswer::Unsuitable(misfit) => (&*misfit.heap, 0),
        })
        .collect();
    assert_eq!(asked, [("small", 12), ("large", 12)]);
    assert_eq!(world.explain(recorder, set).unwrap().status, SetStatus::Failed);
    world.everybody_goes();
}

#[test]
fn quota_that_is_exceeded_is_a_report_and_others_are_not_charged() {
    let quota = Amounts {
        buffers: 4,
        ..DEFAULT_QUOTA
    };
    let mut world = World::with_quota(quota);
    let (_, _, camera, token) = open(&mut world);
    let viewer = world.client("viewer");
    world.sit(viewer, &token, reader(2)).unwrap_err();
    let error = world.buffers(&camera).unwrap_err();
    let BrokerError::Refused { report, .. } = error else {
        panic!("{error}");
    };
    let ReportKind::Quota {
        account,
        resource,
        limit,
        requested,
        ..
    } = &report.0.kind
    else {
        panic!("{report:?}");
    };
    assert_eq!(
        (&**account, &**resource, *limit, *requested),
        ("user 1000", "buffers", 4, 5)
    );
    world.everybody_goes();
}

#[test]
fn set_without_a_writer_is_sealed_by_itself() {
    let (mut world, recorder, root) = opened();
    let viewer = world.sit(recorder, &root.token, reader(2)).unwrap();
    world.call(recorder, SealSet { set: root.set }).unwrap();
    let (reply, _) = world.buffers(&viewer).unwrap();
    assert_eq!((reply.count, reply.writable), (2, false));
    world.everybody_goes();
}

#[test]
fn seat_that_was_given_up_is_waited_for_no_more() {
    let mut world = World::new();
    let (recorder, set, camera, token) = open(&mut world);
    world.post_buffers(&camera, 500);
    world.call(recorder, LeaveSeat { token: token.clone() }).unwrap();
    assert_eq!(world.answered_buffers(camera.peer).unwrap().unwrap().0.count, 3);
    assert_eq!(
        world.sit(recorder, &token, reader(1)).unwrap_err(),
        BrokerError::TokenUnknown
    );
    let seats = world.explain(recorder, set).unwrap().seats;
    assert!(seats.iter().all(|seat| seat.status != SeatStatus::Expected));
    world.everybody_goes();
}

#[test]
fn conflict_fails_the_set_for_everybody_with_the_same_report() {
    let mut world = World::new();
    let (recorder, set, camera, token) = open(&mut world);
    let viewer = world.client("viewer");
    let large = needs("viewer", 1 << 21, 1 << 22, 1);
    let told = world.sit(viewer, &token, large).unwrap_err();
    let BrokerError::Refused { report, late: false } = &told else {
        panic!("{told}");
    };
    assert!(matches!(report.0.kind, ReportKind::Conflict { .. }), "{told}");
    assert_eq!(world.buffers(&camera).unwrap_err(), told);
    let explained = world.explain(recorder, set).unwrap();
    assert_eq!(explained.report.map(|report| report.0), Some(report.0.clone()));
    world.everybody_goes();
}
