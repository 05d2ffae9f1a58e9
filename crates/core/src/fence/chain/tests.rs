//! What is freed, and when.

use super::super::{Fence, FenceContext, UniqueFence};
use super::FenceChain;

/// Fences 1 to 4, and the links of a chain of them.
fn chain() -> (Vec<UniqueFence>, Vec<FenceChain>) {
    let context = FenceContext::new("test", "queue");
    let owners: Vec<UniqueFence> = (1..=4).map(|seqno| context.fence(seqno)).collect();
    let mut links: Vec<FenceChain> = Vec::new();
    for (seqno, owner) in (1..).zip(&owners) {
        let prev = links.last().cloned().map(Fence::from);
        links.extend(FenceChain::link(prev, owner.fence(), seqno));
    }
    (owners, links)
}

#[test]
fn links_that_are_walked_over_when_signaled_are_freed() {
    let (mut owners, mut links) = chain();
    let head = links.pop().unwrap();
    let freed: Vec<_> = links.iter().map(|link| link.fence.downgrade()).collect();
    drop(links);
    owners.remove(1).signal();
    assert!(
        freed.iter().all(|link| link.upgrade().is_some()),
        "nobody has looked"
    );
    assert_eq!(head.walk().count(), 3);
    let left: Vec<bool> = freed.iter().map(|link| link.upgrade().is_some()).collect();
    assert_eq!(left, [true, false, true]);
}

#[test]
fn a_signaled_link_lets_go_of_what_came_before_it() {
    let (mut owners, links) = chain();
    let middle = links[1].clone();
    let first = links[0].fence.downgrade();
    assert!(middle.add_callback(|_| ()).is_added());
    drop(links);
    owners.remove(1).signal();
    assert!(first.upgrade().is_some());
    owners.remove(0).signal();
    assert!(
        first.upgrade().is_none(),
        "the callback of the middle link found it signaled"
    );
    assert!(middle.is_signaled());
}

#[test]
fn dropping_the_head_frees_every_link_and_only_those() {
    let (owners, mut links) = chain();
    let (all, kept) = (
        links
            .iter()
            .map(|link| link.fence.downgrade())
            .collect::<Vec<_>>(),
        links.remove(1),
    );
    drop(links);
    let left: Vec<bool> = all.iter().map(|link| link.upgrade().is_some()).collect();
    assert_eq!(left, [true, true, false, false]);
    drop(kept);
    assert!(all.iter().all(|link| link.upgrade().is_none()));
    drop(owners);
}
