//! Pages in which somebody writes of lent frames and reached points what cannot be.

use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Ordering, WriteWords};
use wharf_stream::layout::{consumer, points, ring};
use wharf_stream::timeline::End;
use wharf_stream::{Departure, FrameInfo, Policy};

use super::Pair;
use crate::support::{Kind, on_both_kinds_of_page, publish};

on_both_kinds_of_page!(
    consumer_that_lends_more_than_its_depth_is_cut_off,
    lending_a_frame_that_is_not_there_means_nothing,
    point_that_goes_back_changes_nothing,
    producer_that_goes_back_changes_nothing,
    buffers_that_cannot_be_have_no_points,
);

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

fn buffers_that_cannot_be_have_no_points<K: Kind>() {
    let mut pair = Pair::<K>::new(1, 1, Policy::Block);
    let points = pair.of_producer();
    for buffer in [64, usize::MAX] {
        pair.finish((buffer, 1), None);
        pair.settle((buffer, 1), None);
        assert_eq!(points.status(buffer, 1), FenceStatus::Failed(Errno::EINVAL));
    }
}
