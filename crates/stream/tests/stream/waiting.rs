//! Falling asleep and waking up.
//!
//! A wake-up that does not come ends a wait after [`PATIENCE`] and fails the test.

use std::time::Duration;

use wharf_memory::{Deadline, Ordering, ReadWords, WaitOutcome};
use wharf_stream::layout::{CONSUMER_PAGE_CELLS, consumer, ring};
use wharf_stream::status::StreamState;
use wharf_stream::{Policy, Waiting, ask_for_fences, leave, promise_not_to_sleep, release};

use crate::support::{
    ConsumerOf, Kind, NARROW, ProducerOf, Stream, claim, drain, on_both_kinds_of_page, publish,
};

const PATIENCE: Duration = Duration::from_secs(30);

on_both_kinds_of_page!(
    consumer_sleeps_until_a_frame_is_published,
    consumer_does_not_sleep_while_a_frame_waits,
    consumer_sleeps_again_when_every_frame_was_claimed,
    consumer_does_not_sleep_when_nothing_can_come,
    sleeping_consumer_is_woken_by_the_end,
    sleeping_consumer_is_woken_when_it_is_admitted_and_a_frame_comes,
    blocked_producer_sleeps_until_a_frame_is_released,
    blocked_producer_is_woken_by_a_consumer_that_leaves,
    blocked_producer_is_woken_by_the_broker,
    producer_does_not_sleep_over_a_change_it_has_not_seen,
    producer_does_not_sleep_when_it_finds_a_buffer_at_the_last_moment,
    frames_pass_however_both_sides_wait,
    frames_pass_when_one_side_or_both_ask_for_fences,
    producer_asks_for_fences_while_it_sleeps_at_once,
    consumer_that_promised_never_says_that_it_sleeps,
);

fn patience() -> Option<Deadline> {
    Some(Deadline::after(PATIENCE))
}

fn no_patience() -> Option<Deadline> {
    Some(Deadline::after(Duration::from_millis(2)))
}

/// Claims the next frame, sleeping until it comes.
fn receive<K: Kind>(consumer: &mut ConsumerOf<K>) -> u64 {
    loop {
        if let Some(claim) = consumer.try_claim().unwrap() {
            consumer.release(claim.buffer);
            return claim.seq;
        }
        assert_eq!(consumer.wait(patience()), WaitOutcome::Retry);
    }
}

/// Acquires a buffer, sleeping until one is free.
fn acquire<K: Kind>(producer: &mut ProducerOf<K>) -> usize {
    loop {
        producer.take_status_change();
        producer.drop_departed();
        if let Ok(buffer) = producer.try_acquire() {
            return buffer;
        }
        let (found, outcome) = producer.wait(patience(), |producer| producer.try_acquire().ok());
        assert_eq!(outcome, WaitOutcome::Retry);
        if let Some(buffer) = found {
            return buffer;
        }
    }
}

/// Publishes `count` frames, which the consumer receives in order.
fn assert_frames_pass<K: Kind>(mut producer: ProducerOf<K>, mut consumer: ConsumerOf<K>, count: u64) {
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            (0..count)
                .map(|_| receive::<K>(&mut consumer))
                .collect::<Vec<_>>()
        });
        for _ in 0..count {
            let buffer = acquire::<K>(&mut producer);
            producer.publish(buffer, &Default::default()).unwrap();
        }
        assert_eq!(receiving.join().unwrap(), (1..=count).collect::<Vec<_>>());
    });
}

/// A stream of one buffer, whose only consumer holds it.
fn stalled<K: Kind>() -> (Stream<K>, ProducerOf<K>, ConsumerOf<K>, K::Page) {
    let stream = Stream::<K>::new(1);
    let mut producer = stream.producer();
    let mut place = stream.place(0, 1, Policy::Block);
    producer.admit(place.member);
    producer.take_status_change();
    publish(&mut producer);
    claim(&mut place.consumer);
    (stream, producer, place.consumer, place.page)
}

fn consumer_sleeps_until_a_frame_is_published<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let consumer = stream.join(&mut producer, 0, 1, Policy::Block);
    assert_frames_pass::<K>(producer, consumer, 100);
}

fn consumer_does_not_sleep_while_a_frame_waits<K: Kind>() {
    for policy in [Policy::Block, Policy::Latest] {
        let stream = Stream::<K>::new(2);
        let mut producer = stream.producer();
        let mut consumer = stream.join(&mut producer, 0, 1, policy);
        publish(&mut producer);
        assert_eq!(consumer.wait(patience()), WaitOutcome::Retry);
        assert_eq!(consumer.wait(patience()), WaitOutcome::Retry);
    }
}

fn consumer_sleeps_again_when_every_frame_was_claimed<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Latest);
    for _ in 0..3 {
        publish(&mut producer);
        assert_eq!(drain(&mut consumer).len(), 1);
        assert_eq!(consumer.wait(no_patience()), WaitOutcome::TimedOut);
    }
}

fn consumer_does_not_sleep_when_nothing_can_come<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut cut_off = stream.join(&mut producer, 0, 1, Policy::Block);
    let mut left_over = stream.join(&mut producer, 1, 1, Policy::Block);
    stream.bury(&cut_off);
    assert_eq!(cut_off.wait(patience()), WaitOutcome::Retry);
    assert_eq!(left_over.wait(no_patience()), WaitOutcome::TimedOut);
    stream.end(StreamState::Ended);
    assert_eq!(left_over.wait(patience()), WaitOutcome::Retry);
}

fn sleeping_consumer_is_woken_by_the_end<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Block);
    std::thread::scope(|scope| {
        let ending = scope.spawn(move || {
            while consumer.stream_state() == StreamState::Running {
                assert_eq!(consumer.wait(patience()), WaitOutcome::Retry);
            }
            consumer.stream_state()
        });
        stream.end(StreamState::ProducerDied);
        assert_eq!(ending.join().unwrap(), StreamState::ProducerDied);
    });
}

fn sleeping_consumer_is_woken_when_it_is_admitted_and_a_frame_comes<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    publish(&mut producer);
    let place = stream.place(0, 1, Policy::Latest);
    let mut consumer = place.consumer;
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || receive::<K>(&mut consumer));
        std::thread::sleep(Duration::from_millis(5));
        producer.admit(place.member);
        publish(&mut producer);
        assert_eq!(receiving.join().unwrap(), 2);
    });
}

fn blocked_producer_sleeps_until_a_frame_is_released<K: Kind>() {
    let (stream, mut producer, _consumer, page) = stalled::<K>();
    assert_eq!(
        producer.wait(no_patience(), |_| None::<()>),
        (None, WaitOutcome::TimedOut)
    );
    let (own, ring) = (K::own(&page), K::other(&stream.ring));
    std::thread::scope(|scope| {
        let acquiring = scope.spawn(move || acquire::<K>(&mut producer));
        std::thread::sleep(Duration::from_millis(5));
        release(&own, &ring, None, 0);
        assert_eq!(acquiring.join().unwrap(), 0);
    });
}

fn blocked_producer_is_woken_by_a_consumer_that_leaves<K: Kind>() {
    let (stream, mut producer, _consumer, page) = stalled::<K>();
    let (own, ring) = (K::own(&page), K::other(&stream.ring));
    std::thread::scope(|scope| {
        let acquiring = scope.spawn(move || acquire::<K>(&mut producer));
        std::thread::sleep(Duration::from_millis(5));
        leave(&own, &ring, None);
        assert_eq!(acquiring.join().unwrap(), 0);
    });
}

fn blocked_producer_is_woken_by_the_broker<K: Kind>() {
    let (stream, mut producer, consumer, _page) = stalled::<K>();
    std::thread::scope(|scope| {
        let acquiring = scope.spawn(move || acquire::<K>(&mut producer));
        std::thread::sleep(Duration::from_millis(5));
        stream.bury(&consumer);
        assert_eq!(acquiring.join().unwrap(), 0);
    });
}

fn producer_does_not_sleep_over_a_change_it_has_not_seen<K: Kind>() {
    let (stream, mut producer, _consumer, page) = stalled::<K>();
    stream.place(1, 1, Policy::Latest);
    assert_eq!(
        producer.wait(patience(), |_| None::<()>),
        (None, WaitOutcome::Retry)
    );
    assert!(producer.take_status_change());
    assert_eq!(
        producer.wait(no_patience(), |_| None::<()>),
        (None, WaitOutcome::TimedOut)
    );
    leave(&K::own(&page), &K::other(&stream.ring), None);
    assert_eq!(
        producer.wait(patience(), |_| None::<()>),
        (None, WaitOutcome::Retry),
        "nobody will count another release"
    );
}

fn producer_does_not_sleep_when_it_finds_a_buffer_at_the_last_moment<K: Kind>() {
    let (_stream, mut producer, consumer, _page) = stalled::<K>();
    let (found, outcome) = producer.wait(patience(), |producer| {
        consumer.release(0);
        producer.try_acquire().ok()
    });
    assert_eq!((found, outcome), (Some(0), WaitOutcome::Retry));
}

fn frames_pass_however_both_sides_wait<K: Kind>() {
    let adaptive = Waiting::Adaptive {
        spin: Duration::from_micros(50),
    };
    for waiting in [Waiting::Spin, adaptive, Waiting::Sleep] {
        let stream = Stream::<K>::new(2);
        let mut producer = stream.producer();
        producer.set_waiting(waiting);
        let mut consumer = stream.join(&mut producer, 0, 1, Policy::Block);
        consumer.set_waiting(waiting);
        assert_frames_pass::<K>(producer, consumer, 200);
    }
}

fn frames_pass_when_one_side_or_both_ask_for_fences<K: Kind>() {
    for (consumer_asks, producer_asks) in [(true, false), (false, true), (true, true)] {
        let stream = Stream::<K>::new(2);
        let mut producer = stream.producer();
        if producer_asks {
            producer.set_waiting(Waiting::Sleep);
        }
        let page = K::page(CONSUMER_PAGE_CELLS, &NARROW);
        if consumer_asks {
            ask_for_fences(&K::own(&page));
        }
        let place = stream.place_on(page, (0, 1, Policy::Block));
        producer.admit(place.member);
        assert_frames_pass::<K>(producer, place.consumer, 2000);
    }
}

fn producer_asks_for_fences_while_it_sleeps_at_once<K: Kind>() {
    let stream = Stream::<K>::new(1);
    let page = K::other(&stream.ring);
    let asks = || page.load_u32(ring::FENCED, Ordering::Acquire);
    let mut producer = stream.producer();
    assert_eq!(asks(), 0);
    for (waiting, expected) in [(Waiting::Sleep, 1), (Waiting::Spin, 0), (Waiting::Sleep, 1)] {
        producer.set_waiting(waiting);
        assert_eq!(asks(), expected, "{waiting:?}");
    }
}

fn consumer_that_promised_never_says_that_it_sleeps<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut place = stream.place(0, 1, Policy::Block);
    promise_not_to_sleep(&K::own(&place.page));
    place.consumer.set_waiting(Waiting::Sleep);
    producer.admit(place.member);
    let page = K::other(&place.page);
    std::thread::scope(|scope| {
        let mut consumer = place.consumer;
        let waiting = scope.spawn(move || consumer.wait(Some(Deadline::after(Duration::from_millis(20)))));
        while !waiting.is_finished() {
            assert_eq!(page.load_u32(consumer::WAITING, Ordering::Acquire), 0);
        }
        assert_eq!(waiting.join().unwrap(), WaitOutcome::TimedOut);
    });
}
