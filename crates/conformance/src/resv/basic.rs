//! One reservation and one fence. Mirrors drivers/dma-buf/st-dma-resv.c (v7.1), whose cases run for each usage.

use wharf_core::Usage;

use super::{LockedResv, ResvSut};

/// Adds a fence under the lock, with one slot for it.
fn add<S: ResvSut>(sut: &S, guard: &S::Guard<'_>, owner: &S::Owner, usage: Usage) {
    assert_eq!(guard.reserve_fences(1), Ok(()), "no slot");
    assert_eq!(guard.add_fence(&sut.fence(owner), usage), Ok(()));
}

/// A reservation can be made, locked, unlocked and dropped. Mirrors `sanitycheck`, which makes a fence as well.
pub fn sanitycheck<S: ResvSut>(sut: &S, usage: Usage) {
    let owner = sut.lone();
    let reservation = sut.reservation();
    drop(sut.lock(&reservation));
    assert!(sut.is_idle(&reservation, usage), "new and not idle");
    sut.signal(owner, None);
}

/// A reservation is idle when its fence is signaled, not before. Mirrors `test_signaling`.
pub fn test_signaling<S: ResvSut>(sut: &S, usage: Usage) {
    let (reservation, owner) = (sut.reservation(), sut.lone());
    let guard = sut.lock(&reservation);
    add(sut, &guard, &owner, usage);
    assert!(!sut.is_idle(&reservation, usage), "unexpectedly signaled");
    sut.signal(owner, None);
    assert!(sut.is_idle(&reservation, usage), "not signaled");
}

/// With the lock, the fence is found once, with its usage. Mirrors `test_for_each`.
pub fn test_for_each<S: ResvSut>(sut: &S, usage: Usage) {
    let (reservation, owner) = (sut.reservation(), sut.lone());
    let guard = sut.lock(&reservation);
    add(sut, &guard, &owner, usage);
    assert_eq!(guard.fences(usage), [(sut.fence(&owner), usage)]);
    sut.signal(owner, None);
}

/// Without the lock, the fence is found once, with its usage, also when the fences change on the way. Mirrors
/// `test_for_each_unlocked`.
///
/// DIFFERENCE: when the kernel's list is replaced on the way, its iterator starts anew, finds the fence again, and says so; users must
/// forget what they have gathered. Ours goes on through the fences of the moment when it began, so that nothing is found
/// twice; what came meanwhile is found by the next iteration.
pub fn test_for_each_unlocked<S: ResvSut>(sut: &S, usage: Usage) {
    let (reservation, owner, later) = (sut.reservation(), sut.lone(), sut.lone());
    add(sut, &sut.lock(&reservation), &owner, usage);
    let both = [(sut.fence(&owner), usage), (sut.fence(&later), usage)];
    let mut fences = sut.fences_unlocked(&reservation, usage);
    assert_eq!(fences.next().as_ref(), Some(&both[0]));
    add(sut, &sut.lock(&reservation), &later, usage);
    assert!(
        fences.next().is_none(),
        "found more than there was at the beginning"
    );
    assert!(sut.fences_unlocked(&reservation, usage).eq(both));
    sut.signal(owner, None);
    sut.signal(later, None);
    assert!(sut.fences_unlocked(&reservation, usage).next().is_none());
}

/// All fences can be had at once. Mirrors `test_get_fences`.
pub fn test_get_fences<S: ResvSut>(sut: &S, usage: Usage) {
    let (reservation, owner) = (sut.reservation(), sut.lone());
    add(sut, &sut.lock(&reservation), &owner, usage);
    let fences: Vec<S::Fence> = sut
        .fences_unlocked(&reservation, usage)
        .map(|(fence, _)| fence)
        .collect();
    assert_eq!(fences, [sut.fence(&owner)]);
    sut.signal(owner, None);
}
