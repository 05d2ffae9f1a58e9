//! Doorbells: what rings and what does not. Contract: S7.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use wharf_memory::{Ordering, WriteWords as _};
use wharf_stream::layout::{POLLING, consumer as own};
use wharf_stream::{Doorbell, Policy};

use crate::support::{
    ConsumerOf, Kind, MemberOf, Place, Stream, claim, drain, on_both_kinds_of_page, publish, publish_many,
};

on_both_kinds_of_page!(
    who_waits_for_its_bell_is_rung_once_a_frame,
    who_is_awake_is_rung_no_more,
    who_was_let_in_late_is_rung_from_its_first_frame_on,
    who_says_that_it_polls_and_has_no_bell_is_passed_by,
    each_release_rings_for_a_producer_that_polls,
    leaving_rings_for_a_producer_that_polls,
    news_of_the_broker_keep_a_consumer_from_waiting,
);

/// A doorbell that counts.
#[derive(Debug, Clone, Default)]
struct Bell(Arc<AtomicUsize>);

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Bell {
    /// How often it was rung since this was last asked.
    fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }
}

/// A consumer of every frame that has a bell, and what the producer gets to know of it.
fn place<K: Kind>(stream: &Stream<K>, depth: usize) -> (MemberOf<K>, ConsumerOf<K>, Bell) {
    let Place { member, consumer, .. } = stream.place(0, depth, Policy::Block);
    let bell = Bell::default();
    (member.with_bell(Box::new(bell.clone())), consumer, bell)
}

fn who_waits_for_its_bell_is_rung_once_a_frame<K: Kind>() {
    let stream = Stream::<K>::new(6);
    let mut producer = stream.producer();
    let (member, mut consumer, bell) = place(&stream, 4);
    producer.admit(member);
    publish(&mut producer);
    assert_eq!(bell.take(), 0, "nobody waits");
    assert!(!consumer.arm(), "there is a frame");
    drain(&mut consumer);
    assert!(consumer.settle());
    publish_many(&mut producer, 3);
    assert_eq!(bell.take(), 3);
    assert!(!consumer.settle(), "there are frames");
}

fn who_is_awake_is_rung_no_more<K: Kind>() {
    let stream = Stream::<K>::new(8);
    let mut producer = stream.producer();
    let (member, mut consumer, bell) = place(&stream, 6);
    producer.admit(member);
    assert!(consumer.arm() && consumer.settle());
    for round in 0..3 {
        publish_many(&mut producer, 2);
        assert_eq!(bell.take(), 2, "round {round}");
        // It may be that the first frame's ring is still to come.
        let first = claim(&mut consumer);
        consumer.disarm_after(first.seq);
        publish(&mut producer);
        assert_eq!(bell.take(), 1);
        // Now it is over.
        let second = claim(&mut consumer);
        consumer.disarm_after(second.seq);
        publish(&mut producer);
        assert_eq!(bell.take(), 0);
        consumer.release(first.buffer);
        consumer.release(second.buffer);
        drain(&mut consumer);
        assert!(consumer.arm() && consumer.settle());
    }
}

fn who_was_let_in_late_is_rung_from_its_first_frame_on<K: Kind>() {
    let stream = Stream::<K>::new(8);
    let mut producer = stream.producer();
    let (member, mut consumer, bell) = place(&stream, 6);
    assert!(consumer.arm() && consumer.settle());
    publish_many(&mut producer, 3);
    producer.admit(member);
    bell.take();
    publish(&mut producer);
    assert_eq!(bell.take(), 1);
    let first = claim(&mut consumer);
    assert_eq!(first.seq, 4);
    consumer.disarm_after(first.seq);
    publish(&mut producer);
    assert_eq!(bell.take(), 1, "the first frame's ring may be still to come");
}

fn who_says_that_it_polls_and_has_no_bell_is_passed_by<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let Place { member, page, .. } = stream.place(0, 1, Policy::Latest);
    producer.admit(member);
    for word in [POLLING, 3, u32::MAX] {
        K::own(&page).store_u32(own::WAITING, word, Ordering::SeqCst);
        publish_many(&mut producer, 3);
    }
}

fn each_release_rings_for_a_producer_that_polls<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 2, Policy::Block);
    let bell = Bell::default();
    consumer.set_producers_bell(Arc::new(bell.clone()));
    publish_many(&mut producer, 2);
    let claims = [claim(&mut consumer), claim(&mut consumer)];
    producer.arm();
    assert!(producer.try_acquire().is_err());
    consumer.release(claims[0].buffer);
    assert_eq!(bell.take(), 1);
    assert!(producer.try_acquire().is_ok());
    producer.disarm();
    consumer.release(claims[1].buffer);
    assert_eq!(bell.take(), 0);
}

fn leaving_rings_for_a_producer_that_polls<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let Place { member, page, .. } = stream.place(0, 1, Policy::Block);
    producer.admit(member);
    producer.arm();
    let bell = Bell::default();
    wharf_stream::leave(&K::own(&page), &K::other(&stream.ring), Some(&bell));
    assert_eq!(bell.take(), 1);
    assert_eq!(producer.drop_departed().len(), 1);
}

fn news_of_the_broker_keep_a_consumer_from_waiting<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let (_, mut consumer, _) = place(&stream, 1);
    assert!(consumer.arm());
    stream.end(wharf_stream::status::StreamState::Ended);
    assert!(!consumer.settle());
    let (_, mut consumer, _) = place(&stream, 1);
    assert!(!consumer.arm());
}
