//! Streams that move after departures.

use super::super::world::World;
use super::Share;
use crate::state::Event;
use wharf_protocol::{
    CreateStream, GetState, GetStateReply, JoinStream, LeaveStream, MoveContract, ObjectKind, Policy, Reply,
    Role, Rotation, Seat, StreamId, StreamState,
};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

const PRODUCERS_UID: u32 = 1000;
const OTHER_UID: u32 = 1001;

struct Scene {
    world: World,
    camera: Share,
    stream: StreamId,
}

impl Scene {
    fn new(rotation: Option<Rotation>) -> Self {
        let mut world = World::new();
        let camera = world.client_of(PRODUCERS_UID, "camera");
        let set = world.allocate(camera, 4096, 6).0.set;
        let page = world.page(RING_PAGE_BYTES);
        let call = CreateStream {
            set,
            name: String::new(),
            max_consumers: 8,
            room_ms: None,
            polled: None,
            rotation,
        };
        let stream = match world.call_with(camera, call, vec![page]).unwrap() {
            (Reply::CreateStream(reply), _) => reply.stream,
            other => panic!("{other:?}"),
        };
        Self {
            world,
            camera: Share::owner(camera, set),
            stream,
        }
    }

    fn join(&mut self, uid: u32, contract: MoveContract) -> Share {
        let token = self
            .world
            .token(self.camera.peer, ObjectKind::Stream, self.stream.0, 1);
        let peer = self.world.client_of(uid, "viewer");
        let page = self.world.page(CONSUMER_PAGE_BYTES);
        let call = JoinStream {
            contract: Some(contract),
            ..JoinStream::new(token, 1, Policy::Latest)
        };
        match self.world.call_with(peer, call, vec![page]).unwrap() {
            (Reply::JoinStream(reply), _) => Share {
                peer,
                set: self.camera.set,
                role: Role::Consumer,
                seat: Some(Seat {
                    slot: reply.slot,
                    incarnation: reply.incarnation,
                }),
            },
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, share: Share) {
        let seat = share.seat.unwrap();
        let call = LeaveStream {
            stream: self.stream,
            slot: seat.slot,
            incarnation: seat.incarnation,
        };
        self.world.call(share.peer, call).unwrap();
    }

    fn broker_state(&mut self) -> GetStateReply {
        match self.world.call(self.camera.peer, GetState {}) {
            Ok((Reply::GetState(reply), _)) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> StreamState {
        self.broker_state().streams.remove(0)
    }

    /// The generation in use, and the one that the owner is to take.
    fn news(&mut self) -> (u64, Option<u64>) {
        self.camera.news(&mut self.world)
    }
}

#[test]
fn departure_moves_the_stream_as_its_producer_chose() {
    let cases = [
        (None, PRODUCERS_UID, false),
        (None, OTHER_UID, true),
        (Some(Rotation::OtherUsers), PRODUCERS_UID, false),
        (Some(Rotation::OtherUsers), OTHER_UID, true),
        (Some(Rotation::Always), PRODUCERS_UID, true),
        (Some(Rotation::Never), OTHER_UID, false),
    ];
    for (rotation, uid, moves) in cases {
        for dies in [false, true] {
            let mut scene = Scene::new(rotation);
            let viewer = scene.join(uid, MoveContract::Movable);
            if dies {
                let peer = viewer.peer;
                scene.world.tell(Event::Disconnected { peer });
            } else {
                scene.leave(viewer);
            }
            assert_eq!(scene.news(), (1, moves.then_some(2)), "{rotation:?}, user {uid}");
            assert_eq!(scene.state().rotation_due, moves);
            if moves {
                scene.camera.ready(&mut scene.world, 2).unwrap();
                assert_eq!(scene.news(), (2, None));
                assert!(!scene.state().rotation_due);
                let size = scene.broker_state().sets[0].size_bytes;
                assert_eq!(size, 4096);
            }
        }
    }
}

#[test]
fn those_who_stay_go_along_and_who_left_is_not_let_back_to_the_new_memory() {
    let mut scene = Scene::new(None);
    let stays = scene.join(PRODUCERS_UID, MoveContract::Movable);
    let leaves = scene.join(OTHER_UID, MoveContract::Movable);
    scene.leave(leaves);
    scene.camera.ready(&mut scene.world, 2).unwrap();
    assert_eq!(scene.news().0, 1, "one who stays has not got it");
    assert!(leaves.take(&mut scene.world, 2).is_err());
    stays.take(&mut scene.world, 2).unwrap();
    stays.ready(&mut scene.world, 2).unwrap();
    assert_eq!(scene.news(), (2, None));
}

#[test]
fn pinned_consumer_puts_it_off_until_it_leaves() {
    let mut scene = Scene::new(None);
    let pinned = scene.join(PRODUCERS_UID, MoveContract::Pinned);
    let leaves = scene.join(OTHER_UID, MoveContract::Movable);
    scene.leave(leaves);
    assert_eq!(scene.news(), (1, None));
    assert!(scene.state().rotation_due);
    scene.leave(pinned);
    assert_eq!(scene.news(), (1, Some(2)));
    scene.camera.ready(&mut scene.world, 2).unwrap();
    assert!(!scene.state().rotation_due);
}

#[test]
fn who_leaves_before_it_was_offered_the_memory_needs_no_move_of_its_own() {
    let mut scene = Scene::new(None);
    let [first, second] = [OTHER_UID; 2].map(|uid| scene.join(uid, MoveContract::Movable));
    scene.leave(first);
    scene.leave(second);
    scene.camera.ready(&mut scene.world, 2).unwrap();
    assert_eq!(scene.news(), (2, None));
    assert!(!scene.state().rotation_due);
}

#[test]
fn who_leaves_with_the_memory_offered_is_followed_by_another_move() {
    let mut scene = Scene::new(None);
    let uids = [OTHER_UID, OTHER_UID, PRODUCERS_UID];
    let [first, second, stays] = uids.map(|uid| scene.join(uid, MoveContract::Movable));
    scene.leave(first);
    scene.camera.ready(&mut scene.world, 2).unwrap();
    second.take(&mut scene.world, 2).unwrap();
    scene.leave(second);
    assert_eq!(scene.news(), (1, Some(2)), "one move at a time");
    stays.ready(&mut scene.world, 2).unwrap();
    assert_eq!(scene.news(), (2, Some(3)));
    for share in [scene.camera, stays] {
        share.ready(&mut scene.world, 3).unwrap();
    }
    assert_eq!(scene.news(), (3, None));
    assert!(!scene.state().rotation_due);
}

#[test]
fn move_that_fails_is_tried_again_at_the_next_departure() {
    let mut scene = Scene::new(None);
    let [first, second] = [OTHER_UID, PRODUCERS_UID].map(|uid| scene.join(uid, MoveContract::Movable));
    scene.leave(first);
    let (operation, _) = scene.world.alarms.pop_first().unwrap();
    scene.world.tell(Event::Alarm { operation });
    assert_eq!(
        scene.news(),
        (1, None),
        "nobody answered, and it is not begun again at once"
    );
    assert!(scene.state().rotation_due);
    scene.leave(second);
    assert_eq!(scene.news(), (1, Some(3)));
}

#[test]
fn stream_that_is_over_does_not_move() {
    let mut scene = Scene::new(Some(Rotation::Always));
    let viewer = scene.join(OTHER_UID, MoveContract::Movable);
    let call = wharf_protocol::EndStream {
        stream: scene.stream,
        reason: wharf_protocol::EndReason::Ended,
    };
    scene.world.call(scene.camera.peer, call).unwrap();
    assert!(!scene.state().rotation_due);
    scene.leave(viewer);
    assert_eq!(scene.news(), (1, None));
}
