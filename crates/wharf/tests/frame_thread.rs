//! Frames handed to a function on a thread of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::mpsc::channel;
use std::time::Duration;
use wharf::{BufferSpec, Consumer, FrameInfo, JoinOptions, Producer, Session};
use wharf_broker::Embedded;

const PATIENCE: Duration = Duration::from_secs(20);

fn stream(broker: &Embedded) -> (Producer, Consumer) {
    let session = Session::connect_to(broker.socket_path(), "camera").unwrap();
    let spec = BufferSpec {
        name: "frames",
        size_bytes: 4096,
        count: 4,
    };
    let mut producer = session
        .create_stream("preview", session.allocate(&spec).unwrap(), 1)
        .unwrap();
    let token = producer.token(1).unwrap();
    let consumer = session.join(&token, JoinOptions::every_frame(2)).unwrap();
    assert!(producer.wait_for_consumers(1, Some(PATIENCE)).unwrap());
    (producer, consumer)
}

fn publish(producer: &mut Producer, frames: usize) {
    for _ in 0..frames {
        let frame = producer.acquire(Some(PATIENCE)).unwrap();
        producer.publish(frame, &FrameInfo::default()).unwrap();
    }
}

#[test]
fn function_gets_every_frame_and_the_thread_ends_with_the_stream() {
    let broker = Embedded::start().unwrap();
    let (mut producer, consumer) = stream(&broker);
    let (tell, hear) = channel();
    let thread = consumer
        .on_frames(move |frame| tell.send(frame.seq()).unwrap())
        .unwrap();
    publish(&mut producer, 100);
    producer.finish().unwrap();
    let consumer = thread.wait().unwrap();
    assert_eq!(consumer.stats().received, 100);
    assert!(hear.iter().eq(1..=100));
}

#[test]
fn stopped_thread_gives_the_consumer_back_and_no_frame_is_lost() {
    let broker = Embedded::start().unwrap();
    let (mut producer, consumer) = stream(&broker);
    let (tell, hear) = channel();
    let thread = consumer
        .on_frames(move |frame| tell.send(frame.seq()).unwrap())
        .unwrap();
    publish(&mut producer, 3);
    assert!((1..=3).all(|seq| hear.recv_timeout(PATIENCE) == Ok(seq)));
    assert!(!thread.is_over());
    let mut consumer = thread.stop().unwrap();
    publish(&mut producer, 1);
    assert_eq!(consumer.receive(Some(PATIENCE)).unwrap().seq(), 4);
}

#[test]
fn dropped_thread_lets_the_stream_go() {
    let broker = Embedded::start().unwrap();
    let (mut producer, consumer) = stream(&broker);
    drop(consumer.on_frames(drop).unwrap());
    // As long as the consumer is there the producer may have two buffers in hand.
    let until = std::time::Instant::now() + PATIENCE;
    let mut held = Vec::new();
    while held.len() < 3 {
        assert!(std::time::Instant::now() < until, "the consumer stays");
        held.extend(producer.acquire(Some(Duration::from_millis(10))));
    }
}

#[test]
#[should_panic(expected = "this frame is too much")]
fn panic_of_the_function_is_that_of_who_waits() {
    let broker = Embedded::start().unwrap();
    let (mut producer, consumer) = stream(&broker);
    #[allow(clippy::panic, reason = "it is what is tested")]
    let thread = consumer.on_frames(|_| panic!("this frame is too much")).unwrap();
    publish(&mut producer, 1);
    let _ = thread.wait();
}
