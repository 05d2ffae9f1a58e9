//! Whoever comes late: {fits, movable, pinned, impossible} under both policies, and moves that fail at each step.

use wharf_core::negotiation::ReportKind;
use wharf_protocol::{
    BrokerError, Incarnation, JoinStreamReply, LatePolicy, LeaveStream, ReadyGeneration, Role, Seat,
    SetStatus,
};

use super::table::{Studio, Who, needs, pinned, reader};
use crate::state::negotiating::UNCLAIMED_AFTER_MS;
use crate::state::{Event, PeerId};

/// Needs more than the buffers there are have.
fn larger() -> Who {
    Who::Needs(needs("encoder", 8192, 1 << 20, 2))
}

/// Needs less than anybody else can do with.
fn impossible() -> Who {
    Who::Needs(needs("odd", 1 << 21, 1 << 22, 1))
}

fn kind(error: &BrokerError) -> &ReportKind {
    match error {
        BrokerError::Refused { report, late: true } => &report.0.kind,
        other => panic!("{other}"),
    }
}

impl Studio {
    fn watch(&mut self) -> (PeerId, JoinStreamReply) {
        let viewer = self.world.client("viewer");
        let mut room = reader(2);
        room.label = "room".into();
        let joined = self.world.come(viewer, &self.tickets, 2, Who::Needs(room));
        (viewer, joined.unwrap())
    }

    /// Begins to join, and waits for the move.
    fn begin(&mut self, who: Who, depth: u32) -> PeerId {
        let peer = self.world.client("encoder");
        self.world.post_join(peer, &self.tickets, depth, who, 998);
        assert!(self.world.answered_join(peer).is_none());
        assert_eq!(self.status(), SetStatus::Moving);
        peer
    }

    fn camera_is_ready(&mut self, generation: u64) {
        self.world
            .ready(self.camera.peer, self.root.set, generation, None)
            .unwrap();
    }

    fn viewer_is_ready(&mut self, viewer: &(PeerId, JoinStreamReply), generation: u64) {
        let seat = Seat {
            slot: viewer.1.slot,
            incarnation: viewer.1.incarnation,
        };
        self.world
            .ready(viewer.0, self.root.set, generation, Some(seat))
            .unwrap();
    }
}

#[test]
fn newcomer_is_answered_when_everybody_has_the_new_buffers() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let viewer = studio.watch();
    assert_eq!(
        (viewer.1.generation, viewer.1.size_bytes, viewer.1.count),
        (1, 4096, 4)
    );
    let encoder = studio.begin(larger(), 2);
    studio.camera_is_ready(2);
    assert!(studio.world.answered_join(encoder).is_none());
    studio.viewer_is_ready(&viewer, 2);
    let joined = studio.world.answered_join(encoder).unwrap().unwrap();
    assert_eq!((joined.generation, joined.size_bytes, joined.count), (2, 8192, 6));
    assert!(joined.incarnation > Incarnation(1));
    let plan = wharf_protocol::BufferPlan::read(&joined.plan).unwrap();
    assert_eq!((plan.memories[0].size_bytes, &*plan.heaps[0]), (8192, "small"));
    assert_eq!(studio.status(), SetStatus::Allocated);
    let explained = studio.world.explain(studio.recorder, studio.root.set).unwrap();
    assert_eq!(explained.plan.unwrap().0.size_bytes(), 8192);
    studio.close();
}

#[test]
fn whoever_fits_moves_nothing_and_leaves_its_place_to_the_next() {
    let mut studio = Studio::new(LatePolicy::Refuse, 2, 2);
    for _ in 0..5 {
        let (viewer, joined) = studio.watch();
        assert_eq!(joined.generation, 1);
        let left = LeaveStream {
            stream: studio.stream,
            slot: joined.slot,
            incarnation: joined.incarnation,
        };
        studio.world.call(viewer, left).unwrap();
        // The phantom's place is free for anybody who counts on no more.
        let explained = studio.world.explain(studio.recorder, studio.root.set).unwrap();
        assert_eq!(explained.seats.iter().map(|seat| seat.camping).sum::<u32>(), 2);
    }
    studio.close();
}

#[test]
fn policy_refuse_names_what_does_not_suit() {
    for who in [larger(), Who::Anybody] {
        let mut studio = Studio::new(LatePolicy::Refuse, 2, 0);
        let peer = studio.world.client("encoder");
        let refused = studio.world.come(peer, &studio.tickets, 2, who).unwrap_err();
        assert!(matches!(kind(&refused), ReportKind::Busy { .. }), "{refused}");
        assert_eq!(studio.status(), SetStatus::Allocated);
        studio.close();
    }
}

#[test]
fn impossible_newcomer_is_a_conflict_under_either_policy() {
    for late in [LatePolicy::Refuse, LatePolicy::Reallocate] {
        let mut studio = Studio::new(late, 2, 2);
        let viewer = studio.watch();
        let peer = studio.world.client("odd");
        let refused = studio
            .world
            .come(peer, &studio.tickets, 1, impossible())
            .unwrap_err();
        let ReportKind::Conflict { conflicts, .. } = kind(&refused) else {
            panic!("{refused}");
        };
        let odd = conflicts[0]
            .members
            .iter()
            .find(|member| &*member.who.label == "odd");
        assert_eq!(odd.unwrap().who.pid, Some(104));
        assert_eq!(refused.errno(), rustix::io::Errno::BUSY);
        assert_eq!(studio.status(), SetStatus::Allocated);
        drop(viewer);
        studio.close();
    }
}

#[test]
fn pinned_member_is_in_the_way_until_it_leaves() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let display = studio.world.client("display");
    let mut room = pinned(reader(2));
    room.label = "room".into();
    let joined = studio
        .world
        .come(display, &studio.tickets, 2, Who::Needs(room))
        .unwrap();
    let encoder = studio.world.client("encoder");
    let refused = studio
        .world
        .come(encoder, &studio.tickets, 2, larger())
        .unwrap_err();
    let ReportKind::Busy { blockers, .. } = kind(&refused) else {
        panic!("{refused}");
    };
    let named: Vec<_> = blockers
        .iter()
        .map(|blocker| (&*blocker.who.label, blocker.who.pid))
        .collect();
    assert_eq!(named, [("room", Some(103))]);
    let left = LeaveStream {
        stream: studio.stream,
        slot: joined.slot,
        incarnation: joined.incarnation,
    };
    studio.world.call(display, left).unwrap();
    studio
        .world
        .post_join(encoder, &studio.tickets, 2, larger(), 1000);
    studio.camera_is_ready(2);
    assert_eq!(
        studio.world.answered_join(encoder).unwrap().unwrap().generation,
        2
    );
    studio.close();
}

#[test]
fn move_that_fails_at_any_step_leaves_the_old_buffers_and_names_who_failed() {
    for step in 0..5 {
        let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
        let viewer = studio.watch();
        if step == 0 {
            studio.world.empty_heaps = ["small", "large"].map(str::to_owned).into();
            let encoder = studio.world.client("encoder");
            let refused = studio
                .world
                .come(encoder, &studio.tickets, 2, larger())
                .unwrap_err();
            // The heaps have answered before the call was: it is the same answer.
            assert!(
                matches!(
                    refused,
                    BrokerError::SetSettling { .. } | BrokerError::Refused { .. }
                ),
                "{refused}"
            );
            studio.world.empty_heaps.clear();
            assert_eq!(studio.status(), SetStatus::Allocated);
            studio.close();
            continue;
        }
        let encoder = studio.begin(larger(), 2);
        let set = studio.root.set;
        let fails = |role, seat| ReadyGeneration {
            set,
            generation: 2,
            role,
            seat,
            error: Some("no room to map it".to_owned()),
        };
        let seat = Seat {
            slot: viewer.1.slot,
            incarnation: viewer.1.incarnation,
        };
        match step {
            1 => drop(
                studio
                    .world
                    .call(studio.camera.peer, fails(Role::Owner, None))
                    .unwrap(),
            ),
            2 => studio.world.pass(1000),
            3 => {
                studio.camera_is_ready(2);
                studio
                    .world
                    .call(viewer.0, fails(Role::Consumer, Some(seat)))
                    .unwrap();
            }
            _ => {
                studio.camera_is_ready(2);
                studio.world.pass(1000);
            }
        }
        let refused = studio.world.answered_join(encoder).unwrap().unwrap_err();
        let text = refused.to_string();
        match step {
            1 => assert!(
                text.contains("camera") && text.contains("no room to map it"),
                "{text}"
            ),
            2 => assert!(text.contains("camera"), "{text}"),
            _ => assert!(text.contains("viewer"), "{text}"),
        }
        assert_eq!(studio.status(), SetStatus::Allocated);
        let explained = studio.world.explain(studio.recorder, set).unwrap();
        assert_eq!(explained.generation, 1);
        // And it can be tried again.
        studio.world.post_join(encoder, &studio.tickets, 2, larger(), 999);
        studio.camera_is_ready(3);
        studio.viewer_is_ready(&viewer, 3);
        assert_eq!(
            studio.world.answered_join(encoder).unwrap().unwrap().generation,
            3
        );
        studio.close();
    }
}

#[test]
fn newcomer_that_dies_meanwhile_ends_the_move() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let viewer = studio.watch();
    let encoder = studio.begin(larger(), 2);
    studio.camera_is_ready(2);
    studio.world.tell(Event::Disconnected { peer: encoder });
    assert_eq!(studio.status(), SetStatus::Allocated);
    assert!(studio.world.ready(viewer.0, studio.root.set, 2, None).is_err());
    assert_eq!(
        studio
            .world
            .explain(studio.recorder, studio.root.set)
            .unwrap()
            .generation,
        1
    );
    studio.close();
}

#[test]
fn impatient_newcomer_keeps_its_place_for_a_while_and_not_for_ever() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let viewer = studio.watch();
    let encoder = studio.world.client("encoder");
    let settling = studio
        .world
        .come(encoder, &studio.tickets, 2, larger())
        .unwrap_err();
    assert!(matches!(settling, BrokerError::SetSettling { .. }), "{settling}");
    // The same wish goes on with the same move; another one does not.
    let again = studio
        .world
        .come(encoder, &studio.tickets, 2, larger())
        .unwrap_err();
    assert_eq!(again, settling);
    let other = studio
        .world
        .come(encoder, &studio.tickets, 1, Who::Anybody)
        .unwrap_err();
    assert!(matches!(other, BrokerError::SetSettling { .. }), "{other}");
    studio.camera_is_ready(2);
    studio.viewer_is_ready(&viewer, 2);
    let joined = studio.world.come(encoder, &studio.tickets, 2, larger()).unwrap();
    assert_eq!(joined.generation, 2);

    let second = studio.world.client("second");
    studio
        .world
        .come(
            second,
            &studio.tickets,
            2,
            Who::Needs(needs("late", 16_384, 1 << 20, 2)),
        )
        .unwrap_err();
    studio.camera_is_ready(3);
    studio.viewer_is_ready(&viewer, 3);
    let seat = Seat {
        slot: joined.slot,
        incarnation: joined.incarnation,
    };
    studio
        .world
        .ready(encoder, studio.root.set, 3, Some(seat))
        .unwrap();
    let count = |studio: &mut Studio| {
        let explained = studio.world.explain(studio.recorder, studio.root.set).unwrap();
        explained.seats.iter().map(|seat| seat.camping).sum::<u32>()
    };
    assert_eq!(count(&mut studio), 8);
    studio.world.pass(UNCLAIMED_AFTER_MS);
    assert_eq!(count(&mut studio), 6);
    studio.close();
}

#[test]
fn newcomer_that_spoils_its_own_call_ends_the_move_for_it() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let viewer = studio.watch();
    let encoder = studio.world.client("encoder");
    let call = wharf_protocol::JoinStream {
        needs: Some(wharf_protocol::Object(needs("encoder", 8192, 1 << 20, 2))),
        wait_ms: Some(0),
        ..wharf_protocol::JoinStream::new(studio.tickets.clone(), 2, wharf_protocol::Policy::Latest)
    };
    let page = studio.world.page(wharf_stream::CONSUMER_PAGE_BYTES);
    let settling = studio
        .world
        .call_with(encoder, call.clone(), vec![page])
        .unwrap_err();
    assert!(matches!(settling, BrokerError::SetSettling { .. }), "{settling}");
    assert_eq!(studio.status(), SetStatus::Moving);
    let page = studio.world.page(1);
    let spoiled = studio.world.call_with(encoder, call, vec![page]).unwrap_err();
    assert!(matches!(spoiled, BrokerError::BadPage { .. }), "{spoiled}");
    assert_eq!(studio.status(), SetStatus::Allocated);
    drop(viewer);
    studio.close();
}

#[test]
fn seated_reader_takes_part_in_moves_as_importer_until_it_is_in_the_stream() {
    let mut studio = Studio::new(LatePolicy::Reallocate, 2, 2);
    let seat = studio
        .world
        .issue(
            studio.recorder,
            &studio.root.token,
            &[],
            wharf_protocol::FailureDomain::Attached,
        )
        .unwrap();
    let viewer = studio.world.client("viewer");
    let mut room = reader(2);
    room.label = "room".into();
    let chair = studio.world.sit(viewer, &seat.token, room).unwrap();
    studio.world.buffers(&chair).unwrap();
    let set = studio.root.set;
    assert_eq!(studio.world.machine.sets[&set].importers.len(), 1);
    let who = Who::Seated(chair.participant);
    let deeper = studio.world.come(viewer, &studio.tickets, 3, who.clone());
    assert!(matches!(deeper, Err(BrokerError::InvalidArgument { field, .. }) if field == "depth"));
    let joined = studio
        .world
        .come(viewer, &studio.tickets, 2, who.clone())
        .unwrap();
    assert!(studio.world.machine.sets[&set].importers.is_empty());
    assert!(matches!(
        studio.world.come(viewer, &studio.tickets, 2, who),
        Err(BrokerError::NoPart { .. })
    ));
    let camera = Who::Seated(studio.camera.participant);
    let refused = studio.world.come(studio.camera.peer, &studio.tickets, 1, camera);
    assert!(matches!(refused, Err(BrokerError::NoPart { .. })), "{refused:?}");
    let encoder = studio.begin(larger(), 2);
    studio.camera_is_ready(2);
    studio.viewer_is_ready(&(viewer, joined), 2);
    assert_eq!(
        studio.world.answered_join(encoder).unwrap().unwrap().generation,
        2
    );
    studio.close();
}
