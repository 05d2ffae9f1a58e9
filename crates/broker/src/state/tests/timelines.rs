//! Timelines: made, imported, given back, over.

use wharf_protocol::limits::MAX_IMPORTS;
use wharf_protocol::{
    Amounts, BrokerError, CreateTimeline, CreateTimelineReply, DropTimeline, GetState, ImportTimeline,
    ImportTimelineReply, ObjectKind, ReleaseTimeline, Reply, Resource, TakeImporters, TakeImportersReply,
    Target, TimelineId, TimelineImport, Token,
};
use wharf_stream::timeline::End;
use wharf_stream::timeline::layout::PAGE_BYTES;

use super::world::{BROKER_UID, World};
use crate::state::accounts::DEFAULT_QUOTA;
use crate::state::timelines::MAX_TIMELINES_PER_USER;
use crate::state::{Event, FdRef, Inspection, PeerId};

const OTHER_UID: u32 = 2000;

impl World {
    fn create_timeline(&mut self, peer: PeerId) -> Result<(TimelineId, Vec<FdRef>), BrokerError> {
        let page = self.page(PAGE_BYTES);
        let call = CreateTimeline {
            name: "render".to_owned(),
        };
        match self.call_with(peer, call, vec![page])? {
            (Reply::CreateTimeline(CreateTimelineReply { timeline }), fds) => Ok((timeline, fds)),
            other => panic!("{other:?}"),
        }
    }

    fn timeline(&mut self, peer: PeerId) -> TimelineId {
        self.create_timeline(peer).expect("created").0
    }

    fn import(
        &mut self,
        peer: PeerId,
        token: &Token,
        cell: u32,
    ) -> Result<(ImportTimelineReply, Vec<FdRef>), BrokerError> {
        let page = self.page(PAGE_BYTES);
        let token = token.clone();
        match self.call_with(peer, ImportTimeline { token, cell }, vec![page])? {
            (Reply::ImportTimeline(reply), fds) => Ok((reply, fds)),
            other => panic!("{other:?}"),
        }
    }

    fn importers(
        &mut self,
        peer: PeerId,
        timeline: TimelineId,
        after: u64,
    ) -> (TakeImportersReply, Vec<FdRef>) {
        match self.call(peer, TakeImporters { timeline, after }) {
            Ok((Reply::TakeImporters(reply), fds)) => (reply, fds),
            other => panic!("{other:?}"),
        }
    }

    /// An owner, a timeline of it, a token for many, and an importer of another user.
    fn shared(&mut self) -> (PeerId, TimelineId, Token, PeerId) {
        let owner = self.client("gpu");
        let timeline = self.timeline(owner);
        let token = self.token(owner, ObjectKind::Timeline, timeline.0, 1000);
        let importer = self.client_of(OTHER_UID, "compositor");
        (owner, timeline, token, importer)
    }

    fn used(&self, uid: u32) -> Amounts {
        self.machine.accounts.used(uid)
    }
}

#[test]
fn owner_gets_the_status_page_and_pays_for_both() {
    let mut world = World::new();
    let owner = world.client("gpu");
    let before = world.used(BROKER_UID);
    let (timeline, fds) = world.create_timeline(owner).unwrap();
    let held = &world.machine.timelines[&timeline];
    assert_eq!(fds, [FdRef::Held(held.status)]);
    assert_eq!(world.used(BROKER_UID).fds, before.fds + 2);
    world.call(owner, DropTimeline { timeline }).unwrap();
    assert_eq!(world.used(BROKER_UID), before);
    assert_eq!(world.over[&timeline], End::Dropped);
}

#[test]
fn importer_gets_the_pages_and_the_owner_s_process_and_is_counted_first() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    let (page, status) = (
        world.machine.timelines[&timeline].page,
        world.machine.timelines[&timeline].status,
    );
    let (reply, fds) = world.import(importer, &token, 9).unwrap();
    assert_eq!(
        fds,
        [FdRef::Held(page), FdRef::Held(status), FdRef::Process(owner)]
    );
    let expected = ImportTimelineReply {
        timeline,
        import: 1,
        name: "render".to_owned(),
        owner_label: "gpu".to_owned(),
        owner_pid: 101,
    };
    assert_eq!(reply, expected);
    let about = |kind: &str| {
        let mut history = world.history.iter().map(|effect| format!("{effect:?}"));
        history.rposition(|text| text.contains(kind)).expect("happened")
    };
    assert!(
        about("SetImports") < about("ImportTimelineReply"),
        "who waits is known to be there before it knows"
    );
    assert_eq!(world.timeline_pages[&timeline].newest, 1);
}

#[test]
fn owner_learns_of_imports_and_asking_again_changes_nothing() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    for cell in [9, 10, 11] {
        world.import(importer, &token, cell).unwrap();
    }
    for _ in 0..2 {
        let (reply, fds) = world.importers(owner, timeline, 1);
        let joined = [(2, 10), (3, 11)].map(|(import, cell)| TimelineImport { import, cell });
        assert_eq!((reply.joined, reply.present), (joined.to_vec(), vec![1, 2, 3]));
        assert_eq!(fds.len(), 2);
    }
    let before = world.timeline_pages[&timeline].version;
    let release = ReleaseTimeline { timeline, import: 2 };
    world.call(importer, release.clone()).unwrap();
    assert_eq!(
        world.timeline_pages[&timeline].version,
        before + 1,
        "news for the owner"
    );
    assert_eq!(world.importers(owner, timeline, 3).0.present, [1, 3]);
    let again = world.error(importer, release);
    assert_eq!(again, BrokerError::NoSuchTimeline { id: timeline });
    assert_eq!(
        world.import(importer, &token, 9).unwrap().0.import,
        4,
        "never used again"
    );
}

#[test]
fn waiter_pages_are_the_importer_s_cost_and_go_with_whatever_ends_first() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    let before = world.used(OTHER_UID);
    world.import(importer, &token, 9).unwrap();
    assert_eq!(world.used(OTHER_UID).fds, before.fds + 1);
    world
        .call(importer, ReleaseTimeline { timeline, import: 1 })
        .unwrap();
    assert_eq!(world.used(OTHER_UID), before);
    world.import(importer, &token, 9).unwrap();
    world.call(owner, DropTimeline { timeline }).unwrap();
    assert_eq!(world.used(OTHER_UID), before);
    let late = world.error(importer, ReleaseTimeline { timeline, import: 2 });
    assert_eq!(late, BrokerError::NoSuchTimeline { id: timeline });
}

#[test]
fn death_of_the_owner_is_told_and_leaves_nothing() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    world.import(importer, &token, 9).unwrap();
    world.tell(Event::Disconnected { peer: owner });
    assert_eq!(world.over[&timeline], End::OwnerDied);
    assert_eq!(world.import(importer, &token, 9), Err(BrokerError::TokenUnknown));
    world.tell(Event::Disconnected { peer: importer });
    world.assert_empty();
}

#[test]
fn death_of_an_importer_is_news_for_the_owner() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    let second = world.client("second");
    world.import(importer, &token, 9).unwrap();
    world.import(second, &token, 9).unwrap();
    let before = world.timeline_pages[&timeline].version;
    world.tell(Event::Disconnected { peer: importer });
    assert_eq!(world.timeline_pages[&timeline].version, before + 1);
    assert_eq!(world.importers(owner, timeline, 0).0.present, [2]);
    assert_eq!(world.used(OTHER_UID), Amounts::default());
}

#[test]
fn owner_that_dies_while_its_page_is_made_leaves_nothing() {
    let mut world = World::new();
    let owner = world.client("gpu");
    world.hold_reports = true;
    let page = world.page(PAGE_BYTES);
    let call = CreateTimeline { name: String::new() };
    world.post(owner, call, vec![page]);
    world.tell(Event::Disconnected { peer: owner });
    world.report_all();
    world.assert_empty();
}

#[test]
fn page_that_cannot_be_made_costs_nothing() {
    let mut world = World::new();
    let owner = world.client("gpu");
    let before = world.used(BROKER_UID);
    world.failure = Some(BrokerError::OutOfDescriptors);
    assert_eq!(world.create_timeline(owner), Err(BrokerError::OutOfDescriptors));
    assert_eq!(world.used(BROKER_UID), before);
}

#[test]
fn only_the_owner_s_session_owns_and_other_users_see_nothing() {
    let mut world = World::new();
    let (owner, timeline, token, stranger) = world.shared();
    let sibling = world.client("sibling");
    let take = TakeImporters { timeline, after: 0 };
    let not_owner = BrokerError::NotOwner {
        kind: ObjectKind::Timeline,
        id: timeline.0,
    };
    let unknown = BrokerError::NoSuchTimeline { id: timeline };
    assert_eq!(world.error(sibling, take.clone()), not_owner);
    assert_eq!(world.error(sibling, DropTimeline { timeline }), not_owner);
    assert_eq!(world.error(stranger, take), unknown);
    assert_eq!(world.error(stranger, DropTimeline { timeline }), unknown);
    world.import(stranger, &token, 9).unwrap();
    let release = ReleaseTimeline { timeline, import: 1 };
    assert_eq!(
        world.error(owner, release),
        unknown,
        "the import of somebody else"
    );
}

#[test]
fn tokens_are_for_one_kind_of_object() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    let stream = world.stream(owner, 4, 1);
    let other = world.token(owner, ObjectKind::Stream, stream.0, 1);
    let target = |kind, id| Target { kind, id };
    assert_eq!(
        world.import(importer, &other, 9),
        Err(BrokerError::TokenForOther {
            expected: target(ObjectKind::Timeline, None),
            actual: target(ObjectKind::Stream, Some(stream.0)),
        })
    );
    assert_eq!(
        world.join(importer, &token, 1),
        Err(BrokerError::TokenForOther {
            expected: target(ObjectKind::Stream, None),
            actual: target(ObjectKind::Timeline, Some(timeline.0)),
        })
    );
    let once = world.token(owner, ObjectKind::Timeline, timeline.0, 1);
    world.import(importer, &once, 9).unwrap();
    assert_eq!(world.import(importer, &once, 9), Err(BrokerError::TokenUsedUp));
}

#[test]
fn pages_that_could_harm_others_are_refused_and_not_kept() {
    let mut world = World::new();
    let (owner, _, token, importer) = world.shared();
    let before = world.fds.clone();
    let bad = || {
        let pipe = Inspection::Unusable {
            reason: "a pipe".to_owned(),
        };
        let unsealed = Inspection::Memfd {
            size_bytes: PAGE_BYTES as u64,
            seals: wharf_linux::SealFlags::SHRINK,
        };
        [pipe, unsealed]
    };
    for inspection in bad() {
        let page = world.received(inspection.clone());
        let create = CreateTimeline { name: String::new() };
        let refused = world.call_with(owner, create, vec![page]).unwrap_err();
        assert!(matches!(refused, BrokerError::BadPage { .. }), "{refused:?}");
        let page = world.received(inspection);
        let token = token.clone();
        let import = ImportTimeline { token, cell: 9 };
        let refused = world.call_with(importer, import, vec![page]).unwrap_err();
        assert!(matches!(refused, BrokerError::BadPage { .. }), "{refused:?}");
    }
    assert_eq!(world.fds, before);
}

#[test]
fn timeline_has_only_so_many_imports_at_a_time() {
    let mut world = World::new();
    let (_, timeline, token, importer) = world.shared();
    for _ in 0..MAX_IMPORTS {
        world.import(importer, &token, 9).unwrap();
    }
    let max = MAX_IMPORTS as u32;
    assert_eq!(
        world.import(importer, &token, 9),
        Err(BrokerError::TimelineFull { max })
    );
    world
        .call(importer, ReleaseTimeline { timeline, import: 1 })
        .unwrap();
    world.import(importer, &token, 9).unwrap();
}

#[test]
fn user_has_only_so_many_timelines_those_being_made_included() {
    let mut world = World::with_quota(Amounts {
        fds: u64::MAX,
        ..DEFAULT_QUOTA
    });
    let owner = world.client("gpu");
    let second = world.client("second");
    for _ in 1..MAX_TIMELINES_PER_USER {
        world.timeline(owner);
    }
    world.hold_reports = true;
    let page = world.page(PAGE_BYTES);
    let call = CreateTimeline { name: String::new() };
    world.post(owner, call, vec![page]);
    let refused = BrokerError::QuotaExceeded {
        resource: Resource::Timelines,
        limit: MAX_TIMELINES_PER_USER as u64,
        used: MAX_TIMELINES_PER_USER as u64,
        requested: 1,
        uid: BROKER_UID,
    };
    assert_eq!(world.create_timeline(second), Err(refused));
    world.hold_reports = false;
    let other = world.client_of(OTHER_UID, "other");
    world.timeline(other);
    world.report_all();
}

#[test]
fn descriptors_are_within_the_quota() {
    let mut world = World::with_quota(Amounts {
        fds: 2 + 2 + 1,
        ..DEFAULT_QUOTA
    });
    let owner = world.client("gpu");
    let timeline = world.timeline(owner);
    let full = world.create_timeline(owner).unwrap_err();
    assert!(matches!(
        full,
        BrokerError::QuotaExceeded {
            resource: Resource::Fds,
            ..
        }
    ));
    let token = world.token(owner, ObjectKind::Timeline, timeline.0, 9);
    world.import(owner, &token, 9).unwrap();
    let full = world.import(owner, &token, 9).unwrap_err();
    assert!(matches!(
        full,
        BrokerError::QuotaExceeded {
            resource: Resource::Fds,
            ..
        }
    ));
    assert_eq!(world.timeline_pages[&timeline].newest, 1, "only what came to be");
}

#[test]
fn listing_shows_timelines_to_those_who_may_see_them() {
    let mut world = World::new();
    let (owner, timeline, token, importer) = world.shared();
    world.import(importer, &token, 9).unwrap();
    let state = |world: &mut World, peer| match world.call(peer, GetState {}) {
        Ok((Reply::GetState(state), _)) => state,
        other => panic!("{other:?}"),
    };
    let seen = state(&mut world, owner);
    let line = &seen.timelines[0];
    assert_eq!((line.timeline, line.name.as_str()), (timeline, "render"));
    assert_eq!(line.owner, world.session(owner));
    assert_eq!(line.importers, [world.session(importer)]);
    let fds: Vec<u64> = seen.sessions.iter().map(|session| session.fds).collect();
    assert_eq!(fds, [4, 3], "pages and waiter pages are counted");
    assert_eq!(state(&mut world, importer).timelines, []);
}
