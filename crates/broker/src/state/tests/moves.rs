//! Moves of a set to other memory: who is waited for, and that nothing changes before everybody is ready. Contract: N5.

use wharf_protocol::{
    BrokerError, FreeBuffers, GetGeneration, GetGenerationReply, GetMove, GetMoveReply, Hindrance,
    ImportBuffers, JoinStreamReply, LeaveStream, MoveBlocker, MoveBuffers, MoveBuffersReply, MoveContract,
    ObjectKind, Policy, ReadyGeneration, ReleaseGeneration, Reply, Resource, Role, Seat, SetId, StreamId,
    TakeGeneration, TakeGenerationReply, Token,
};
use wharf_stream::CONSUMER_PAGE_BYTES;
use wharf_stream::status::{Generations, SlotState};

use super::world::World;
use crate::state::{DEFAULT_QUOTA, Effect, Event, FdRef, PeerId};

/// Somebody who has a set.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) peer: PeerId,
    pub(super) set: SetId,
    pub(super) role: Role,
    pub(super) seat: Option<Seat>,
}

impl Share {
    pub(super) fn owner(peer: PeerId, set: SetId) -> Self {
        let (role, seat) = (Role::Owner, None);
        Self {
            peer,
            set,
            role,
            seat,
        }
    }

    pub(super) fn take(
        &self,
        world: &mut World,
        generation: u64,
    ) -> Result<(TakeGenerationReply, Vec<FdRef>), BrokerError> {
        let (set, role, seat) = (self.set, self.role, self.seat);
        let call = TakeGeneration {
            set,
            generation,
            role,
            seat,
        };
        match world.call(self.peer, call)? {
            (Reply::TakeGeneration(reply), fds) => Ok((reply, fds)),
            other => panic!("{other:?}"),
        }
    }

    fn say(&self, world: &mut World, generation: u64, error: Option<&str>) -> Result<(), BrokerError> {
        let (set, role, seat) = (self.set, self.role, self.seat);
        let call = ReadyGeneration {
            set,
            generation,
            role,
            seat,
            error: error.map(str::to_owned),
        };
        world.call(self.peer, call).map(drop)
    }

    pub(super) fn ready(&self, world: &mut World, generation: u64) -> Result<(), BrokerError> {
        self.say(world, generation, None)
    }

    pub(super) fn release(&self, world: &mut World, generation: u64) -> Result<(), BrokerError> {
        let (set, role, seat) = (self.set, self.role, self.seat);
        let call = ReleaseGeneration {
            set,
            generation,
            role,
            seat,
        };
        world.call(self.peer, call).map(drop)
    }

    pub(super) fn news(&self, world: &mut World) -> (u64, Option<u64>) {
        let (set, role, seat) = (self.set, self.role, self.seat);
        match world.call(self.peer, GetGeneration { set, role, seat }) {
            Ok((Reply::GetGeneration(GetGenerationReply { current, offered }), _)) => (current, offered),
            other => panic!("{other:?}"),
        }
    }
}

/// A camera with a stream of four buffers and viewers in it.
struct Preview {
    world: World,
    camera: Share,
    stream: StreamId,
    viewers: Vec<Share>,
}

impl Preview {
    fn new(contracts: &[MoveContract]) -> Self {
        let mut world = World::new();
        let camera = world.client("camera");
        let set = world.allocate(camera, 4096, 4).0.set;
        let stream = world.create(camera, set, 8).unwrap();
        let mut preview = Self {
            world,
            camera: Share::owner(camera, set),
            stream,
            viewers: Vec::new(),
        };
        for contract in contracts {
            let viewer = preview.join(*contract).unwrap();
            preview.viewers.push(viewer);
        }
        preview
    }

    fn join(&mut self, contract: MoveContract) -> Result<Share, BrokerError> {
        let token = self
            .world
            .token(self.camera.peer, ObjectKind::Stream, self.stream.0, 1);
        let peer = self.world.client("viewer");
        let page = self.world.page(CONSUMER_PAGE_BYTES);
        let call = wharf_protocol::JoinStream {
            contract: Some(contract),
            ..wharf_protocol::JoinStream::new(token, 1, Policy::Latest)
        };
        match self.world.call_with(peer, call, vec![page])? {
            (
                Reply::JoinStream(JoinStreamReply {
                    set,
                    slot,
                    incarnation,
                    ..
                }),
                _,
            ) => Ok(Share {
                peer,
                set,
                role: Role::Consumer,
                seat: Some(Seat { slot, incarnation }),
            }),
            other => panic!("{other:?}"),
        }
    }

    fn begin(&mut self, size_bytes: u64, count: u32) -> Result<u64, BrokerError> {
        let call = MoveBuffers {
            set: self.camera.set,
            size_bytes,
            count,
            deadline_ms: 500,
            plan: "wide".to_owned(),
        };
        match self.world.call(self.camera.peer, call)? {
            (Reply::MoveBuffers(MoveBuffersReply { generation }), _) => Ok(generation),
            other => panic!("{other:?}"),
        }
    }

    fn outcome(&mut self, generation: u64) -> Result<bool, BrokerError> {
        let set = self.camera.set;
        match self.world.call(self.camera.peer, GetMove { set, generation })? {
            (Reply::GetMove(GetMoveReply { committed }), _) => Ok(committed),
            other => panic!("{other:?}"),
        }
    }

    fn shown(&self) -> Generations {
        self.world.status_pages[&self.stream].generations
    }

    fn booked(&self) -> u64 {
        let users = self.world.machine.accounts.users();
        users.map(|(_, used)| used.bytes).sum()
    }

    fn time_is_up(&mut self) {
        let (operation, after_ms) = self.world.alarms.pop_first().unwrap();
        assert_eq!(after_ms, 500);
        self.world.tell(Event::Alarm { operation });
    }

    fn assert_nothing_happened(&mut self) {
        let untouched = Generations {
            current: 1,
            ..Generations::default()
        };
        assert_eq!(self.shown(), untouched);
        assert_eq!(self.booked(), 4 * 4096);
        assert!(self.world.alarms.is_empty());
    }
}

const MOVABLE: MoveContract = MoveContract::Movable;

fn shown(current: u64, for_producer: Option<u64>, for_consumers: Option<u64>) -> Generations {
    Generations {
        current,
        for_producer,
        for_consumers,
    }
}

#[test]
fn move_goes_step_by_step_and_everybody_has_their_turn() {
    let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
    let (camera, viewers) = (preview.camera, preview.viewers.clone());
    assert_eq!(preview.begin(5000, 6).unwrap(), 2);
    assert_eq!(preview.shown(), shown(1, Some(2), None));
    assert_eq!(preview.booked(), 4 * 4096 + 6 * 8192, "both are booked");
    let stale = BrokerError::StaleGeneration {
        generation: 2,
        current: 1,
    };
    for viewer in &viewers {
        assert_eq!(
            viewer.take(&mut preview.world, 2).unwrap_err(),
            stale,
            "it can be written still"
        );
        assert_eq!(viewer.ready(&mut preview.world, 2).unwrap_err(), stale);
        assert_eq!(viewer.news(&mut preview.world), (1, None));
    }
    let (reply, new) = camera.take(&mut preview.world, 2).unwrap();
    let expected = TakeGenerationReply {
        size_bytes: 8192,
        count: 6,
        plan: "wide".to_owned(),
    };
    assert_eq!((&reply, new.len()), (&expected, 6));
    preview.world.history.clear();
    camera.ready(&mut preview.world, 2).unwrap();
    let sealed = preview.world.history.iter().find_map(|effect| match effect {
        Effect::Seal { buffers, .. } => Some(buffers.iter().copied().map(FdRef::Held).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(sealed.as_ref(), Some(&new));
    assert_eq!(preview.shown(), shown(1, Some(2), Some(2)));
    for viewer in &viewers {
        assert_eq!(viewer.news(&mut preview.world), (1, Some(2)));
        assert_eq!(
            viewer.take(&mut preview.world, 2).unwrap(),
            (expected.clone(), new.clone())
        );
        assert_eq!(preview.outcome(2), Ok(false));
        viewer.ready(&mut preview.world, 2).unwrap();
        viewer.ready(&mut preview.world, 2).unwrap_or_default();
    }
    assert_eq!(preview.outcome(2), Ok(true));
    assert_eq!(preview.shown(), shown(2, None, None));
    assert!(preview.world.alarms.is_empty());
    assert_eq!(
        preview.booked(),
        4 * 4096 + 6 * 8192,
        "nobody has let go of the first"
    );
    for share in viewers.iter().chain([&camera]) {
        assert_eq!(
            share.release(&mut preview.world, 2).unwrap_err(),
            BrokerError::StaleGeneration {
                generation: 2,
                current: 2,
            }
        );
        assert_eq!(preview.booked(), 4 * 4096 + 6 * 8192);
        share.release(&mut preview.world, 1).unwrap();
    }
    assert_eq!(preview.booked(), 6 * 8192);
    assert_eq!(
        camera.take(&mut preview.world, 1).unwrap_err().errno(),
        rustix::io::Errno::STALE
    );
    let joined = preview.join(MOVABLE).unwrap();
    assert_eq!(joined.news(&mut preview.world), (2, None));
}

#[test]
fn seal_comes_before_anybody_but_the_owner_has_the_memory() {
    let mut preview = Preview::new(&[MOVABLE]);
    preview.begin(4096, 4).unwrap();
    preview.world.hold_reports = true;
    preview.camera.ready(&mut preview.world, 2).unwrap();
    let viewer = preview.viewers[0];
    assert!(viewer.take(&mut preview.world, 2).is_err());
    assert_eq!(preview.shown().for_consumers, None);
    preview.world.report_all();
    assert!(viewer.take(&mut preview.world, 2).is_ok());
}

#[test]
fn failing_seal_fails_the_move() {
    let mut preview = Preview::new(&[MOVABLE]);
    preview.begin(4096, 4).unwrap();
    preview.world.failure = Some(BrokerError::OutOfDescriptors);
    preview.camera.ready(&mut preview.world, 2).unwrap();
    preview.world.failure = None;
    assert_eq!(preview.outcome(2), Err(BrokerError::OutOfDescriptors));
    preview.assert_nothing_happened();
}

#[test]
fn failing_allocation_answers_the_call_and_changes_nothing() {
    let mut preview = Preview::new(&[MOVABLE]);
    preview.world.failure = Some(BrokerError::OutOfDescriptors);
    assert_eq!(preview.begin(4096, 4), Err(BrokerError::OutOfDescriptors));
    preview.world.failure = None;
    preview.assert_nothing_happened();
    assert_eq!(preview.outcome(2), Err(BrokerError::OutOfDescriptors));
    assert_eq!(preview.begin(4096, 4), Ok(3), "the number is not used again");
}

#[test]
fn move_that_both_generations_do_not_fit_the_quota_is_refused() {
    let quota = wharf_protocol::Amounts {
        buffers: 7,
        ..DEFAULT_QUOTA
    };
    let mut world = World::with_quota(quota);
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 4).0.set;
    let call = MoveBuffers {
        set,
        size_bytes: 1,
        count: 4,
        deadline_ms: 1,
        plan: String::new(),
    };
    let error = world.error(camera, call);
    assert!(matches!(
        error,
        BrokerError::QuotaExceeded {
            resource: Resource::Buffers,
            used: 4,
            requested: 4,
            ..
        }
    ));
}

#[test]
fn participant_that_cannot_use_the_memory_fails_the_move_and_is_named() {
    for refuses in 0..3 {
        let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
        preview.begin(4096, 4).unwrap();
        let mut shares = vec![preview.camera];
        shares.extend(preview.viewers.clone());
        for share in &shares[..refuses] {
            share.ready(&mut preview.world, 2).unwrap();
        }
        shares[refuses]
            .say(&mut preview.world, 2, Some("no room"))
            .unwrap();
        let label = if refuses == 0 { "camera" } else { "viewer" };
        let pid = 100 + u32::try_from(shares[refuses].peer.0).unwrap();
        let expected = BrokerError::MoveFailed {
            set: preview.camera.set,
            generation: 2,
            label: label.to_owned(),
            pid,
            reason: "no room".to_owned(),
        };
        assert_eq!(preview.outcome(2), Err(expected));
        preview.assert_nothing_happened();
    }
}

#[test]
fn who_is_missing_when_the_time_is_up_is_named() {
    for ready in 0..3 {
        let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
        preview.begin(4096, 4).unwrap();
        let mut shares = vec![preview.camera];
        shares.extend(preview.viewers.clone());
        for share in &shares[..ready] {
            share.ready(&mut preview.world, 2).unwrap();
        }
        preview.time_is_up();
        let missing = if ready == 0 {
            &shares[..1]
        } else {
            &shares[ready..]
        };
        let blockers = missing.iter().map(|share| MoveBlocker {
            label: if ready == 0 { "camera" } else { "viewer" }.to_owned(),
            pid: 100 + u32::try_from(share.peer.0).unwrap(),
            role: share.role,
            reason: Hindrance::Silent,
        });
        let (set, blockers) = (preview.camera.set, blockers.collect());
        assert_eq!(preview.outcome(2), Err(BrokerError::MoveBusy { set, blockers }));
        preview.assert_nothing_happened();
    }
}

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
fn pinned_participants_keep_a_move_from_beginning() {
    let mut preview = Preview::new(&[MOVABLE, MoveContract::Pinned]);
    preview.world.history.clear();
    let error = preview.begin(4096, 4).unwrap_err();
    let blocker = MoveBlocker {
        label: "viewer".to_owned(),
        pid: 100 + u32::try_from(preview.viewers[1].peer.0).unwrap(),
        role: Role::Consumer,
        reason: Hindrance::Pinned,
    };
    let (set, blockers) = (preview.camera.set, vec![blocker]);
    assert_eq!(error, BrokerError::MoveBusy { set, blockers });
    assert!(
        matches!(preview.world.history[..], [Effect::Fail { .. }]),
        "nothing was tried"
    );
    preview.assert_nothing_happened();
}

#[test]
fn nobody_pinned_joins_or_imports_during_a_move() {
    let mut preview = Preview::new(&[]);
    let (set, camera) = (preview.camera.set, preview.camera.peer);
    let token = preview.world.token(camera, ObjectKind::Set, set.0, 2);
    preview.begin(4096, 4).unwrap();
    let expected = BrokerError::MoveInProgress { set, generation: 2 };
    assert_eq!(preview.join(MoveContract::Pinned).err(), Some(expected.clone()));
    let peer = preview.world.client("importer");
    let import = |contract| ImportBuffers {
        token: token.clone(),
        contract: Some(contract),
    };
    assert_eq!(preview.world.error(peer, import(MoveContract::Pinned)), expected);
    preview.world.call(peer, import(MOVABLE)).unwrap();
    assert_eq!(preview.begin(4096, 4).unwrap_err(), expected);
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
fn counts_have_to_fit_both_generations_during_a_move() {
    let mut preview = Preview::new(&[MOVABLE, MOVABLE]);
    let error = preview.begin(4096, 2).unwrap_err();
    assert_eq!(error.errno(), rustix::io::Errno::BUSY);
    preview.begin(4096, 3).unwrap();
    assert!(matches!(
        preview.join(MOVABLE),
        Err(BrokerError::CountsExhausted {
            buffers: 3,
            promised: 2,
            requested: 1
        })
    ));
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
    assert_eq!(world.machine.accounts.used(super::world::BROKER_UID).bytes, 4096);
}

#[test]
fn generations_that_nobody_releases_stop_further_moves() {
    let mut preview = Preview::new(&[MOVABLE]);
    let (camera, viewer) = (preview.camera, preview.viewers[0]);
    for generation in 2..=5 {
        preview.begin(4096, 4).unwrap();
        camera.ready(&mut preview.world, generation).unwrap();
        viewer.ready(&mut preview.world, generation).unwrap();
        camera.release(&mut preview.world, generation - 1).unwrap();
    }
    let error = preview.begin(4096, 4).unwrap_err();
    let BrokerError::MoveBusy { blockers, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (blockers.len(), blockers[0].reason, blockers[0].role),
        (1, Hindrance::KeepsOld, Role::Consumer)
    );
    viewer.release(&mut preview.world, 3).unwrap();
    preview.begin(4096, 4).unwrap();
}

#[test]
fn only_participants_take_part_and_only_in_their_own_capacity() {
    let mut preview = Preview::new(&[MOVABLE]);
    let (camera, viewer) = (preview.camera, preview.viewers[0]);
    preview.begin(4096, 4).unwrap();
    let stranger = preview.world.client("stranger");
    let other_incarnation = viewer.seat.map(|seat| Seat {
        incarnation: wharf_protocol::Incarnation(99),
        ..seat
    });
    let pretenders = [
        Share {
            peer: stranger,
            ..camera
        },
        Share {
            peer: viewer.peer,
            ..camera
        },
        Share {
            peer: camera.peer,
            ..viewer
        },
        Share {
            peer: stranger,
            ..viewer
        },
        Share {
            role: Role::Importer,
            ..camera
        },
        Share {
            seat: other_incarnation,
            ..viewer
        },
    ];
    for pretender in pretenders {
        let unknown = BrokerError::NoSuchSet { id: camera.set };
        assert_eq!(pretender.take(&mut preview.world, 1).unwrap_err(), unknown);
        assert_eq!(
            pretender.say(&mut preview.world, 2, Some("x")).unwrap_err(),
            unknown
        );
        assert_eq!(pretender.release(&mut preview.world, 1).unwrap_err(), unknown);
    }
    assert_eq!(preview.outcome(2), Ok(false));
}

#[test]
fn old_generation_that_somebody_takes_late_is_kept_for_it() {
    let mut preview = Preview::new(&[MOVABLE]);
    let (camera, viewer) = (preview.camera, preview.viewers[0]);
    preview.begin(8192, 4).unwrap();
    camera.ready(&mut preview.world, 2).unwrap();
    viewer.ready(&mut preview.world, 2).unwrap();
    let late = preview.join(MOVABLE).unwrap();
    late.take(&mut preview.world, 1).unwrap();
    camera.release(&mut preview.world, 1).unwrap();
    viewer.release(&mut preview.world, 1).unwrap();
    assert_eq!(preview.booked(), 4 * (4096 + 8192));
    late.release(&mut preview.world, 1).unwrap();
    assert_eq!(preview.booked(), 4 * 8192);
    assert_eq!(
        viewer.release(&mut preview.world, 1).unwrap_err().errno(),
        rustix::io::Errno::STALE
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

/// A stream of three buffers that makes room, with a viewer in it, and a consumer that asks for `depth` frames.
fn roomy(depth: u32) -> (World, Share, Share, StreamId, PeerId) {
    let mut world = World::new();
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 3).0.set;
    let page = world.page(wharf_stream::RING_PAGE_BYTES);
    let call = wharf_protocol::CreateStream {
        set,
        name: String::new(),
        max_consumers: 8,
        room_ms: Some(700),
        polled: None,
    };
    let stream = match world.call_with(camera, call, vec![page]).unwrap() {
        (Reply::CreateStream(reply), _) => reply.stream,
        other => panic!("{other:?}"),
    };
    let token = world.token(camera, ObjectKind::Stream, stream.0, 9);
    let viewer = world.client("viewer");
    let (joined, _) = world.join(viewer, &token, 1).unwrap();
    let (slot, incarnation) = (joined.slot, joined.incarnation);
    let share = Share {
        peer: viewer,
        set,
        role: Role::Consumer,
        seat: Some(Seat { slot, incarnation }),
    };
    let encoder = world.client("encoder");
    ask_to_join(&mut world, encoder, &token, depth);
    (world, Share::owner(camera, set), share, stream, encoder)
}

fn ask_to_join(world: &mut World, peer: PeerId, token: &Token, depth: u32) {
    let page = world.page(CONSUMER_PAGE_BYTES);
    let call = wharf_protocol::JoinStream::new(token.clone(), depth, Policy::Block);
    world.post(peer, call, vec![page]);
}

fn joined(world: &mut World, peer: PeerId) -> Result<JoinStreamReply, BrokerError> {
    match world.answer(peer).expect("it is answered")? {
        (Reply::JoinStream(reply), _) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

#[test]
fn consumer_that_does_not_fit_is_let_in_when_there_is_room() {
    let (mut world, camera, viewer, _, encoder) = roomy(4);
    assert_eq!(world.answer(encoder), None, "it waits");
    assert_eq!(world.waiting.iter().copied().collect::<Vec<_>>(), [encoder]);
    assert_eq!(world.alarms.values().copied().collect::<Vec<_>>(), [700]);
    camera.ready(&mut world, 2).unwrap();
    assert_eq!(world.answer(encoder), None);
    viewer.ready(&mut world, 2).unwrap();
    let reply = joined(&mut world, encoder).unwrap();
    assert_eq!((reply.generation, reply.count, reply.size_bytes), (2, 6, 4096));
    assert!(world.waiting.is_empty());
}

#[test]
fn others_that_do_not_fit_wait_for_the_same_move() {
    let (mut world, camera, viewer, stream, encoder) = roomy(2);
    let token = {
        let peer = camera.peer;
        world.token(peer, ObjectKind::Stream, stream.0, 1)
    };
    let second = world.client("second");
    ask_to_join(&mut world, second, &token, 2);
    assert_eq!(world.waiting.len(), 2);
    for share in [camera, viewer] {
        share.ready(&mut world, 2).unwrap();
    }
    let first = joined(&mut world, encoder).unwrap();
    assert_eq!((first.generation, first.count), (2, 4));
    // There is room for one only: a move of its own follows.
    assert_eq!(world.answer(second), None);
    let (slot, incarnation) = (first.slot, first.incarnation);
    let third = Share {
        peer: encoder,
        seat: Some(Seat { slot, incarnation }),
        ..viewer
    };
    for share in [camera, viewer, third] {
        share.ready(&mut world, 3).unwrap();
    }
    let reply = joined(&mut world, second).unwrap();
    assert_eq!((reply.generation, reply.count), (3, 6));
}

#[test]
fn consumer_that_no_room_is_made_for_is_told_why() {
    let (mut world, camera, _, _, encoder) = roomy(4);
    camera.ready(&mut world, 2).unwrap();
    let (operation, _) = world.alarms.pop_first().unwrap();
    world.tell(Event::Alarm { operation });
    let error = joined(&mut world, encoder).unwrap_err();
    assert!(
        matches!(&error, BrokerError::MoveBusy { blockers, .. } if blockers[0].label == "viewer"),
        "{error}"
    );
    assert!(world.waiting.is_empty());
}

#[test]
fn who_waits_for_room_may_die_and_the_stream_may_end() {
    for dies in [true, false] {
        let (mut world, camera, viewer, _, encoder) = roomy(4);
        let peer = if dies { encoder } else { camera.peer };
        world.tell(Event::Disconnected { peer });
        if dies {
            for share in [camera, viewer] {
                share.ready(&mut world, 2).unwrap();
            }
            assert_eq!(camera.news(&mut world), (2, None));
        } else {
            let error = joined(&mut world, encoder).unwrap_err();
            assert!(matches!(error, BrokerError::StreamEnded { .. }), "{error}");
        }
        for peer in [encoder, camera.peer, viewer.peer] {
            world.tell(Event::Disconnected { peer });
        }
        world.assert_empty();
    }
}

#[test]
fn there_is_room_for_sixty_three_frames_at_most_and_none_for_the_producer_itself() {
    let (mut world, _, _, _, encoder) = roomy(63);
    let error = joined(&mut world, encoder).unwrap_err();
    assert!(matches!(error, BrokerError::CountsExhausted { .. }), "{error}");
    let (mut world, camera, _, stream, _) = roomy(1);
    let token = world.token(camera.peer, ObjectKind::Stream, stream.0, 1);
    ask_to_join(&mut world, camera.peer, &token, 5);
    let error = joined(&mut world, camera.peer).unwrap_err();
    assert!(matches!(error, BrokerError::CountsExhausted { .. }), "{error}");
}
