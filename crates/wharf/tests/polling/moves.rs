//! Moves to other buffers while everybody only polls. Contract: N5, S7.

use crate::support::{Fixture, PATIENCE, info, is_ready, is_ready_now, settle};
use std::time::Duration;
use wharf::{JoinOptions, Reallocation};

#[test]
fn stream_moves_while_both_sides_only_poll_and_no_frame_is_lost() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let token = producer.token(1).unwrap();
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    assert!(producer.wait_for_consumers(1, Some(PATIENCE)).unwrap());
    let mut next = 1;
    for size_bytes in [20_000, 30_000, 5_000] {
        let to = Reallocation {
            size_bytes,
            count: 4,
            deadline: PATIENCE,
            plan: "",
        };
        let generation = producer.begin_move(&to).unwrap();
        while consumer.generation() < generation {
            if is_ready(&producer, Duration::from_millis(10))
                && let Some(frame) = producer.try_acquire().unwrap()
            {
                producer.publish(frame, &info()).unwrap();
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
    let mut consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
    let to = Reallocation {
        size_bytes: 20_000,
        count: 4,
        deadline: PATIENCE,
        plan: "",
    };
    let generation = producer.begin_move(&to).unwrap();
    while consumer.generation() < generation {
        // The producer's turn.
        drop(producer.acquire(Some(PATIENCE)).unwrap());
        if is_ready(&consumer, Duration::from_millis(10)) {
            assert!(consumer.try_receive().unwrap().is_none());
        }
    }
    assert_eq!(consumer.stats().moves.moves, 1);
}
