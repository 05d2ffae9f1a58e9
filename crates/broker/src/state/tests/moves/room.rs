//! Streams that move to more buffers for consumers that do not fit.

use super::super::world::World;
use crate::state::{Event, PeerId};
use wharf_protocol::{BrokerError, JoinStreamReply, ObjectKind, Policy, Reply, Role, Seat, StreamId, Token};
use wharf_stream::CONSUMER_PAGE_BYTES;

use super::Share;

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
        rotation: None,
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
