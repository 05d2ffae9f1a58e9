//! Producers that poll, and whose devices work while no thread waits.

use crate::common::{Fixture, PATIENCE, SOON, info, spec};
use crate::producers::{acquire, join};
use crate::support::{is_ready, is_ready_now};
use wharf::core::{FenceContext, UniqueFence};
use wharf::{Consumer, FrameMut, JoinOptions, PolledProducer};

fn work(number: u64) -> UniqueFence {
    FenceContext::new("soft-device", "queue").fence(number)
}

/// A stream with one buffer left: the other one is kept in hand.
fn pair(fixture: &Fixture) -> (PolledProducer, Consumer, FrameMut) {
    let mut producer = fixture.polled_stream_in(&spec(10_000, 2));
    let consumer = join(fixture, &mut producer, JoinOptions::latest(1));
    let kept = acquire(&mut producer);
    (producer, consumer, kept)
}

#[test]
fn contents_that_come_make_the_descriptor_ready() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer, _kept) = pair(&fixture);
    for round in 1..=20 {
        let frame = acquire(&mut producer);
        let device = work(round);
        producer.publish_when(frame, &info(100), &device.fence()).unwrap();
        drop(consumer.receive(PATIENCE).unwrap());
        while producer.try_acquire().unwrap().is_none() && is_ready_now(&producer) {}
        assert!(!is_ready_now(&producer), "the device still fills the only buffer");
        device.signal();
        assert!(is_ready(&producer, SOON), "nobody rang in round {round}");
    }
}

#[test]
fn contents_that_come_while_the_producer_tries_are_not_missed() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer, _kept) = pair(&fixture);
    for round in 1..=200 {
        let frame = acquire(&mut producer);
        let device = work(round);
        producer.publish_when(frame, &info(100), &device.fence()).unwrap();
        drop(consumer.receive(PATIENCE).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| device.signal());
            drop(acquire(&mut producer));
        });
    }
}

#[test]
fn buffer_that_is_lent_is_handed_out_with_its_fence() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer, _kept) = pair(&fixture);
    let frame = acquire(&mut producer);
    producer.publish(frame, &info(100)).unwrap();
    let device = work(1);
    consumer.receive(PATIENCE).unwrap().release_after(&device.fence());
    assert!(producer.try_acquire().unwrap().is_none());
    let frame = producer.try_acquire_async().unwrap().unwrap();
    assert_eq!(frame.release_fences().len(), 1);
    device.signal();
    assert!(frame.wait_idle(PATIENCE));
    producer.publish(frame, &info(100)).unwrap();
}
