//! Participants that wish harm, or come and go at bad moments, while a set moves. Contract: N5, S5.

use wharf_protocol::{
    BrokerError, CreateStream, GetState, ImportBuffers, JoinStream, MoveBuffers, MoveContract, MoveState,
    ObjectKind, OldMemory, Policy, ReleaseImport, Reply, Role, SessionId, SetId, Token,
};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::moves::Share;
use super::world::World;
use crate::state::{Event, PeerId};

/// Begins to move a set to as many small buffers.
fn begin(world: &mut World, owner: Share, count: u32) -> u64 {
    let call = MoveBuffers {
        set: owner.set,
        size_bytes: 1,
        count,
        deadline_ms: 500,
        plan: String::new(),
    };
    match world.call(owner.peer, call) {
        Ok((Reply::MoveBuffers(reply), _)) => reply.generation,
        other => panic!("{other:?}"),
    }
}

/// A set of two buffers with its owner.
fn owned(world: &mut World) -> Share {
    let camera = world.client("camera");
    let set = world.allocate(camera, 4096, 2).0.set;
    Share::owner(camera, set)
}

fn import(world: &mut World, owner: Share, peer: PeerId) -> Share {
    let token = world.token(owner.peer, ObjectKind::Set, owner.set.0, 1);
    let contract = Some(MoveContract::Movable);
    world.call(peer, ImportBuffers { token, contract }).unwrap();
    Share {
        peer,
        role: Role::Importer,
        ..owner
    }
}

/// Makes a stream that makes room, and a token for it.
fn roomy(world: &mut World, owner: Share) -> Token {
    let page = world.page(RING_PAGE_BYTES);
    let call = CreateStream {
        set: owner.set,
        name: String::new(),
        max_consumers: 8,
        room_ms: Some(700),
        polled: None,
        rotation: None,
    };
    let stream = match world.call_with(owner.peer, call, vec![page]) {
        Ok((Reply::CreateStream(reply), _)) => reply.stream,
        other => panic!("{other:?}"),
    };
    world.token(owner.peer, ObjectKind::Stream, stream.0, 9)
}

/// It was never sealed, because it was never shared: whoever got it could write it, and its owner still may.
#[test]
fn memory_from_before_a_set_was_shared_is_for_its_owner_only() {
    let mut world = World::new();
    let owner = owned(&mut world);
    let generation = begin(&mut world, owner, 2);
    owner.ready(&mut world, generation).unwrap();
    let reader = world.client("reader");
    let reader = import(&mut world, owner, reader);
    let stale = BrokerError::StaleGeneration {
        generation: 1,
        current: 2,
    };
    assert_eq!(reader.take(&mut world, 1).unwrap_err(), stale);
    owner.take(&mut world, 1).unwrap();
    owner.release(&mut world, 1).unwrap();
    assert_eq!(
        world.machine.accounts.used(super::world::BROKER_UID).bytes,
        2 * 4096
    );
}

/// Who has left and come again has what everybody gets who comes, whatever it said before.
#[test]
fn importer_that_comes_again_during_a_move_has_to_be_ready_again() {
    let mut world = World::new();
    let owner = owned(&mut world);
    let (first, second) = (world.client("first"), world.client("second"));
    let first = import(&mut world, owner, first);
    let second = import(&mut world, owner, second);
    begin(&mut world, owner, 2);
    owner.ready(&mut world, 2).unwrap();
    first.ready(&mut world, 2).unwrap();
    let set: SetId = owner.set;
    world.call(first.peer, ReleaseImport { set }).unwrap();
    import(&mut world, owner, first.peer);
    second.ready(&mut world, 2).unwrap();
    assert_eq!(first.news(&mut world), (1, Some(2)), "it has not got them");
    first.ready(&mut world, 2).unwrap();
    assert_eq!(first.news(&mut world), (2, None));
}

/// While its call waits for room, its session could not go along with the move.
#[test]
fn no_room_is_made_for_a_session_that_is_in_the_stream_already() {
    let mut world = World::new();
    let owner = owned(&mut world);
    let token = roomy(&mut world, owner);
    let (viewer, reader) = (world.client("viewer"), world.client("reader"));
    world.join(viewer, &token, 1).unwrap();
    import(&mut world, owner, reader);
    for peer in [viewer, reader] {
        let error = world.join(peer, &token, 4).unwrap_err();
        assert!(matches!(error, BrokerError::CountsExhausted { .. }), "{error}");
    }
    assert!(world.alarms.is_empty(), "no move was begun");
}

/// A token that is not used up lets one ask again and again.
#[test]
fn those_who_waited_for_room_and_died_are_forgotten() {
    let mut world = World::new();
    let owner = owned(&mut world);
    let token = roomy(&mut world, owner);
    for _ in 0..20 {
        let peer = world.client("impatient");
        let page = world.page(CONSUMER_PAGE_BYTES);
        let call = JoinStream::new(token.clone(), 4, Policy::Block);
        world.post(peer, call, vec![page]);
        assert!(world.waiting.contains(&peer));
        world.tell(Event::Disconnected { peer });
    }
    let moving = world.machine.sets[&owner.set].moving.as_ref();
    assert!(moving.is_some_and(|moving| moving.joiners.len() <= 1));
}

#[test]
fn state_says_whom_a_move_waits_for_and_who_keeps_what_it_replaced() {
    let mut world = World::new();
    let owner = owned(&mut world);
    let reader = world.client("reader");
    let reader = import(&mut world, owner, reader);
    let shown = |world: &mut World| match world.call(owner.peer, GetState {}) {
        Ok((Reply::GetState(state), _)) => (state.sets[0].moving.clone(), state.sets[0].old.clone()),
        other => panic!("{other:?}"),
    };
    let waiting_for = |session| {
        let waits_for = vec![SessionId(session)];
        Some(MoveState {
            generation: 2,
            waits_for,
        })
    };
    let kept_by = |sessions: &[u64]| {
        vec![OldMemory {
            generation: 1,
            bytes: 8192,
            kept_by: sessions.iter().copied().map(SessionId).collect(),
        }]
    };
    assert_eq!(shown(&mut world), (None, vec![]));
    begin(&mut world, owner, 2);
    assert_eq!(shown(&mut world), (waiting_for(1), vec![]));
    owner.ready(&mut world, 2).unwrap();
    assert_eq!(shown(&mut world), (waiting_for(2), vec![]));
    reader.ready(&mut world, 2).unwrap();
    assert_eq!(shown(&mut world), (None, kept_by(&[1, 2])));
    owner.release(&mut world, 1).unwrap();
    assert_eq!(shown(&mut world), (None, kept_by(&[2])));
    reader.release(&mut world, 1).unwrap();
    assert_eq!(shown(&mut world), (None, vec![]));
}
