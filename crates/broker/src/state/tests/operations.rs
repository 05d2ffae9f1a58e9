//! Work the driver takes its time for, fails at, or finishes for nobody.

use wharf_protocol::{
    AllocateBuffers, BrokerError, CreateStream, GetState, ImportBuffers, IssueToken, ObjectKind, Reply,
    StreamId,
};
use wharf_stream::RING_PAGE_BYTES;

use super::world::{StatusPage, World};
use crate::state::{Event, OperationId, PeerId};

fn failure() -> BrokerError {
    BrokerError::AllocationFailed {
        errno: 12,
        reason: "out of memory".to_owned(),
    }
}

fn buffers(count: u32) -> AllocateBuffers {
    AllocateBuffers {
        name: String::new(),
        size_bytes: 4096,
        count,
    }
}

fn create(world: &mut World, peer: PeerId, set: wharf_protocol::SetId) {
    let page = world.page(RING_PAGE_BYTES);
    world.post(
        peer,
        CreateStream {
            set,
            name: String::new(),
            max_consumers: 1,
            room_ms: None,
            polled: None,
            rotation: None,
        },
        vec![page],
    );
}

#[test]
fn failed_allocation_is_answered_and_costs_nothing() {
    let mut world = World::new();
    let camera = world.client("camera");
    world.failure = Some(failure());
    assert_eq!(world.error(camera, buffers(4)), failure());
    world.failure = None;
    world.allocate(camera, 4096, 4);
}

#[test]
fn failed_sealing_leaves_the_set_as_it_was() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let issue = || IssueToken {
        kind: ObjectKind::Set,
        id: set.0,
        uses: 1,
    };
    world.failure = Some(failure());
    assert_eq!(world.create(camera, set, 1), Err(failure()));
    assert_eq!(world.error(camera, issue()), failure());
    assert_eq!(world.machine.tokens.counts().next(), None);
    world.failure = None;
    world.call(camera, issue()).unwrap();
    world.create(camera, set, 1).unwrap();
}

#[test]
fn failed_status_page_makes_no_stream() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    world
        .call(
            camera,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    world.failure = Some(failure());
    assert_eq!(world.create(camera, set, 1), Err(failure()));
    world.failure = None;
    world.create(camera, set, 1).unwrap();
}

#[test]
fn what_is_made_for_a_peer_that_is_gone_is_dropped() {
    let mut world = World::new();
    world.hold_reports = true;
    let camera = world.connect(7);
    world
        .call(
            camera,
            wharf_protocol::Register {
                label: "camera".to_owned(),
            },
        )
        .unwrap();
    world.post(camera, buffers(4), vec![]);
    world.tell(Event::Disconnected { peer: camera });
    assert!(world.report());
    world.assert_empty();
}

#[test]
fn status_page_for_a_peer_that_is_gone_is_dropped() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    world.hold_reports = true;
    create(&mut world, camera, set);
    assert!(world.report(), "the seal");
    assert_eq!(world.reports.len(), 1, "the page");
    world.tell(Event::Disconnected { peer: camera });
    assert!(world.report());
    world.assert_empty();
}

#[test]
fn owner_that_keeps_its_set_from_being_sealed_makes_nobody_else_wait() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    let shared = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Set, shared.0, 2);
    let stubborn = world.allocate(camera, 4096, 2).0.set;
    world.hold_reports = true;
    world.post(
        camera,
        IssueToken {
            kind: ObjectKind::Set,
            id: stubborn.0,
            uses: 1,
        },
        vec![],
    );
    assert_eq!(world.answer(camera), None);
    let (reply, _) = world
        .call(
            viewer,
            ImportBuffers {
                token,
                contract: None,
            },
        )
        .unwrap();
    assert!(matches!(reply, Reply::ImportBuffers(_)));
    assert!(world.report());
    assert!(matches!(
        world.answer(camera),
        Some(Ok((Reply::IssueToken(_), _)))
    ));
}

#[test]
fn seal_for_an_owner_that_is_gone_is_harmless() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    world.hold_reports = true;
    create(&mut world, camera, set);
    world.tell(Event::Disconnected { peer: camera });
    assert!(world.report());
    world.assert_empty();
}

#[test]
fn last_use_of_a_token_goes_to_whoever_is_served_first() {
    let mut world = World::new();
    let (camera, one, two) = (world.client("camera"), world.client("one"), world.client("two"));
    let set = world.allocate(camera, 4096, 2).0.set;
    let token = world.token(camera, ObjectKind::Set, set.0, 1);
    world
        .call(
            one,
            ImportBuffers {
                token: token.clone(),
                contract: None,
            },
        )
        .unwrap();
    assert_eq!(
        world.error(
            two,
            ImportBuffers {
                token,
                contract: None
            }
        ),
        BrokerError::TokenUsedUp
    );
}

#[test]
fn quota_is_charged_while_work_is_under_way() {
    let mut world = World::with_quota(wharf_protocol::Amounts {
        buffers: 5,
        ..crate::state::DEFAULT_QUOTA
    });
    let (one, two) = (world.client("one"), world.client("two"));
    world.hold_reports = true;
    world.post(one, buffers(4), vec![]);
    assert!(matches!(
        world.error(two, buffers(4)),
        BrokerError::QuotaExceeded { used: 4, .. }
    ));
}

#[test]
fn call_before_the_outcome_of_the_one_before_ends_that_session_only() {
    let mut world = World::new();
    let (camera, viewer) = (world.client("camera"), world.client("viewer"));
    world.hold_reports = true;
    world.post(camera, buffers(4), vec![]);
    world.post(camera, GetState {}, vec![]);
    assert!(!world.connected.contains(&camera));
    world.report_all();
    assert!(world.fds.is_empty());
    world.call(viewer, GetState {}).unwrap();
}

#[test]
fn outcomes_nobody_asked_for_are_harmless() {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    let unknown = OperationId(99);
    let buffer = world.new_fd();
    world.tell(Event::Allocated {
        operation: unknown,
        outcome: Ok(vec![buffer]),
    });
    let page = world.new_fd();
    world.status_pages.insert(StreamId(9), StatusPage::default());
    world.tell(Event::StatusPageCreated {
        operation: unknown,
        stream: StreamId(9),
        outcome: Ok(page),
    });
    world.tell(Event::Allocated {
        operation: unknown,
        outcome: Err(failure()),
    });
    world.tell(Event::Sealed {
        operation: unknown,
        set,
        outcome: Err(failure()),
    });
    world.tell(Event::Sealed {
        operation: unknown,
        set: wharf_protocol::SetId(99),
        outcome: Ok(()),
    });
    assert_eq!(world.fds.len(), 2, "the buffers of the set");
}

#[test]
fn outcome_of_another_kind_is_not_taken_for_the_one_awaited() {
    let mut world = World::new();
    let camera = world.client("camera");
    world.hold_reports = true;
    world.post(camera, buffers(1), vec![]);
    let operation = world.machine.peers[&camera].busy.unwrap();
    world.tell(Event::Sealed {
        operation,
        set: wharf_protocol::SetId(1),
        outcome: Ok(()),
    });
    world.report_all();
    assert!(matches!(
        world.answer(camera),
        Some(Ok((Reply::AllocateBuffers(_), _)))
    ));
}
