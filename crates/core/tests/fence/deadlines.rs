//! Deadline hints.

use std::time::{Duration, Instant};

use crate::tools::{Log, Scripted, context, lone};
use wharf_core::{FenceArray, FenceChain, UniqueFence};

fn at(seconds: u64) -> Instant {
    // One base for the whole test, so that instants compare.
    static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *BASE.get_or_init(Instant::now) + Duration::from_secs(seconds)
}

fn told(log: &Log, deadlines: &[u64]) {
    let expected: Vec<String> = deadlines
        .iter()
        .map(|seconds| format!("deadline {:?}", at(*seconds)))
        .collect();
    assert_eq!(log.entries(), expected);
}

#[test]
fn only_earlier_deadlines_reach_the_ops() {
    let log = Log::default();
    let owner = context().fence_with(1, Box::new(Scripted::new(&log)));
    for seconds in [50, 60, 50, 40, 45] {
        owner.fence().set_deadline(at(seconds));
    }
    told(&log, &[50, 40]);
    assert_eq!(owner.deadline(), Some(at(40)));
    owner.signal();
}

#[test]
fn the_owner_sees_the_earliest_deadline_without_ops() {
    let owner = lone();
    assert_eq!(owner.deadline(), None);
    owner.fence().set_deadline(at(7));
    owner.fence().set_deadline(at(9));
    assert_eq!(owner.deadline(), Some(at(7)));
}

#[test]
fn a_deadline_does_not_signal_and_a_signaled_fence_has_none() {
    let log = Log::default();
    let owner = context().fence_with(1, Box::new(Scripted::new(&log)));
    let fence = owner.fence();
    fence.set_deadline(at(0));
    assert!(!fence.is_signaled());
    owner.signal();
    fence.set_deadline(at(0) - Duration::from_nanos(1));
    assert_eq!(
        log.entries().len(),
        2,
        "one deadline, one drop: {:?}",
        log.entries()
    );
}

#[test]
fn containers_pass_deadlines_to_all_their_fences() {
    let owners: [UniqueFence; 4] = [lone(), lone(), lone(), lone()];
    let [a, b, c, d] = owners.each_ref().map(UniqueFence::fence);
    let array = FenceArray::new([b, c]).unwrap();
    let middle = FenceChain::link(Some(a), array.into(), 1).unwrap();
    let head = FenceChain::link(Some(middle.into()), d, 2).unwrap();
    head.set_deadline(at(3));
    assert_eq!(owners.each_ref().map(UniqueFence::deadline), [Some(at(3)); 4]);
}
