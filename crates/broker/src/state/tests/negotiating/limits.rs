//! What nobody can have, and that only whoever asks for it is told.

use wharf_core::AccessMode;
use wharf_core::constraints::{Constraints, Extension, ExtensionKey, MergeKind, Value};
use wharf_core::negotiation::{Function, Participant, ParticipantId, ReportKind};
use wharf_protocol::limits::{MAX_PARTICIPANTS, MAX_SEATS};
use wharf_protocol::{
    BrokerError, CheckSet, CreateSet, ExplainSet, FailureDomain, FirstMap, FreeBuffers, IssueToken,
    LatePolicy, LeaveSeat, MoveBuffers, Object, ObjectKind, Resource, SealSet, SeatRight, SetContents, SetId,
    SetStatus,
};

use super::table::{Studio, Who, needs, opened, reader, writer};
use crate::state::negotiating::MAX_SETS_PER_USER;
use crate::state::tests::world::World;

fn denied(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Refused { report, .. } if matches!(report.0.kind, ReportKind::Denied { .. }))
}

#[test]
fn ten_thousand_seats_and_participants_are_too_many() {
    let (mut world, recorder, root) = opened();
    let _missing = world.seat(recorder, &root.token, &[], FailureDomain::Attached);
    let mut seated = 0;
    let mut refusal = None;
    for _ in 0..10_000 {
        let issued = world.issue(recorder, &root.token, &[], FailureDomain::Attached);
        let sat = issued.and_then(|seat| world.sit(recorder, &seat.token, reader(1)));
        match sat {
            Ok(_) => seated += 1,
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    assert_eq!(seated, MAX_PARTICIPANTS);
    let full = |what: &str, most: usize| BrokerError::SetFull {
        what: what.to_owned(),
        most: most as u64,
    };
    assert_eq!(refusal, Some(full("participants", MAX_PARTICIPANTS)));
    // The root's seat, that of who is missing and that of the last one, who was refused, count.
    for _ in MAX_PARTICIPANTS + 3..MAX_SEATS {
        world
            .issue(recorder, &root.token, &[], FailureDomain::Attached)
            .unwrap();
    }
    let refused = world.issue(recorder, &root.token, &[], FailureDomain::Attached);
    assert_eq!(refused.unwrap_err(), full("seats", MAX_SEATS));
    assert_eq!(world.explain(recorder, root.set).unwrap().status, SetStatus::Open);
    world.everybody_goes();
}

#[test]
fn user_has_so_many_sets_and_no_more() {
    let mut world = World::new();
    let recorder = world.client("recorder");
    for _ in 0..MAX_SETS_PER_USER {
        world.create_set(recorder, LatePolicy::Refuse, None);
    }
    let call = CreateSet {
        name: String::new(),
        late: LatePolicy::Refuse,
        first_map: FirstMap::Seals,
        contents: SetContents::Keep,
        expected: true,
        deadline_ms: None,
        move_deadline_ms: 1,
    };
    let refused = world.error(recorder, call.clone());
    assert!(matches!(
        refused,
        BrokerError::QuotaExceeded {
            resource: Resource::Sets,
            ..
        }
    ));
    let other = world.client_of(2000, "other");
    world.call(other, call).unwrap();
    world.everybody_goes();
}

#[test]
fn needs_that_are_impossible_by_themselves_harm_their_author_only() {
    let (mut world, recorder, root) = opened();
    let seat = world.seat(recorder, &root.token, &[], FailureDomain::Normal);
    let extension = Extension {
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "sparkle".into(),
        },
        kind: MergeKind::Or,
        must_understand: true,
        value: Value::Needed,
    };
    let sparkle = Constraints::builder().extension(extension).build().unwrap();
    let sparkle = Participant::new(ParticipantId(9), "sparkle")
        .access(AccessMode::ReadOnly)
        .function(Function::new("sparkle", sparkle));
    let refused = world.sit(recorder, &seat, sparkle).unwrap_err();
    assert!(
        matches!(refused, BrokerError::Refused { ref report, .. } if matches!(report.0.kind, ReportKind::NotUnderstood { .. }))
    );
    let huge = needs("huge", 1 << 60, 1 << 61, 1);
    assert!(matches!(
        world.sit(recorder, &seat, huge),
        Err(BrokerError::Refused { .. })
    ));
    let nobody = Participant::new(ParticipantId(0), "nobody").access(AccessMode::ReadOnly);
    assert!(matches!(
        world.sit(recorder, &seat, nobody),
        Err(BrokerError::InvalidArgument { .. })
    ));
    assert_eq!(world.explain(recorder, root.set).unwrap().status, SetStatus::Open);
    world.sit(recorder, &seat, reader(1)).unwrap();
    world.everybody_goes();
}

#[test]
fn only_one_writes_with_the_right_to_and_in_time() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 0);
    let world = &mut studio.world;
    let second = world.seat(
        studio.recorder,
        &studio.root.token,
        &[SeatRight::Write],
        FailureDomain::Normal,
    );
    assert!(denied(
        &world.sit(studio.recorder, &second, writer(1)).unwrap_err()
    ));
    let mut open = |participant, rights: &[SeatRight]| {
        let root = world.create_set(studio.recorder, LatePolicy::Refuse, None);
        let seat = world.seat(studio.recorder, &root.token, rights, FailureDomain::Normal);
        world.sit(studio.recorder, &seat, participant)
    };
    assert!(
        matches!(open(writer(1), &[]), Err(BrokerError::SeatDenied { lacks, .. }) if lacks == [SeatRight::Write])
    );
    assert!(denied(&open(writer(0), &[SeatRight::Write]).unwrap_err()));
    let root = world.create_set(studio.recorder, LatePolicy::Refuse, None);
    let mut seat = || {
        let rights = [SeatRight::Write];
        let issued = world.issue(studio.recorder, &root.token, &rights, FailureDomain::Normal);
        issued.unwrap().token
    };
    let (first, second) = (seat(), seat());
    world.sit(studio.recorder, &first, writer(1)).unwrap();
    assert!(denied(
        &world.sit(studio.recorder, &second, writer(1)).unwrap_err()
    ));
    world.sit(studio.recorder, &second, reader(1)).unwrap();
    studio.close();
}

#[test]
fn seat_grants_no_more_than_the_one_it_is_from() {
    let (mut world, recorder, root) = opened();
    let issuing = world.seat(recorder, &root.token, &[SeatRight::Issue], FailureDomain::Normal);
    let guest = world.client("guest");
    let refused = world.issue(guest, &issuing, &[SeatRight::Seal], FailureDomain::Normal);
    assert!(matches!(refused, Err(BrokerError::SeatDenied { lacks, .. }) if lacks == [SeatRight::Seal]));
    let plain = world.seat(guest, &issuing, &[], FailureDomain::Normal);
    world.sit(guest, &plain, reader(1)).unwrap();
    let refused = world.issue(guest, &plain, &[], FailureDomain::Normal);
    assert!(matches!(refused, Err(BrokerError::SeatDenied { lacks, .. }) if lacks == [SeatRight::Issue]));
    assert!(matches!(
        world.error(guest, SealSet { set: root.set }),
        BrokerError::SeatDenied { lacks, .. } if lacks == [SeatRight::Seal]
    ));
    // A seat that somebody has is nobody else's.
    let refused = world.issue(recorder, &plain, &[], FailureDomain::Normal);
    assert_eq!(refused.unwrap_err(), BrokerError::TokenUsedUp);
    let token = plain.clone();
    assert_eq!(
        world.error(recorder, LeaveSeat { token }),
        BrokerError::TokenUsedUp
    );
    world.everybody_goes();
}

#[test]
fn sets_of_others_do_not_exist_and_other_calls_are_not_for_negotiated_ones() {
    let mut studio = Studio::new(LatePolicy::Refuse, 2, 0);
    let set = studio.root.set;
    let stranger = studio.world.client_of(2000, "stranger");
    let unknown = BrokerError::NoSuchSet { id: set };
    let check = CheckSet {
        set,
        participant: Object(reader(1)),
    };
    assert_eq!(studio.world.error(stranger, ExplainSet { set }), unknown);
    assert_eq!(studio.world.error(stranger, check), unknown);
    assert_eq!(studio.world.error(stranger, SealSet { set }), unknown);
    assert_eq!(studio.world.error(stranger, FreeBuffers { set }), unknown);
    let camera = studio.camera.peer;
    let negotiated = BrokerError::SetNegotiated { set };
    let move_buffers = MoveBuffers {
        set,
        size_bytes: 1,
        count: 1,
        deadline_ms: 1,
        plan: String::new(),
    };
    let share = IssueToken {
        kind: ObjectKind::Set,
        id: set.0,
        uses: 1,
    };
    assert_eq!(studio.world.error(camera, FreeBuffers { set }), negotiated);
    assert_eq!(studio.world.error(camera, move_buffers), negotiated);
    assert_eq!(studio.world.error(camera, share), negotiated);
    let plain = studio.world.allocate(camera, 4096, 2).0.set;
    assert_eq!(
        studio.world.error(camera, ExplainSet { set: plain }),
        BrokerError::SetNegotiated { set: plain }
    );
    assert_eq!(
        studio.world.error(camera, ExplainSet { set: SetId(99) }),
        BrokerError::NoSuchSet { id: SetId(99) }
    );
    studio.close();
}

#[test]
fn depth_is_what_the_participant_counts_on() {
    let mut studio = Studio::new(LatePolicy::Refuse, 2, 3);
    let viewer = studio.world.client("viewer");
    let mut small = reader(1);
    small.label = "room".into();
    let refused = studio.world.come(viewer, &studio.tickets, 2, Who::Needs(small));
    assert!(matches!(refused, Err(BrokerError::InvalidArgument { field, .. }) if field == "depth"));
    let writes = writer(2);
    let refused = studio.world.come(viewer, &studio.tickets, 2, Who::Needs(writes));
    assert!(matches!(refused, Err(BrokerError::InvalidArgument { field, .. }) if field == "needs"));
    // Three are kept for whoever is called so, and no more.
    let refused = studio.world.come(viewer, &studio.tickets, 3, Who::Anybody);
    assert!(matches!(refused, Err(BrokerError::Refused { .. })), "{refused:?}");
    let mut right = reader(3);
    right.label = "room".into();
    let joined = studio
        .world
        .come(viewer, &studio.tickets, 3, Who::Needs(right))
        .unwrap();
    assert_eq!((joined.count, joined.generation), (5, 1));
    studio.close();
}
