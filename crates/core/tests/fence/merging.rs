//! Unwrapping, merging, deduplication.

use std::time::Instant;

use crate::tools::{context, lone, row};
use wharf_core::{Fence, FenceArray, FenceChain, UniqueFence, fence};

#[test]
fn a_plain_fence_consists_of_itself() {
    let owner = lone();
    assert_eq!(fence::unwrap(&owner.fence()).collect::<Vec<_>>(), [owner.fence()]);
    assert_eq!(fence::unwrap(&Fence::stub()).collect::<Vec<_>>(), [Fence::stub()]);
}

#[test]
fn an_array_without_members_does_not_end_an_unwrap() {
    let owners = row(2);
    let empty: Fence = FenceArray::new([]).unwrap().into();
    assert_eq!(fence::unwrap(&empty).count(), 0);
    let first = FenceChain::link(Some(owners[0].fence()), owners[1].fence(), 1).unwrap();
    let head = FenceChain::link(Some(first.into()), empty, 2).unwrap();
    assert_eq!(
        fence::unwrap(&head).collect::<Vec<_>>(),
        [owners[1].fence(), owners[0].fence()]
    );
}

#[test]
fn one_fence_that_is_left_is_the_result() {
    let (done, open) = (lone(), lone());
    let (done_fence, open_fence) = (done.fence(), open.fence());
    done.signal();
    let array = FenceArray::new([done_fence, open_fence.clone()]).unwrap();
    assert_eq!(fence::merge([array.into()]), open_fence);
}

#[test]
fn nothing_left_is_a_stub_with_the_latest_time() {
    let context = context().with_timestamps();
    let (first, second, untimed) = (context.fence(1), context.fence(2), lone());
    let (first_fence, second_fence, untimed_fence) = (first.fence(), second.fence(), untimed.fence());
    first.signal();
    second.signal();
    untimed.signal();
    let merged = fence::merge([second_fence.clone(), untimed_fence, first_fence]);
    assert!(merged.is_signaled());
    assert_eq!(merged.signaled_at(), second_fence.signaled_at());
    assert_ne!(merged, Fence::stub());
}

#[test]
fn a_merge_of_nothing_is_a_stub_without_a_time() {
    let merged = fence::merge([]);
    assert!(merged.is_signaled());
    assert_eq!(merged.signaled_at(), None::<Instant>);
}

#[test]
fn several_left_are_an_array_in_the_order_of_their_contexts() {
    let owners: Vec<UniqueFence> = (0..5).map(|_| lone()).collect();
    let fences: Vec<Fence> = owners.iter().map(UniqueFence::fence).collect();
    let merged = fence::merge(fences.iter().rev().cloned());
    let array = FenceArray::from_fence(&merged).unwrap();
    assert_eq!(array.fences(), fences);
    drop(owners);
    assert!(merged.is_signaled());
}

#[test]
fn deduplication_keeps_the_latest_of_each_context() {
    let (first, second) = (row(3), row(2));
    let mixed = [&second[0], &first[1], &first[2], &second[1], &first[0]].map(UniqueFence::fence);
    assert_eq!(
        fence::dedup(mixed.to_vec()),
        [first[2].fence(), second[1].fence()]
    );
}
