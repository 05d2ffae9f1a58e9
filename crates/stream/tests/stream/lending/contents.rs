//! Frames published before their contents are there.

use wharf_core::{Errno, FenceStatus};
use wharf_stream::status::StreamState;
use wharf_stream::{FrameInfo, Lent, Policy};

use super::Pair;
use crate::support::{Kind, claim, drain, on_both_kinds_of_page, publish};

on_both_kinds_of_page!(
    frame_is_claimed_before_its_contents_are_there,
    bad_contents_are_told_with_their_error,
    buffer_is_not_filled_again_before_its_contents_were_there,
    what_a_dead_producer_had_not_finished_is_bad,
    points_of_a_stream_that_ended_are_still_reached,
);

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
