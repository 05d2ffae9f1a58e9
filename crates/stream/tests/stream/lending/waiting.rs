//! Falling asleep until a point is reached, and waking up.

use std::time::Duration;

use wharf_memory::Deadline;
use wharf_stream::status::StreamState;
use wharf_stream::{FrameInfo, Policy};

use super::Pair;
use crate::support::{Kind, Mapped, claim, drain, publish};

const FOREVER: Option<Duration> = Some(Duration::from_secs(20));

#[test]
fn who_waits_for_contents_is_woken() {
    let mut pair = Pair::<Mapped>::new(2, 2, Policy::Block);
    let points = pair.of_producer();
    for _ in 0..100 {
        let point = pair.publish_unfinished();
        assert!(claim(&mut pair.consumer).has_point());
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(points.wait(point, FOREVER.map(Deadline::after), || None)));
            pair.finish(point, None);
        });
        pair.consumer.release(point.0);
    }
}

#[test]
fn who_waits_for_a_lent_frame_is_woken() {
    let mut pair = Pair::<Mapped>::new(2, 2, Policy::Block);
    let points = pair.of_consumer();
    for _ in 0..100 {
        publish(&mut pair.producer);
        let point = pair.claim_and_lend();
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(points.wait(point, FOREVER.map(Deadline::after), || None)));
            pair.settle(point, None);
        });
    }
}

#[test]
fn wait_for_a_point_ends_with_its_deadline_or_the_other_side() {
    let mut pair = Pair::<Mapped>::new(2, 2, Policy::Block);
    let point = pair.publish_unfinished();
    let points = pair.of_producer();
    let soon = Some(Deadline::after(Duration::from_millis(10)));
    assert!(!points.wait(point, soon, || None));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(points.wait(point, FOREVER.map(Deadline::after), || None)));
        std::thread::sleep(Duration::from_millis(10));
        pair.stream.end(StreamState::ProducerDied);
    });
}

#[test]
fn producer_that_waits_for_its_own_contents_is_woken() {
    let pair = Pair::<Mapped>::new(1, 1, Policy::Block);
    let Pair {
        page,
        mut producer,
        mut consumer,
        mut contents,
        ..
    } = pair;
    for _ in 0..100 {
        let buffer = producer.try_acquire().unwrap();
        let seq = producer
            .publish_unfinished(buffer, &FrameInfo::default())
            .unwrap();
        drain(&mut consumer);
        assert!(producer.try_acquire().is_err());
        std::thread::scope(|scope| {
            let (other, contents) = (Mapped::other(&page), &mut contents);
            scope.spawn(move || contents.finish((buffer, seq), None, [&other]));
            let acquired = loop {
                let deadline = FOREVER.map(Deadline::after);
                let (found, _) = producer.wait(deadline, |producer| producer.acquire_now());
                if let Some(buffer) = found.or_else(|| producer.acquire_now()) {
                    break buffer;
                }
            };
            producer.abandon(acquired);
        });
    }
}
