//! Frames that are read after their release, and what becomes of their buffers.

use wharf_core::{Errno, FenceStatus};
use wharf_stream::{FrameInfo, Lent, Policy, lend};

use super::Pair;
use crate::support::{Kind, claim, drain, on_both_kinds_of_page, publish};

on_both_kinds_of_page!(
    lent_frame_keeps_its_buffer_until_it_is_settled,
    lent_frame_is_handed_out_to_who_waits_for_it_himself,
    frame_is_not_lent_twice_nor_released_after,
    buffer_is_claimed_again_while_it_is_lent,
    what_a_dead_consumer_lent_is_over_with_an_error,
);

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
