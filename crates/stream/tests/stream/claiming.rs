//! Which frames a consumer gets.

use wharf_stream::status::StreamState;
use wharf_stream::{ClaimError, Policy};

use crate::support::{Kind, Stream, claim, drain, on_both_kinds_of_page, publish, publish_many};

on_both_kinds_of_page!(
    blocking_consumer_gets_every_frame_in_order,
    latest_consumer_gets_the_newest_and_is_told_what_it_missed,
    latest_consumer_with_depth_gets_the_newest_few_in_order,
    two_consumers_share_one_frame,
    consumer_holds_no_more_than_its_depth,
    held_frame_stays_until_it_is_released,
    late_joiner_gets_the_next_frame,
    consumer_gets_nothing_before_the_producer_admits_it,
    frames_published_before_the_end_are_still_there,
    consumer_that_was_cut_off_gets_nothing_more,
    numbers_go_on_beyond_the_ring,
);

fn blocking_consumer_gets_every_frame_in_order<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 3, Policy::Block);
    let mut seen = Vec::new();
    for frames in [1, 3, 2, 3, 1] {
        publish_many(&mut producer, frames);
        seen.extend(drain(&mut consumer));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    assert!(consumer.layout_matches());
}

fn latest_consumer_gets_the_newest_and_is_told_what_it_missed<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Latest);
    let mut seen = Vec::new();
    for frames in [1, 5, 1, 20] {
        publish_many(&mut producer, frames);
        let claim = claim(&mut consumer);
        seen.push((claim.seq, claim.skipped));
        consumer.release(claim.buffer);
    }
    assert_eq!(seen, [(1, 0), (6, 4), (7, 0), (27, 19)]);
    assert_eq!(consumer.try_claim(), Ok(None));
}

fn latest_consumer_with_depth_gets_the_newest_few_in_order<K: Kind>() {
    let stream = Stream::<K>::new(5);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 3, Policy::Latest);
    publish_many(&mut producer, 10);
    assert_eq!(drain(&mut consumer), [8, 9, 10]);
}

fn two_consumers_share_one_frame<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let mut first = stream.join(&mut producer, 0, 1, Policy::Block);
    let mut second = stream.join(&mut producer, 1, 1, Policy::Latest);
    let buffer = publish(&mut producer);
    let claims = [claim(&mut first), claim(&mut second)];
    assert!(
        claims
            .iter()
            .all(|claim| (claim.seq, claim.buffer) == (1, buffer))
    );
}

fn consumer_holds_no_more_than_its_depth<K: Kind>() {
    for policy in [Policy::Block, Policy::Latest] {
        let stream = Stream::<K>::new(4);
        let mut producer = stream.producer();
        let mut consumer = stream.join(&mut producer, 0, 2, policy);
        publish_many(&mut producer, 2);
        let held = claim(&mut consumer);
        claim(&mut consumer);
        assert_eq!(consumer.try_claim(), Err(ClaimError::HoldsTooMany { depth: 2 }));
        consumer.release(held.buffer);
        assert_eq!(consumer.try_claim(), Ok(None));
        publish(&mut producer);
        assert_eq!(claim(&mut consumer).seq, 3);
    }
}

fn held_frame_stays_until_it_is_released<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Latest);
    publish(&mut producer);
    let held = claim(&mut consumer);
    for _ in 0..5 {
        assert_ne!(publish(&mut producer), held.buffer);
    }
    consumer.release(held.buffer);
    let next = claim(&mut consumer);
    assert_eq!((next.seq, next.skipped), (6, 4));
    assert_eq!(publish(&mut producer), held.buffer);
}

fn late_joiner_gets_the_next_frame<K: Kind>() {
    for policy in [Policy::Block, Policy::Latest] {
        let stream = Stream::<K>::new(4);
        let mut producer = stream.producer();
        publish_many(&mut producer, 9);
        let mut consumer = stream.join(&mut producer, 5, 2, policy);
        assert_eq!(consumer.try_claim(), Ok(None));
        publish(&mut producer);
        let claim = claim(&mut consumer);
        assert_eq!((claim.seq, claim.skipped), (10, 0));
    }
}

fn consumer_gets_nothing_before_the_producer_admits_it<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut place = stream.place(0, 1, Policy::Block);
    publish_many(&mut producer, 3);
    assert_eq!(place.consumer.try_claim(), Ok(None));
    producer.admit(place.member);
    assert_eq!(place.consumer.try_claim(), Ok(None));
    publish(&mut producer);
    assert_eq!(claim(&mut place.consumer).seq, 4);
}

fn frames_published_before_the_end_are_still_there<K: Kind>() {
    for end in [StreamState::Ended, StreamState::ProducerDied] {
        let stream = Stream::<K>::new(3);
        let mut producer = stream.producer();
        let mut consumer = stream.join(&mut producer, 0, 2, Policy::Block);
        publish_many(&mut producer, 2);
        drop(producer);
        assert_eq!(consumer.stream_state(), StreamState::Running);
        stream.end(end);
        assert_eq!(consumer.stream_state(), end);
        assert_eq!(drain(&mut consumer), [1, 2]);
    }
}

fn consumer_that_was_cut_off_gets_nothing_more<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 2, Policy::Block);
    publish(&mut producer);
    stream.bury(&consumer);
    assert!(!consumer.is_member());
    // The producer does not mind its holds any more.
    assert_eq!(consumer.try_claim(), Ok(None));
}

fn numbers_go_on_beyond_the_ring<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Block);
    for seq in 1..=200 {
        publish(&mut producer);
        assert_eq!(drain(&mut consumer), [seq]);
    }
    assert_eq!(producer.head(), 200);
}
