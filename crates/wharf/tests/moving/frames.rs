//! Frames that are held, queued or in hand while their stream moves.

use std::time::{Duration, Instant};
use wharf::JoinOptions;

use crate::common::{AT_ONCE, Fixture, PATIENCE, assert_whole, info, publish_whole, to};
use crate::support::run_until;

#[test]
fn frame_held_across_the_move_stays_whole_and_its_memory_goes_with_it() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut holder = fixture.join(&mut producer, JoinOptions::latest(1));
    publish_whole(&mut producer);
    let held = holder.receive(PATIENCE).unwrap();
    let generation = producer.begin_move(&to(8192, 4)).unwrap();
    let mut last = 1;
    while last < generation {
        last = publish_whole(&mut producer).1;
        // It cannot have another frame, but does its part.
        assert!(holder.receive(AT_ONCE).is_err());
    }
    for _ in 0..20 {
        publish_whole(&mut producer);
        assert_whole(&held);
    }
    assert_eq!(held.generation(), 1);
    assert_eq!(
        fixture.booked_bytes(),
        4 * (4096 + 8192),
        "the first generation is still held"
    );
    drop(held);
    let frame = holder.receive(PATIENCE).unwrap();
    assert_eq!(frame.generation(), 2);
    drop(frame);
    let _ = holder.receive(AT_ONCE);
    publish_whole(&mut producer);
    assert_eq!(fixture.booked_bytes(), 4 * 8192);
}

#[test]
fn frames_not_yet_claimed_at_the_switch_are_received() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    let mut every = fixture.join(&mut producer, JoinOptions::every_frame(3));
    let mut latest = fixture.join(&mut producer, JoinOptions::latest(2));
    let generation = producer.begin_move(&to(4096, 6)).unwrap();
    let first = producer.acquire(PATIENCE).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !producer.is_moved(generation).unwrap() {
        for consumer in [&mut every, &mut latest] {
            assert!(consumer.receive(AT_ONCE).is_err());
        }
        assert!(Instant::now() < until);
    }
    first.view_mut().unwrap().fill(0, 4096, 1).unwrap();
    producer.publish(first, &info(4096)).unwrap();
    assert_eq!(publish_whole(&mut producer), (2, generation));
    for consumer in [&mut every, &mut latest] {
        for (seq, lies_in) in [(1, 1), (2, 2)] {
            let frame = consumer.receive(PATIENCE).unwrap();
            assert_eq!(
                (frame.seq(), frame.skipped(), frame.generation()),
                (seq, 0, lies_in)
            );
            assert_whole(&frame);
        }
    }
}

#[test]
fn frame_in_hand_at_the_switch_reaches_even_a_consumer_that_joined_after_it() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    // The last of six indices is more than the new generation has.
    let mut in_hand: Vec<_> = (0..6).map(|_| producer.acquire(PATIENCE).unwrap()).collect();
    let frame = in_hand.pop().unwrap();
    drop(in_hand);
    assert_eq!(producer.begin_move(&to(4096, 4)).unwrap(), 2);
    let until = Instant::now() + Duration::from_secs(10);
    while !producer.is_moved(2).unwrap() {
        drop(producer.acquire(PATIENCE).unwrap());
        assert!(Instant::now() < until);
    }
    assert_eq!(producer.acquire(PATIENCE).unwrap().generation(), 2);
    let mut late = fixture.join(&mut producer, JoinOptions::every_frame(1));
    assert_eq!((late.generation(), late.buffers().len()), (2, 4));
    frame.view_mut().unwrap().fill(0, 4096, 1).unwrap();
    producer.publish(frame, &info(4096)).unwrap();
    let frame = late.receive(PATIENCE).unwrap();
    assert_eq!((frame.seq(), frame.generation()), (1, 1));
    assert_whole(&frame);
    drop(frame);
    run_until(&mut producer, &mut [&mut late], 2);
    let _ = late.receive(AT_ONCE);
    assert_eq!(
        fixture.booked_bytes(),
        4 * 4096,
        "nobody holds the first generation"
    );
}
