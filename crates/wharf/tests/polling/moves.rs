//! Moves to other buffers while everybody only polls. Contract: N5, S7.

use crate::common::{Fixture, PATIENCE, info, to};
use crate::support::{is_ready, is_ready_now, settle};
use std::time::Duration;
use wharf::JoinOptions;

#[test]
fn stream_moves_while_both_sides_only_poll_and_no_frame_is_lost() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let token = producer.token(1).unwrap();
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
    let mut next = 1;
    for size_bytes in [20_000, 30_000, 5_000] {
        let to = to(size_bytes, 4);
        let generation = producer.begin_move(&to).unwrap();
        while consumer.generation() < generation {
            if is_ready(&producer, Duration::from_millis(10))
                && let Some(frame) = producer.try_acquire().unwrap()
            {
                producer.publish(frame, &info(100)).unwrap();
            }
            if is_ready(&consumer, Duration::from_millis(10))
                && let Some(frame) = consumer.try_receive().unwrap()
            {
                assert_eq!(frame.seq(), next);
                next += 1;
            }
        }
        assert!(producer.is_moved(generation).unwrap());
    }
}

#[test]
fn descriptor_is_ready_when_it_is_this_ones_turn_in_a_move_without_any_frame() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(2));
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
    let to = to(20_000, 4);
    let generation = producer.begin_move(&to).unwrap();
    while consumer.generation() < generation {
        // The producer's turn.
        drop(producer.acquire(PATIENCE).unwrap());
        if is_ready(&consumer, Duration::from_millis(10)) {
            assert!(consumer.try_receive().unwrap().is_none());
        }
    }
    assert_eq!(consumer.stats().moves.moves, 1);
}
