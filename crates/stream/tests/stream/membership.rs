//! Consumers that come and go.

use wharf_stream::{Departure, FrameInfo, MAX_CONSUMERS, Policy, leave};

use crate::support::{
    ConsumerOf, Kind, MemberOf, ProducerOf, Stream, claim, drain, on_both_kinds_of_page, publish,
    publish_many,
};

on_both_kinds_of_page!(
    consumer_that_left_gives_back_what_it_held,
    consumer_that_died_gives_back_what_it_held,
    consumer_known_to_be_dead_can_be_dropped_without_a_broker,
    others_keep_their_frames_when_one_departs,
    slot_used_again_belongs_to_the_new_incarnation,
    stream_serves_as_many_consumers_as_it_promises,
    slot_beyond_the_page_is_ignored,
    changes_of_the_status_page_are_noticed_once,
);

type Departed = Vec<(usize, u64, Departure)>;

fn departed<K: Kind>(producer: &mut ProducerOf<K>) -> Departed {
    let name = |(member, departure): (MemberOf<K>, _)| (member.slot(), member.incarnation(), departure);
    producer.drop_departed().into_iter().map(name).collect()
}

/// A stream of one buffer whose only consumer holds a frame.
fn stalled<K: Kind>() -> (Stream<K>, ProducerOf<K>, ConsumerOf<K>, K::Page) {
    let stream = Stream::<K>::new(1);
    let mut producer = stream.producer();
    let mut place = stream.place(7, 1, Policy::Block);
    producer.admit(place.member);
    publish(&mut producer);
    claim(&mut place.consumer);
    assert!(producer.try_acquire().is_err());
    assert!(producer.drop_departed().is_empty());
    (stream, producer, place.consumer, place.page)
}

fn consumer_that_left_gives_back_what_it_held<K: Kind>() {
    let (stream, mut producer, _consumer, page) = stalled::<K>();
    leave(&K::own(&page), &K::other(&stream.ring), None);
    assert_eq!(departed::<K>(&mut producer), [(7, 1, Departure::Left)]);
    assert_eq!(departed::<K>(&mut producer), []);
    assert!(producer.members().is_empty());
    assert!(producer.try_acquire().is_ok());
}

fn consumer_that_died_gives_back_what_it_held<K: Kind>() {
    let (stream, mut producer, consumer, _page) = stalled::<K>();
    stream.bury(&consumer);
    assert_eq!(departed::<K>(&mut producer), [(7, 1, Departure::Gone)]);
    assert!(producer.try_acquire().is_ok());
}

fn consumer_known_to_be_dead_can_be_dropped_without_a_broker<K: Kind>() {
    let (_stream, mut producer, _consumer, _page) = stalled::<K>();
    assert!(producer.drop_member(7, 2).is_none(), "another incarnation");
    assert!(producer.drop_member(6, 1).is_none(), "another slot");
    assert_eq!(producer.drop_member(7, 1).unwrap().incarnation(), 1);
    assert!(producer.drop_member(7, 1).is_none());
    assert!(producer.try_acquire().is_ok());
    assert_eq!(departed::<K>(&mut producer), []);
}

fn others_keep_their_frames_when_one_departs<K: Kind>() {
    let stream = Stream::<K>::new(5);
    let mut producer = stream.producer();
    let mut stays = stream.join(&mut producer, 0, 3, Policy::Block);
    let goes = stream.join(&mut producer, 1, 1, Policy::Latest);
    let mut holds = stream.join(&mut producer, 2, 1, Policy::Latest);
    publish_many(&mut producer, 2);
    let held = claim(&mut holds);
    stream.bury(&goes);
    assert_eq!(departed::<K>(&mut producer), [(1, 2, Departure::Gone)]);
    assert_ne!(publish(&mut producer), held.buffer);
    assert_eq!(drain(&mut stays), [1, 2, 3]);
}

fn slot_used_again_belongs_to_the_new_incarnation<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let mut old = stream.join(&mut producer, 0, 2, Policy::Block);
    publish(&mut producer);
    stream.bury(&old);
    let mut place = stream.place(0, 2, Policy::Block);
    assert_eq!(
        place.consumer.try_claim(),
        Ok(None),
        "the ring still names the old one"
    );
    assert_eq!(departed::<K>(&mut producer), [(0, 1, Departure::Gone)]);
    producer.admit(place.member);
    publish(&mut producer);
    assert_eq!(old.try_claim(), Ok(None));
    assert!(!old.is_member());
    assert_eq!(drain(&mut place.consumer), [2]);
}

fn stream_serves_as_many_consumers_as_it_promises<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let mut consumers: Vec<_> = (0..MAX_CONSUMERS)
        .map(|slot| stream.join(&mut producer, slot, 1, Policy::Block))
        .collect();
    for seq in 1..=3 {
        publish(&mut producer);
        assert_eq!(producer.try_acquire().unwrap_err().by.len(), MAX_CONSUMERS);
        for consumer in &mut consumers {
            assert_eq!(drain(consumer), [seq]);
        }
    }
    consumers.iter().for_each(|consumer| stream.bury(consumer));
    assert_eq!(departed::<K>(&mut producer).len(), MAX_CONSUMERS);
}

fn slot_beyond_the_page_is_ignored<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    for slot in [MAX_CONSUMERS, usize::MAX] {
        let mut consumer = stream.join(&mut producer, slot, 1, Policy::Block);
        assert!(producer.members().is_empty());
        assert_eq!(consumer.try_claim(), Ok(None));
        assert!(!consumer.is_member());
    }
    let buffer = producer.try_acquire().unwrap();
    assert_eq!(producer.publish(buffer, &FrameInfo::default()), Some(1));
}

fn changes_of_the_status_page_are_noticed_once<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    assert!(!producer.take_status_change());
    let place = stream.place(0, 1, Policy::Block);
    assert!(producer.take_status_change());
    assert!(!producer.take_status_change());
    stream.bury(&place.consumer);
    assert!(producer.take_status_change());
}
