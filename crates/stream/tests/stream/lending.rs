//! Frames published before their contents are there, and frames that are read after their release.

use std::sync::Arc;
use std::time::Duration;

use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Deadline, Ordering, WriteWords};
use wharf_stream::layout::{consumer, points, ring};
use wharf_stream::status::StreamState;
use wharf_stream::timeline::End;
use wharf_stream::{
    ClaimError, Departure, FrameInfo, Lent, Points, PointsWriter, Policy, Sleepers, lend, settle,
};

use crate::support::{
    ConsumerOf, Kind, Mapped, Place, ProducerOf, Stream, claim, drain, on_both_kinds_of_page, publish,
};

on_both_kinds_of_page!(
    frame_is_claimed_before_its_contents_are_there,
    bad_contents_are_told_with_their_error,
    buffer_is_not_filled_again_before_its_contents_were_there,
    lent_frame_keeps_its_buffer_until_it_is_settled,
    lent_frame_is_handed_out_to_who_waits_for_it_himself,
    lent_frames_count_against_the_depth,
    frame_is_not_lent_twice_nor_released_after,
    buffer_is_claimed_again_while_it_is_lent,
    full_consumer_gets_another_frame_only_for_one_it_lent,
    nobody_gets_more_frames_because_others_lent_theirs,
    consumer_that_lends_more_than_its_depth_is_cut_off,
    lending_a_frame_that_is_not_there_means_nothing,
    point_that_goes_back_changes_nothing,
    producer_that_goes_back_changes_nothing,
    what_a_dead_consumer_lent_is_over_with_an_error,
    what_a_dead_producer_had_not_finished_is_bad,
    points_of_a_stream_that_ended_are_still_reached,
    buffers_that_cannot_be_have_no_points,
);

const FOREVER: Option<Duration> = Some(Duration::from_secs(20));

/// A stream of one consumer, both sides' points, and what each sees of the other's.
struct Pair<K: Kind> {
    stream: Stream<K>,
    page: K::Page,
    producer: ProducerOf<K>,
    consumer: ConsumerOf<K>,
    contents: PointsWriter<K::Own>,
    releases: PointsWriter<K::Own>,
}

type PointsOf<K> = Points<<K as Kind>::Other, <K as Kind>::Own>;

impl<K: Kind> Pair<K> {
    fn new(buffers: usize, depth: usize, policy: Policy) -> Self {
        let stream = Stream::<K>::new(buffers);
        let mut producer = stream.producer();
        producer.take_status_change();
        let Place {
            page,
            member,
            consumer,
        } = stream.place(0, depth, policy);
        producer.take_status_change();
        producer.admit(member);
        Self {
            contents: PointsWriter::of_producer(K::own(&stream.ring)),
            releases: PointsWriter::of_consumer(K::own(&page)),
            stream,
            page,
            producer,
            consumer,
        }
    }

    fn of_producer(&self) -> PointsOf<K> {
        Points::of_producer(
            (K::other(&self.stream.ring), K::other(&self.stream.status)),
            Arc::new(Sleepers::of_consumer(K::own(&self.page))),
        )
    }

    fn of_consumer(&self) -> PointsOf<K> {
        Points::of_consumer(
            (K::other(&self.page), K::other(&self.stream.status)),
            (0, self.consumer.incarnation()),
            Arc::new(Sleepers::of_producer(K::own(&self.stream.ring))),
        )
    }

    /// Publishes a frame that is not there yet: its number and its buffer.
    fn publish_unfinished(&mut self) -> (usize, u64) {
        let buffer = self.producer.try_acquire().unwrap();
        let info = FrameInfo::default();
        (buffer, self.producer.publish_unfinished(buffer, &info).unwrap())
    }

    fn finish(&mut self, point: (usize, u64), error: Option<Errno>) {
        self.contents.finish(point, error, [&K::other(&self.page)]);
    }

    /// Claims the next frame and lends it.
    fn claim_and_lend(&mut self) -> (usize, u64) {
        let claim = claim(&mut self.consumer);
        let point = lend(
            &K::own(&self.page),
            &K::other(&self.stream.ring),
            None,
            claim.buffer,
        );
        assert_eq!(point, Some(claim.seq));
        (claim.buffer, claim.seq)
    }

    fn settle(&mut self, point: (usize, u64), error: Option<Errno>) {
        settle(
            &mut self.releases,
            (&K::other(&self.stream.ring), None),
            point,
            error,
        );
    }
}

fn frame_is_claimed_before_its_contents_are_there<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    let (buffer, seq) = pair.publish_unfinished();
    let early = claim(&mut pair.consumer);
    assert!(early.has_point());
    assert_eq!((early.buffer, early.seq), (buffer, seq));
    let points = pair.of_producer();
    assert_eq!(points.status(buffer, seq), FenceStatus::Unsignaled);
    pair.finish((buffer, seq), None);
    assert_eq!(points.status(buffer, seq), FenceStatus::Signaled);
    publish(&mut pair.producer);
    assert!(!claim(&mut pair.consumer).has_point());
}

fn bad_contents_are_told_with_their_error<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    let (first, second) = (pair.publish_unfinished(), pair.publish_unfinished());
    // The later one first.
    pair.finish(second, Some(Errno::EIO));
    let points = pair.of_producer();
    assert_eq!(points.status(first.0, first.1), FenceStatus::Unsignaled);
    pair.finish(first, None);
    assert_eq!(points.status(first.0, first.1), FenceStatus::Signaled);
    assert_eq!(points.status(second.0, second.1), FenceStatus::Failed(Errno::EIO));
    assert_eq!(points.status(second.0, second.1 - 1), FenceStatus::Signaled);
}

fn buffer_is_not_filled_again_before_its_contents_were_there<K: Kind>() {
    let mut pair = Pair::<K>::new(1, 1, Policy::Block);
    let unfinished = pair.publish_unfinished();
    assert_eq!(drain(&mut pair.consumer), [1]);
    let blocked = pair.producer.try_acquire().unwrap_err();
    assert!(blocked.by.is_empty() && pair.producer.has_unfinished());
    let lent = pair.producer.try_acquire_lent().unwrap();
    let expected = Lent {
        buffer: unfinished.0,
        seq: 1,
        by: Vec::new(),
        is_unfinished: true,
    };
    assert_eq!(lent, expected);
    pair.producer
        .publish_unfinished(lent.buffer, &FrameInfo::default());
    assert_eq!(drain(&mut pair.consumer), [2]);
    pair.finish(unfinished, None);
    assert!(pair.producer.try_acquire().is_err(), "that was the first one");
    pair.finish((lent.buffer, 2), None);
    assert!(pair.producer.try_acquire().is_ok());
    assert!(!pair.producer.has_unfinished());
}

fn lent_frame_keeps_its_buffer_until_it_is_settled<K: Kind>() {
    for policy in [Policy::Block, Policy::Latest] {
        let mut pair = Pair::<K>::new(1, 1, policy);
        publish(&mut pair.producer);
        let point = pair.claim_and_lend();
        let blocked = pair.producer.try_acquire().unwrap_err();
        assert_eq!(blocked.by.len(), 1, "{policy:?}: who lent it is named");
        assert_eq!((blocked.by[0].slot, blocked.by[0].frames), (0, 1));
        let points = pair.of_consumer();
        assert_eq!(points.status(point.0, point.1), FenceStatus::Unsignaled);
        pair.settle(point, Some(Errno::EIO));
        assert_eq!(points.status(point.0, point.1), FenceStatus::Failed(Errno::EIO));
        assert_eq!(pair.producer.try_acquire(), Ok(point.0));
    }
}

fn lent_frame_is_handed_out_to_who_waits_for_it_himself<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    publish(&mut pair.producer);
    publish(&mut pair.producer);
    assert!(pair.producer.try_acquire_lent().is_none(), "nothing is lent yet");
    let (buffer, seq) = pair.claim_and_lend();
    let held = claim(&mut pair.consumer);
    assert!(pair.producer.try_acquire().is_err());
    let lent = pair.producer.try_acquire_lent().unwrap();
    let expected = Lent {
        buffer,
        seq,
        by: vec![(0, pair.consumer.incarnation())],
        is_unfinished: false,
    };
    assert_eq!(lent, expected);
    assert!(pair.producer.try_acquire().is_err());
    assert!(pair.producer.try_acquire_lent().is_none(), "the other is held");
    pair.consumer.release(held.buffer);
    assert_eq!(pair.producer.try_acquire(), Ok(held.buffer));
}

fn lent_frames_count_against_the_depth<K: Kind>() {
    let mut pair = Pair::<K>::new(4, 1, Policy::Latest);
    publish(&mut pair.producer);
    let point = pair.claim_and_lend();
    publish(&mut pair.producer);
    assert_eq!(
        pair.consumer.try_claim(),
        Err(ClaimError::HoldsTooMany { depth: 1 })
    );
    pair.settle(point, None);
    assert_eq!(claim(&mut pair.consumer).seq, 2);
}

fn frame_is_not_lent_twice_nor_released_after<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    publish(&mut pair.producer);
    let (buffer, _) = pair.claim_and_lend();
    for wrong in [buffer, 1 - buffer, 64, usize::MAX] {
        pair.consumer.release(wrong);
        assert_eq!(
            lend(&K::own(&pair.page), &K::other(&pair.stream.ring), None, wrong),
            None
        );
    }
    publish(&mut pair.producer);
    assert!(pair.producer.try_acquire().is_err(), "its window is full");
    claim(&mut pair.consumer);
    assert!(pair.consumer.try_claim().is_err(), "it has two");
}

fn buffer_is_claimed_again_while_it_is_lent<K: Kind>() {
    for first_comes_last in [false, true] {
        let mut pair = Pair::<K>::new(1, 2, Policy::Block);
        publish(&mut pair.producer);
        let first = pair.claim_and_lend();
        assert!(pair.producer.try_acquire().is_err());
        let lent = pair.producer.try_acquire_lent().unwrap();
        pair.producer.publish(lent.buffer, &FrameInfo::default());
        let second = pair.claim_and_lend();
        assert_eq!(second, (first.0, 2));
        if !first_comes_last {
            pair.settle(first, None);
        }
        assert!(
            pair.producer.try_acquire().is_err(),
            "the first is not the second"
        );
        pair.settle(second, None);
        let points = pair.of_consumer();
        assert_eq!(points.status(first.0, first.1), FenceStatus::Signaled);
        if first_comes_last {
            pair.settle(first, None);
        }
        for seq in 3..6 {
            assert_eq!(publish(&mut pair.producer), first.0);
            assert_eq!(drain(&mut pair.consumer), [seq], "nothing counts as lent");
        }
    }
}

fn full_consumer_gets_another_frame_only_for_one_it_lent<K: Kind>() {
    let mut pair = Pair::<K>::new(4, 1, Policy::Block);
    let mut other = pair.stream.join(&mut pair.producer, 1, 4, Policy::Block);
    publish(&mut pair.producer);
    let held = claim(&mut pair.consumer);
    // Lent by one, but the other has as many as it may.
    let claim = claim(&mut other);
    assert_eq!(claim.buffer, held.buffer);
    assert!(pair.producer.try_acquire().is_err());
    assert_eq!(pair.producer.try_acquire_lent(), None);
    lend(
        &K::own(&pair.page),
        &K::other(&pair.stream.ring),
        None,
        held.buffer,
    );
    assert!(pair.producer.try_acquire().is_err());
    assert_eq!(pair.producer.try_acquire_lent(), None, "the other still holds it");
    other.release(claim.buffer);
    assert!(pair.producer.try_acquire().is_err());
    assert_eq!(pair.producer.try_acquire_lent().unwrap().buffer, held.buffer);
}

fn nobody_gets_more_frames_because_others_lent_theirs<K: Kind>() {
    let mut pair = Pair::<K>::new(4, 2, Policy::Block);
    let mut other = pair.stream.join(&mut pair.producer, 1, 1, Policy::Block);
    publish(&mut pair.producer);
    let (lent, _) = pair.claim_and_lend();
    assert_eq!(drain(&mut other), [1]);
    publish(&mut pair.producer);
    assert!(
        pair.producer.try_acquire().is_err(),
        "the other has as many as it may"
    );
    assert_eq!(pair.producer.try_acquire_lent(), None);
    assert_eq!(drain(&mut other), [2]);
    assert!(pair.producer.try_acquire().is_err());
    assert_eq!(pair.producer.try_acquire_lent().unwrap().buffer, lent);
}

fn consumer_that_lends_more_than_its_depth_is_cut_off<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 1, Policy::Latest);
    let page = K::own(&pair.page);
    for _ in 0..2 {
        let buffer = publish(&mut pair.producer);
        let lent = pair.producer.head() | consumer::LENT;
        page.store_u64(consumer::HOLDS + buffer, lent, Ordering::Release);
        page.store_u64(consumer::CURSOR, pair.producer.head(), Ordering::Release);
    }
    assert!(pair.producer.try_acquire().is_ok());
    let departed = pair.producer.drop_departed();
    assert_eq!(departed[0].1, Departure::Misbehaved);
}

fn lending_a_frame_that_is_not_there_means_nothing<K: Kind>() {
    let mut pair = Pair::<K>::new(1, 1, Policy::Block);
    let buffer = publish(&mut pair.producer);
    let page = K::own(&pair.page);
    page.store_u64(consumer::CURSOR, 1, Ordering::Release);
    for garbage in [
        consumer::LENT,
        consumer::LENT | 7,
        u64::MAX,
        consumer::LENT >> 1 | 1,
    ] {
        page.store_u64(consumer::HOLDS + buffer, garbage, Ordering::Release);
        assert_eq!(pair.producer.try_acquire(), Ok(buffer), "{garbage:#x}");
        let seq = pair.producer.publish(buffer, &FrameInfo::default()).unwrap();
        page.store_u64(consumer::CURSOR, seq, Ordering::Release);
    }
}

fn point_that_goes_back_changes_nothing<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    publish(&mut pair.producer);
    publish(&mut pair.producer);
    let point = pair.claim_and_lend();
    let points = pair.of_consumer();
    pair.settle(point, None);
    assert_eq!(points.status(point.0, point.1), FenceStatus::Signaled);
    let page = K::own(&pair.page);
    assert_eq!(pair.producer.try_acquire(), Ok(point.0));
    page.store_u64(consumer::POINTS + points::value(point.0), 0, Ordering::Release);
    page.store_u64(
        consumer::HOLDS + point.0,
        point.1 | consumer::LENT,
        Ordering::Release,
    );
    assert_eq!(points.status(point.0, point.1), FenceStatus::Signaled);
    assert_eq!(pair.producer.publish(point.0, &FrameInfo::default()), Some(3));
}

fn producer_that_goes_back_changes_nothing<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    let (buffer, seq) = pair.publish_unfinished();
    let points = pair.of_producer();
    pair.finish((buffer, seq), None);
    pair.finish((buffer, seq), Some(Errno::EIO));
    assert_eq!(points.status(buffer, seq), FenceStatus::Signaled, "it was over");
    let ring = K::own(&pair.stream.ring);
    ring.store_u64(ring::POINTS + points::value(buffer), 0, Ordering::Release);
    assert_eq!(points.status(buffer, seq), FenceStatus::Signaled);
    ring.store_u64(ring::POINTS + points::value(buffer), u64::MAX, Ordering::Release);
    assert_eq!(points.status(buffer, u64::MAX >> 8), FenceStatus::Signaled);
    points.close(End::OwnerDied);
    assert_eq!(points.status(buffer, seq), FenceStatus::Signaled);
}

fn what_a_dead_consumer_lent_is_over_with_an_error<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    publish(&mut pair.producer);
    publish(&mut pair.producer);
    let reached = pair.claim_and_lend();
    let point = pair.claim_and_lend();
    pair.settle(reached, None);
    let points = pair.of_consumer();
    assert_eq!(pair.producer.try_acquire(), Ok(reached.0));
    assert_eq!(points.status(point.0, point.1), FenceStatus::Unsignaled);
    pair.stream.bury(&pair.consumer);
    assert_eq!(
        points.status(point.0, point.1),
        FenceStatus::Failed(Errno::EOWNERDEAD)
    );
    assert_eq!(points.status(reached.0, reached.1), FenceStatus::Signaled);
    pair.settle(point, None);
    assert_eq!(
        points.status(point.0, point.1),
        FenceStatus::Failed(Errno::EOWNERDEAD),
        "an end is final"
    );
    pair.producer.drop_departed();
    assert_eq!(pair.producer.try_acquire(), Ok(point.0));
}

fn what_a_dead_producer_had_not_finished_is_bad<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    let (reached, point) = (pair.publish_unfinished(), pair.publish_unfinished());
    pair.finish(reached, None);
    let points = pair.of_producer();
    pair.stream.end(StreamState::ProducerDied);
    assert_eq!(points.status(reached.0, reached.1), FenceStatus::Signaled);
    assert_eq!(
        points.status(point.0, point.1),
        FenceStatus::Failed(Errno::EOWNERDEAD)
    );
}

fn points_of_a_stream_that_ended_are_still_reached<K: Kind>() {
    let mut pair = Pair::<K>::new(2, 2, Policy::Block);
    let point = pair.publish_unfinished();
    let points = pair.of_producer();
    pair.stream.end(StreamState::Ended);
    assert_eq!(points.status(point.0, point.1), FenceStatus::Unsignaled);
    pair.finish(point, None);
    assert_eq!(points.status(point.0, point.1), FenceStatus::Signaled);
}

fn buffers_that_cannot_be_have_no_points<K: Kind>() {
    let mut pair = Pair::<K>::new(1, 1, Policy::Block);
    let points = pair.of_producer();
    for buffer in [64, usize::MAX] {
        pair.finish((buffer, 1), None);
        pair.settle((buffer, 1), None);
        assert_eq!(points.status(buffer, 1), FenceStatus::Failed(Errno::EINVAL));
    }
}

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
