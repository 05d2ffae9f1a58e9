//! Fences of work that others have begun already, added without waiting for the lock.

use wharf_core::{AddFenceError, FenceArray, FenceContext, Reservation, UniqueFence, Usage, Wait};

#[test]
fn foreign_fence_is_there_at_once_when_nobody_has_the_lock() {
    let reservation = Reservation::new();
    let work = FenceContext::new("test", "elsewhere").fence(1);
    reservation.add_foreign_fence(&work.fence(), Usage::Read).unwrap();
    assert!(!reservation.is_locked());
    let seen: Vec<_> = reservation.fences(Usage::Bookkeep).collect();
    assert_eq!(seen, [(work.fence(), Usage::Read)]);
    work.signal();
    assert!(reservation.is_signaled(Usage::Read));
}

#[test]
fn foreign_fence_is_there_before_the_holder_has_unlocked() {
    let reservation = Reservation::new();
    let work = FenceContext::new("test", "elsewhere").fence(1);
    let guard = reservation.lock(&Wait::forever()).unwrap();
    // From this thread, which would wait for itself.
    reservation
        .add_foreign_fence(&work.fence(), Usage::Write)
        .unwrap();
    drop(guard);
    assert!(!reservation.is_signaled(Usage::Write));
}

#[test]
fn foreign_fence_takes_the_place_of_the_one_before() {
    let reservation = Reservation::new();
    let context = FenceContext::new("test", "elsewhere");
    let works: Vec<_> = (1..=100).map(|seqno| context.fence(seqno)).collect();
    for work in &works {
        reservation.add_foreign_fence(&work.fence(), Usage::Read).unwrap();
    }
    let guard = reservation.lock(&Wait::forever()).unwrap();
    let seqnos: Vec<_> = guard
        .fences(Usage::Bookkeep)
        .map(|(fence, _)| fence.seqno())
        .collect();
    assert_eq!(seqnos, [100]);
}

#[test]
fn container_is_refused() {
    let reservation = Reservation::new();
    let works = [1, 2].map(|_| FenceContext::new("test", "elsewhere").fence(1));
    let array = FenceArray::new(works.iter().map(UniqueFence::fence)).unwrap();
    let refused = reservation.add_foreign_fence(array.fence(), Usage::Read);
    assert_eq!(refused, Err(AddFenceError::Container));
    assert!(reservation.is_signaled(Usage::Read));
}
