//! Producers that poll.

use crate::common::{Fixture, PATIENCE, SOON, info};
use crate::support::{is_ready, is_ready_now};
use std::time::Duration;
use wharf::{AcquireError, Consumer, FrameMut, JoinOptions, PolledProducer};

pub(crate) fn join(fixture: &Fixture, producer: &mut PolledProducer, options: JoinOptions) -> Consumer {
    let token = producer.token(1).unwrap();
    let consumer = fixture.session("viewer").join(&token, options).unwrap();
    let present = producer.consumers().count() + 1;
    assert!(producer.wait_for_consumers(present, PATIENCE).unwrap());
    consumer
}

/// The next buffer, with one try each time the descriptor is ready.
pub(crate) fn acquire(producer: &mut PolledProducer) -> FrameMut {
    loop {
        assert!(is_ready(&producer, SOON), "no buffer is rung for");
        if let Some(frame) = producer.try_acquire().unwrap() {
            return frame;
        }
    }
}

/// Publishes until consumers have all they may.
fn fill_up(producer: &mut PolledProducer) -> u64 {
    let mut published = 0;
    while let Some(frame) = producer.try_acquire().unwrap() {
        published = producer.publish(frame, &info(100)).unwrap();
    }
    published
}

#[test]
fn one_try_each_time_the_descriptor_is_ready_gets_every_buffer() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(6);
    let consumers = [1, 2].map(|depth| join(&fixture, &mut producer, JoinOptions::every_frame(depth)));
    let reading = consumers.map(|mut consumer| {
        std::thread::spawn(move || {
            for seq in 1..=1500 {
                assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), seq);
                if seq % 7 == 0 {
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        })
    });
    for _ in 0..1500 {
        let frame = acquire(&mut producer);
        producer.publish(frame, &info(100)).unwrap();
    }
    reading.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn descriptor_is_silent_while_consumers_have_all_and_ready_at_a_release() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let mut consumer = join(&fixture, &mut producer, JoinOptions::every_frame(2));
    assert!(is_ready_now(&producer), "there are buffers");
    assert_eq!(fill_up(&mut producer), 2);
    assert!(!is_ready_now(&producer));
    let frame = consumer.receive(PATIENCE).unwrap();
    assert!(!is_ready_now(&producer), "received, but not released");
    drop(frame);
    assert!(is_ready(&producer, SOON));
    assert_eq!(fill_up(&mut producer), 3);
    assert!(!is_ready_now(&producer));
}

#[test]
fn frame_that_outlives_its_consumer_rings_too() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let mut consumer = join(&fixture, &mut producer, JoinOptions::every_frame(1));
    assert_eq!(fill_up(&mut producer), 1);
    let frame = consumer.receive(PATIENCE).unwrap();
    drop(consumer);
    while producer.try_acquire().unwrap().is_some() {}
    assert!(!is_ready_now(&producer));
    drop(frame);
    assert!(is_ready(&producer, SOON));
    acquire(&mut producer);
}

#[test]
fn newcomer_is_let_in_by_a_producer_that_only_polls() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let mut first = join(&fixture, &mut producer, JoinOptions::every_frame(1));
    fill_up(&mut producer);
    let token = producer.token(1).unwrap();
    let mut second = fixture
        .session("late")
        .join(&token, JoinOptions::latest(1))
        .unwrap();
    while producer.consumers().count() < 2 {
        assert!(is_ready(&producer, SOON), "nobody said that somebody came");
        assert!(producer.try_acquire().unwrap().is_none());
    }
    drop(first.receive(PATIENCE).unwrap());
    let frame = acquire(&mut producer);
    producer.publish(frame, &info(100)).unwrap();
    assert_eq!(second.receive(PATIENCE).unwrap().seq(), 2);
}

#[test]
fn producer_with_all_buffers_in_hand_is_told_so() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(2);
    let frames = [acquire(&mut producer), acquire(&mut producer)];
    assert!(matches!(
        producer.try_acquire(),
        Err(AcquireError::AllInHand { .. })
    ));
    drop(frames);
    acquire(&mut producer);
}

#[test]
fn both_sides_poll_on_one_thread() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let token = producer.token(2).unwrap();
    let session = fixture.session("viewer");
    let mut consumers = [1, 2].map(|depth| {
        session
            .join_polled(&token, JoinOptions::every_frame(depth))
            .unwrap()
    });
    assert!(producer.wait_for_consumers(2, PATIENCE).unwrap());
    let mut received = [0, 0];
    while received != [500, 500] {
        let ready = is_ready(&producer, Duration::ZERO);
        if ready && let Some(frame) = producer.try_acquire().unwrap() {
            producer.publish(frame, &info(100)).unwrap();
        }
        let mut any = ready;
        for (consumer, received) in consumers.iter_mut().zip(&mut received) {
            if *received < 500 && is_ready_now(&*consumer) {
                any = true;
                if let Some(frame) = consumer.try_receive().unwrap() {
                    *received += 1;
                    assert_eq!(frame.seq(), *received);
                }
            }
        }
        assert!(any, "everybody waits for somebody: {received:?}");
    }
}
