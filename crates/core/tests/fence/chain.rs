//! Chains.

use crate::tools::{Log, lone, patience, row};
use wharf_core::{
    ContainerError, Errno, Fence, FenceArray, FenceChain, FenceStatus, SeqnoError, UniqueFence,
};

/// Long enough to end every thread's stack if anything about a chain were recursive.
const VERY_LONG: u64 = 1_000_000;

/// One link per owner, points 1, 2, …; returns all links.
fn links(owners: &[UniqueFence]) -> Vec<FenceChain> {
    let mut links: Vec<FenceChain> = Vec::new();
    for (seqno, owner) in (1..).zip(owners) {
        let prev = links.last().cloned().map(Fence::from);
        links.push(FenceChain::link(prev, owner.fence(), seqno).unwrap());
    }
    links
}

/// The last link of a chain of one link per owner.
fn head(owners: &[UniqueFence]) -> FenceChain {
    let mut prev = None;
    for (seqno, owner) in (1..).zip(owners) {
        prev = Some(FenceChain::link(prev, owner.fence(), seqno).unwrap().into());
    }
    FenceChain::from_fence(&prev.unwrap()).unwrap()
}

#[test]
fn links_of_one_timeline_share_a_context() {
    let owners = row(3);
    let links = links(&owners);
    assert!(links.iter().all(|link| link.context() == links[0].context()));
    assert_eq!(links[2].seqno(), 3);
    assert_eq!(*links[2].contained(), owners[2].fence());
    assert_eq!(FenceChain::from_fence(links[1].fence()), Some(links[1].clone()));
    assert_eq!(FenceChain::from_fence(&owners[0].fence()), None);
}

#[test]
fn a_point_out_of_order_begins_a_new_context_with_the_higher_number() {
    let owners = row(2);
    let first = FenceChain::link(None, owners[0].fence(), 9).unwrap();
    for seqno in [4, 9] {
        let second = FenceChain::link(Some(first.clone().into()), owners[1].fence(), seqno).unwrap();
        assert_ne!(second.context(), first.context());
        assert_eq!(second.seqno(), 9);
        // Within its own context there is nothing before it; it is signaled after the first all the same.
        assert_eq!(second.find_seqno(9).unwrap(), Some(second.clone().into()));
        assert_eq!(second.walk().nth(1), Some(first.clone().into()));
    }
}

#[test]
fn a_chain_may_begin_with_any_fence() {
    let (first, second) = (lone(), lone());
    let link = FenceChain::link(Some(first.fence()), second.fence(), 5).unwrap();
    assert_ne!(link.context(), first.fence().context());
    second.signal();
    assert!(!link.is_signaled());
    assert_eq!(link.find_seqno(5).unwrap(), Some(link.clone().into()));
    first.signal();
    assert!(link.is_signaled());
}

#[test]
fn a_chain_in_a_chain_is_refused_and_given_back() {
    let owner = lone();
    let inner: Fence = FenceChain::link(None, owner.fence(), 1).unwrap().into();
    let refused = FenceChain::link(Some(owner.fence()), inner.clone(), 2).unwrap_err();
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert!(matches!(
        refused,
        ContainerError::NestedInChain { point: 2, prev: Some(prev), fence } if prev == owner.fence() && fence == inner
    ));
}

#[test]
fn a_point_beyond_the_head_is_named() {
    let owners = row(2);
    let head = head(&owners);
    let refused = head.find_seqno(3).unwrap_err();
    assert_eq!(refused, SeqnoError::BeyondHead { seqno: 3, head: 2 });
    assert_eq!(refused.errno(), Errno::EINVAL);
}

#[test]
fn a_walk_takes_signaled_links_out_of_the_chain() {
    let mut owners = row(5);
    let links = links(&owners);
    owners.remove(3).signal();
    owners.remove(1).signal();
    let seqnos: Vec<u64> = links[4].walk().map(|link| link.seqno()).collect();
    assert_eq!(seqnos, [5, 3, 1]);
    drop(owners);
    let seqnos: Vec<u64> = links[4].walk().map(|link| link.seqno()).collect();
    assert_eq!(seqnos, [5]);
}

#[test]
fn a_watched_chain_is_signaled_without_being_looked_at() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]] {
        let owners = row(3);
        let log = Log::default();
        log.follow(&head(&owners), "told");
        let mut owners: Vec<Option<UniqueFence>> = owners.into_iter().map(Some).collect();
        for index in order {
            assert_eq!(log.entries().len(), 0, "before fence {index} of {order:?}");
            owners[index].take().unwrap().signal();
        }
        assert_eq!(log.entries(), ["told"], "{order:?}");
    }
}

#[test]
fn errors_stay_with_the_fence_in_the_link() {
    let owner = lone();
    let link = FenceChain::link(None, owner.fence(), 1).unwrap();
    owner.signal_error(Errno::EIO).unwrap();
    assert_eq!(link.status(), FenceStatus::Signaled);
    assert_eq!(link.contained().status(), FenceStatus::Failed(Errno::EIO));
}

#[test]
fn a_link_may_contain_an_array() {
    let owners = row(2);
    let array = FenceArray::new(owners.iter().map(UniqueFence::fence)).unwrap();
    let link = FenceChain::link(None, array.into(), 1).unwrap();
    let log = Log::default();
    log.follow(&link, "told");
    owners.into_iter().for_each(UniqueFence::signal);
    assert_eq!(log.entries(), ["told"]);
}

/// Runs with the stack of a small thread, so that recursion ends the test.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(body)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn a_chain_of_a_million_links_is_dropped_without_recursion() {
    on_a_small_stack(|| {
        let owners = row(VERY_LONG);
        let head = head(&owners);
        drop(head);
        drop(owners);
    });
}

#[test]
fn a_chain_of_a_million_links_is_walked_and_signaled_without_recursion() {
    on_a_small_stack(|| {
        let owners = row(VERY_LONG);
        let head = head(&owners);
        assert_eq!(head.walk().count() as u64, VERY_LONG);
        assert!(!head.is_signaled());
        drop(owners);
        assert!(head.is_signaled());
        assert_eq!(head.walk().count(), 1);
    });
}

/// The latest are signaled first, so that the watch goes from link to link.
#[test]
fn a_long_chain_is_watched_from_its_head_to_its_beginning() {
    on_a_small_stack(|| {
        let owners = row(VERY_LONG / 10);
        let (head, log) = (head(&owners), Log::default());
        log.follow(&head, "told");
        for owner in owners.into_iter().rev() {
            assert_eq!(log.entries().len(), 0);
            owner.signal();
        }
        assert_eq!(log.entries(), ["told"]);
    });
}

/// The unsignaled beginning of a long signaled chain is kept, and the rest goes.
#[test]
fn a_long_chain_that_is_signaled_but_for_its_beginning_is_collected() {
    on_a_small_stack(|| {
        let mut owners = row(VERY_LONG / 10);
        let head = head(&owners);
        let first = owners.remove(0);
        owners.into_iter().for_each(UniqueFence::signal);
        assert!(!head.is_signaled());
        assert_eq!(
            head.walk().map(|link| link.seqno()).collect::<Vec<_>>(),
            [VERY_LONG / 10, 1]
        );
        first.signal();
        assert!(head.is_signaled());
    });
}

#[test]
fn many_watch_all_links_of_one_chain() {
    let owners = row(64);
    let links = links(&owners);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = links
            .iter()
            .map(|link| scope.spawn(|| link.wait(&patience())))
            .collect();
        owners.into_iter().rev().for_each(UniqueFence::signal);
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
    });
}
