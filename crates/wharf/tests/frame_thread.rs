//! Frames handed to a function on a thread of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wharf::{Consumer, FrameInfo, FrameThread, JoinOptions, Producer};

use common::{Fixture, PATIENCE, SOON, spec};

fn stream(fixture: &Fixture) -> (Producer, Consumer) {
    let mut producer = fixture.stream_in(&spec(4096, 4));
    let consumer = fixture.join(&mut producer, JoinOptions::every_frame(2));
    (producer, consumer)
}

/// A thread that tells the number of each frame.
fn followed(consumer: Consumer) -> (FrameThread, Receiver<u64>) {
    let (tell, hear) = channel();
    let thread = consumer
        .on_frames(move |frame| tell.send(frame.seq()).unwrap())
        .unwrap();
    (thread, hear)
}

fn publish(producer: &mut Producer, frames: usize) {
    for _ in 0..frames {
        let frame = producer.acquire(PATIENCE).unwrap();
        producer.publish(frame, &FrameInfo::default()).unwrap();
    }
}

#[test]
fn function_gets_every_frame_and_the_thread_ends_with_the_stream() {
    let fixture = Fixture::new();
    let (mut producer, consumer) = stream(&fixture);
    let (thread, hear) = followed(consumer);
    publish(&mut producer, 100);
    producer.finish().unwrap();
    let consumer = thread.wait().unwrap();
    assert_eq!(consumer.stats().received, 100);
    assert!(hear.iter().eq(1..=100));
}

#[test]
fn stopped_thread_gives_the_consumer_back_and_no_frame_is_lost() {
    let fixture = Fixture::new();
    let (mut producer, consumer) = stream(&fixture);
    let (thread, hear) = followed(consumer);
    publish(&mut producer, 3);
    assert!((1..=3).all(|seq| hear.recv_timeout(SOON) == Ok(seq)));
    assert!(!thread.is_over());
    let mut consumer = thread.stop().unwrap();
    publish(&mut producer, 1);
    assert_eq!(consumer.receive(PATIENCE).unwrap().seq(), 4);
}

#[test]
fn dropped_thread_lets_the_stream_go() {
    let fixture = Fixture::new();
    let (mut producer, consumer) = stream(&fixture);
    drop(consumer.on_frames(drop).unwrap());
    // As long as the consumer is there the producer may have two buffers in hand.
    let until = std::time::Instant::now() + SOON;
    let mut held = Vec::new();
    while held.len() < 3 {
        assert!(std::time::Instant::now() < until, "the consumer stays");
        held.extend(producer.acquire(Some(Duration::from_millis(10))));
    }
}

#[test]
#[should_panic(expected = "this frame is too much")]
fn panic_of_the_function_is_that_of_who_waits() {
    let fixture = Fixture::new();
    let (mut producer, consumer) = stream(&fixture);
    #[allow(clippy::panic, reason = "it is what is tested")]
    let thread = consumer.on_frames(|_| panic!("this frame is too much")).unwrap();
    publish(&mut producer, 1);
    let _ = thread.wait();
}
