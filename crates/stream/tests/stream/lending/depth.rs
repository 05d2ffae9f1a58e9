//! Who may have how many frames when some are lent.

use wharf_stream::{ClaimError, Policy, lend};

use super::Pair;
use crate::support::{Kind, claim, drain, on_both_kinds_of_page, publish};

on_both_kinds_of_page!(
    lent_frames_count_against_the_depth,
    full_consumer_gets_another_frame_only_for_one_it_lent,
    nobody_gets_more_frames_because_others_lent_theirs,
);

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
