//! Moves of a set to other memory: who is waited for, and that nothing changes before everybody is ready. Contract: N5.

mod comings;
mod failures;
mod room;
mod rotation;

use super::world::World;
use crate::state::{Effect, Event, FdRef, PeerId};
use wharf_protocol::{
    BrokerError, GetGeneration, GetGenerationReply, GetMove, GetMoveReply, JoinStreamReply, MoveBuffers,
    MoveBuffersReply, MoveContract, ObjectKind, Policy, ReadyGeneration, ReleaseGeneration, Reply, Role,
    Seat, SetId, StreamId, TakeGeneration, TakeGenerationReply,
};
use wharf_stream::CONSUMER_PAGE_BYTES;
use wharf_stream::status::Generations;

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
