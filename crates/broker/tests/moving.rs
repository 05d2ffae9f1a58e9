//! Moves of a set as clients see them, over a real socket: what its descriptors are good for, and that time passes. Contract: N5.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails fails the test"
)]

mod common;

use std::os::fd::OwnedFd;

use common::{Broker, Client, Produced};
use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl};
use rustix::io::Errno;
use wharf_memory::{Access, Mapping};
use wharf_protocol::{
    BrokerError, GetMove, Hindrance, ImportBuffers, JoinStreamReply, MoveBuffers, ObjectKind,
    ReadyGeneration, ReleaseGeneration, Role, Seat, SetId, TakeGeneration,
};
use wharf_stream::layout::status;

const SIZE: usize = 8192;

/// A camera with a stream and a viewer in it.
struct Preview {
    broker: Broker,
    camera: Client,
    viewer: Client,
    produced: Produced,
    joined: JoinStreamReply,
}

impl Preview {
    fn new() -> Self {
        let broker = Broker::start();
        let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
        let produced = camera.stream(3, 2);
        let token = camera.stream_token(produced.stream, 1);
        let (joined, _) = viewer.join(&token, 1).unwrap();
        Self {
            broker,
            camera,
            viewer,
            produced,
            joined,
        }
    }

    fn begin(&mut self, deadline_ms: u64) -> u64 {
        let set = self.joined.set;
        begin(&mut self.camera, set, deadline_ms).unwrap()
    }

    fn seat(&self) -> Option<Seat> {
        let (slot, incarnation) = (self.joined.slot, self.joined.incarnation);
        Some(Seat { slot, incarnation })
    }

    fn offers(&self) -> [u64; 3] {
        let cells = [
            status::GENERATION,
            status::OFFERED_TO_PRODUCER,
            status::OFFERED_TO_CONSUMERS,
        ];
        cells.map(|cell| self.produced.status.load_u64(cell))
    }
}

fn begin(owner: &mut Client, set: SetId, deadline_ms: u64) -> Result<u64, BrokerError> {
    let call = MoveBuffers {
        set,
        size_bytes: SIZE as u64,
        count: 3,
        deadline_ms,
        plan: "wide".to_owned(),
    };
    Ok(owner.call(call)?.0.generation)
}

fn take(client: &mut Client, set: SetId, generation: u64, who: (Role, Option<Seat>)) -> Vec<OwnedFd> {
    let call = TakeGeneration {
        set,
        generation,
        role: who.0,
        seat: who.1,
    };
    let (reply, fds) = client.call(call).unwrap();
    assert_eq!(
        (reply.size_bytes, reply.count, reply.plan.as_str()),
        (SIZE as u64, 3, "wide")
    );
    assert_eq!(fds.len(), 3);
    fds
}

fn ready(
    client: &mut Client,
    set: SetId,
    generation: u64,
    who: (Role, Option<Seat>),
) -> Result<(), BrokerError> {
    let call = ReadyGeneration {
        set,
        generation,
        role: who.0,
        seat: who.1,
        error: None,
    };
    client.call(call).map(drop)
}

const OWNER: (Role, Option<Seat>) = (Role::Owner, None);

#[test]
fn new_memory_is_writable_for_the_owner_first_and_read_only_for_everybody_then() {
    let mut preview = Preview::new();
    let (set, seat) = (preview.joined.set, preview.seat());
    let generation = preview.begin(20_000);
    assert_eq!(preview.offers(), [1, 2, 0]);
    let written = take(&mut preview.camera, set, generation, OWNER);
    let mapping = Mapping::map(&written[0], SIZE, Access::ReadWrite).unwrap();
    assert!(
        !fcntl_get_seals(&written[0])
            .unwrap()
            .contains(SealFlags::FUTURE_WRITE)
    );
    ready(&mut preview.camera, set, generation, OWNER).unwrap();
    // Answered when the buffers are sealed.
    let again = take(&mut preview.camera, set, generation, OWNER);
    assert_eq!(preview.offers(), [1, 2, 2]);
    let viewers = take(&mut preview.viewer, set, generation, (Role::Consumer, seat));
    for fd in viewers.iter().chain(&again) {
        assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
        assert!(fcntl_get_seals(fd).unwrap().contains(SealFlags::FUTURE_WRITE));
        assert!(Mapping::map(fd, SIZE, Access::ReadWrite).is_err());
    }
    assert!(
        Mapping::map(&written[0], SIZE, Access::ReadWrite).is_err(),
        "nor anew"
    );
    mapping.view_mut().unwrap().fill(0, SIZE, 7).unwrap();
    let mut byte = [0];
    let read = Mapping::map(&viewers[0], SIZE, Access::ReadOnly).unwrap();
    read.view().copy_to(SIZE - 1, &mut byte).unwrap();
    assert_eq!(byte, [7]);
    ready(&mut preview.viewer, set, generation, (Role::Consumer, seat)).unwrap();
    assert_eq!(preview.offers(), [2, 0, 0]);
    let moved = preview.camera.call(GetMove { set, generation }).unwrap().0;
    assert!(moved.committed);
    for (client, who) in [
        (&mut preview.camera, OWNER),
        (&mut preview.viewer, (Role::Consumer, seat)),
    ] {
        let call = ReleaseGeneration {
            set,
            generation: 1,
            role: who.0,
            seat: who.1,
        };
        client.call(call).unwrap();
    }
    let used = preview.broker.state().users[0].used;
    assert_eq!((used.bytes, used.buffers), (3 * SIZE as u64, 3));
    drop((preview.camera, preview.viewer));
    preview.broker.wait_until_empty();
}

#[test]
fn time_of_a_move_passes_and_who_was_silent_is_named() {
    let mut preview = Preview::new();
    let set = preview.joined.set;
    for is_owner_silent in [true, false] {
        let generation = preview.begin(500);
        if !is_owner_silent {
            ready(&mut preview.camera, set, generation, OWNER).unwrap();
        }
        let error = loop {
            match preview.camera.call(GetMove { set, generation }) {
                Ok((reply, _)) => assert!(!reply.committed),
                Err(error) => break error,
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        assert_eq!(error.errno(), Errno::BUSY);
        let BrokerError::MoveBusy { blockers, .. } = error else {
            panic!("{error}")
        };
        let label = if is_owner_silent { "camera" } else { "viewer" };
        assert_eq!((blockers.len(), blockers[0].label.as_str()), (1, label));
        assert_eq!(
            (blockers[0].pid, blockers[0].reason),
            (std::process::id(), Hindrance::Silent)
        );
        assert_eq!(preview.offers(), [1, 0, 0]);
    }
    drop((preview.camera, preview.viewer));
    preview.broker.wait_until_empty();
}

#[test]
fn owner_that_hangs_up_during_a_move_leaves_nothing() {
    for step in 0..3 {
        let mut preview = Preview::new();
        let set = preview.joined.set;
        let generation = preview.begin(20_000);
        if step > 0 {
            take(&mut preview.camera, set, generation, OWNER);
        }
        if step > 1 {
            ready(&mut preview.camera, set, generation, OWNER).unwrap();
        }
        drop((preview.camera, preview.viewer));
        preview.broker.wait_until_empty();
    }
}

#[test]
fn only_the_owner_moves_a_set() {
    let mut preview = Preview::new();
    let set = preview.joined.set;
    let error = begin(&mut preview.viewer, set, 1000).unwrap_err();
    assert_eq!(error.errno(), Errno::ACCESS);
    let unknown = begin(&mut preview.camera, SetId(99), 1000).unwrap_err();
    assert_eq!(unknown, BrokerError::NoSuchSet { id: SetId(99) });
    assert_eq!(
        ready(&mut preview.viewer, set, 2, OWNER).unwrap_err(),
        BrokerError::NoSuchSet { id: set }
    );
}

#[test]
fn importer_takes_part_over_its_own_connection() {
    let broker = Broker::start();
    let (mut camera, mut viewer) = (broker.client("camera"), broker.client("viewer"));
    let set = camera.allocate(SIZE as u64, 1).0.set;
    let token = camera.token(ObjectKind::Set, set.0, 1);
    let import = ImportBuffers {
        token,
        contract: None,
    };
    viewer.call(import).unwrap();
    let generation = begin(&mut camera, set, 20_000).unwrap();
    ready(&mut camera, set, generation, OWNER).unwrap();
    // The next answer comes when the buffers are sealed.
    assert!(!camera.call(GetMove { set, generation }).unwrap().0.committed);
    take(&mut viewer, set, generation, (Role::Importer, None));
    ready(&mut viewer, set, generation, (Role::Importer, None)).unwrap();
    assert!(camera.call(GetMove { set, generation }).unwrap().0.committed);
}
