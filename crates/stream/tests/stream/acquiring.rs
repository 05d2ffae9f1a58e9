//! Which buffers the producer gets, and who is in its way.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use wharf_stream::{Blocked, Blocker, FrameInfo, MAX_BUFFERS, Policy, Producer};

use crate::support::{Heap, Kind, Stream, claim, drain, on_both_kinds_of_page, publish, publish_many};

on_both_kinds_of_page!(
    blocking_consumer_that_lags_stops_the_producer_and_is_named,
    blocked_names_only_who_is_in_the_way,
    latest_consumers_never_stop_the_producer,
    buffers_in_hand_count_against_the_depth_of_blocking_consumers,
    producer_with_every_buffer_in_hand_blames_nobody,
    abandoned_buffer_is_free_again,
    only_a_buffer_in_hand_can_be_published,
    buffer_of_the_newest_spent_frame_is_used_again_first,
    frames_not_claimed_are_taken_back_oldest_first,
    buffers_are_never_more_than_the_ring_remembers,
    buffers_in_flight_are_no_more_than_their_limit,
    limit_takes_frames_back_rather_than_using_more_buffers,
    producer_that_looks_seldom_acquires_nothing_that_somebody_has,
);

fn blocked(by: &[(usize, u64, usize)]) -> Result<usize, Blocked> {
    let blocker = |(slot, incarnation, frames): &(usize, u64, usize)| Blocker {
        slot: *slot,
        incarnation: *incarnation,
        frames: *frames,
    };
    Err(Blocked {
        by: by.iter().map(blocker).collect(),
    })
}

fn blocking_consumer_that_lags_stops_the_producer_and_is_named<K: Kind>() {
    let stream = Stream::<K>::new(8);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 3, 2, Policy::Block);
    publish_many(&mut producer, 2);
    assert_eq!(producer.try_acquire(), blocked(&[(3, 1, 2)]));
    let held = claim(&mut consumer);
    assert_eq!(
        producer.try_acquire(),
        blocked(&[(3, 1, 2)]),
        "held counts as queued"
    );
    consumer.release(held.buffer);
    assert!(producer.try_acquire().is_ok());
}

fn blocked_names_only_who_is_in_the_way<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let mut holder = stream.join(&mut producer, 0, 3, Policy::Latest);
    let mut recorder = stream.join(&mut producer, 1, 2, Policy::Block);
    let _idle = stream.join(&mut producer, 2, 1, Policy::Latest);
    publish_many(&mut producer, 2);
    claim(&mut holder);
    assert_eq!(
        producer.try_acquire(),
        blocked(&[(1, 2, 2)]),
        "its window is full"
    );
    assert_eq!(drain(&mut recorder), [1, 2]);
    publish(&mut producer);
    drain(&mut recorder);
    claim(&mut holder);
    claim(&mut holder);
    assert_eq!(
        producer.try_acquire(),
        blocked(&[(0, 1, 3)]),
        "it holds all buffers"
    );
}

fn latest_consumers_never_stop_the_producer<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let mut consumers = [1, 2].map(|depth| stream.join(&mut producer, depth, depth, Policy::Latest));
    for round in 0..50 {
        publish(&mut producer);
        for consumer in &mut consumers {
            if let Ok(Some(claim)) = consumer.try_claim()
                && round % 3 == 0
            {
                consumer.release(claim.buffer);
            }
        }
    }
    assert_eq!(producer.head(), 50);
}

fn buffers_in_hand_count_against_the_depth_of_blocking_consumers<K: Kind>() {
    let stream = Stream::<K>::new(8);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 2, Policy::Block);
    let first = producer.try_acquire().unwrap();
    let second = producer.try_acquire().unwrap();
    assert_eq!(producer.in_hand(), 2);
    assert_eq!(producer.try_acquire(), blocked(&[]), "only the caller can go on");
    producer.publish(first, &FrameInfo::default()).unwrap();
    assert_eq!(producer.try_acquire(), blocked(&[(0, 1, 1)]));
    assert_eq!(drain(&mut consumer), [1]);
    assert!(producer.try_acquire().is_ok());
    assert!(producer.publish(second, &FrameInfo::default()).is_some());
}

fn producer_with_every_buffer_in_hand_blames_nobody<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let _consumer = stream.join(&mut producer, 0, 5, Policy::Latest);
    let all = [producer.try_acquire(), producer.try_acquire()];
    assert!(all.iter().all(Result::is_ok));
    assert_ne!(all[0], all[1]);
    assert_eq!(producer.try_acquire(), blocked(&[]));
}

fn abandoned_buffer_is_free_again<K: Kind>() {
    let stream = Stream::<K>::new(1);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Block);
    for _ in 0..3 {
        let buffer = producer.try_acquire().unwrap();
        producer.abandon(buffer);
        producer.abandon(buffer);
        assert_eq!(producer.in_hand(), 0);
    }
    assert_eq!(consumer.try_claim(), Ok(None));
    publish(&mut producer);
    assert_eq!(
        drain(&mut consumer),
        [1],
        "what is abandoned takes no frame's number"
    );
    producer.abandon(0);
    producer.abandon(usize::MAX);
    assert_eq!(producer.head(), 1);
}

fn only_a_buffer_in_hand_can_be_published<K: Kind>() {
    let stream = Stream::<K>::new(2);
    let mut producer = stream.producer();
    let info = FrameInfo::default();
    assert_eq!(producer.publish(0, &info), None);
    let buffer = producer.try_acquire().unwrap();
    assert_eq!(producer.publish(1 - buffer, &info), None);
    assert_eq!(producer.publish(usize::MAX, &info), None);
    assert_eq!(producer.publish(buffer, &info), Some(1));
    assert_eq!(producer.publish(buffer, &info), None);
}

fn buffer_of_the_newest_spent_frame_is_used_again_first<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    let only = publish(&mut producer);
    assert_eq!(publish(&mut producer), only, "nobody is there to read");
    let mut consumer = stream.join(&mut producer, 0, 3, Policy::Block);
    let used = [(); 3].map(|()| publish(&mut producer));
    assert_eq!(drain(&mut consumer), [3, 4, 5]);
    assert_eq!(publish(&mut producer), used[2], "its cache lines are warm");
}

fn frames_not_claimed_are_taken_back_oldest_first<K: Kind>() {
    let stream = Stream::<K>::new(3);
    let mut producer = stream.producer();
    let _consumer = stream.join(&mut producer, 0, 2, Policy::Latest);
    let used = [(); 3].map(|()| publish(&mut producer));
    let again = [(); 3].map(|()| publish(&mut producer));
    assert_eq!(used, again);
}

fn buffers_are_never_more_than_the_ring_remembers<K: Kind>() {
    let stream = Stream::<K>::new(MAX_BUFFERS);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 63, MAX_BUFFERS, Policy::Block);
    for round in 0..3 {
        publish_many(&mut producer, MAX_BUFFERS);
        assert_eq!(producer.try_acquire(), blocked(&[(63, 1, MAX_BUFFERS)]));
        let frames = drain(&mut consumer);
        assert_eq!(frames.len(), MAX_BUFFERS, "in round {round}");
    }
    let too_many = Producer::new(K::own(&stream.ring), K::other(&stream.ring), usize::MAX);
    let in_hand = std::iter::repeat_with(|| 0).scan(too_many, |producer, _| producer.try_acquire().ok());
    assert_eq!(in_hand.count(), MAX_BUFFERS);
}

fn buffers_in_flight_are_no_more_than_their_limit<K: Kind>() {
    let stream = Stream::<K>::new(6);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 5, Policy::Block);
    producer.set_in_flight_limit(2);
    let mut used = vec![publish(&mut producer), publish(&mut producer)];
    assert_eq!(producer.try_acquire(), blocked(&[(0, 1, 2)]));
    for _ in 0..10 {
        let claim = claim(&mut consumer);
        assert_eq!(producer.try_acquire(), blocked(&[(0, 1, 2)]), "held");
        consumer.release(claim.buffer);
        used.push(publish(&mut producer));
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 2);
    producer.set_in_flight_limit(0);
    assert_eq!(drain(&mut consumer), [11, 12]);
    assert!(producer.try_acquire().is_ok(), "at least one");
    assert_eq!(producer.try_acquire(), blocked(&[]));
}

fn limit_takes_frames_back_rather_than_using_more_buffers<K: Kind>() {
    let stream = Stream::<K>::new(6);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 5, Policy::Latest);
    producer.set_in_flight_limit(2);
    let used: Vec<_> = (0..6).map(|_| publish(&mut producer)).collect();
    assert_eq!(used[..2], used[4..]);
    assert_eq!(drain(&mut consumer), [5, 6]);
}

fn producer_that_looks_seldom_acquires_nothing_that_somebody_has<K: Kind>() {
    let stream = Stream::<K>::new(4);
    let mut producer = stream.producer();
    producer.look_every(3);
    let mut consumer = stream.join(&mut producer, 0, 3, Policy::Block);
    let mut looks = 0;
    for round in 1..50 {
        let acquired = producer.try_acquire().unwrap();
        let held = consumer.try_claim().unwrap();
        assert_ne!(held.map(|claim| claim.buffer), Some(acquired));
        producer.publish(acquired, &FrameInfo::default()).unwrap();
        if let Some(claim) = held {
            looks += 1;
            assert_eq!(claim.seq + 1, round);
            consumer.release(claim.buffer);
        }
    }
    assert_eq!(looks, 48, "each frame was claimed a round later");
}

#[test]
fn consumer_that_lets_go_at_that_very_moment_is_still_named() {
    let stream = Stream::<Heap>::new(1);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, 1, Policy::Latest);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                drain(&mut consumer);
            }
        });
        let unnamed = (0..20_000).filter(|_| match producer.try_acquire() {
            Ok(buffer) => producer.publish(buffer, &FrameInfo::default()).is_none(),
            Err(blocked) => blocked.by.is_empty(),
        });
        let unnamed = unnamed.count();
        is_over.store(true, Relaxed);
        assert_eq!(unnamed, 0);
    });
}
