//! Ww-mutexes, beyond what locking-selftest.c asks.

use std::mem;

use crate::{caught, passes};
use wharf_core::order::{self, How, LockClass, OrderedMutex, Violation};
use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex, ww};

#[test]
fn a_mutex_tried_outside_the_context_keeps_the_context_from_locking() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let report = caught(|| {
        let ctx = AcquireCtx::new(&CLASS);
        let _a = a.try_lock();
        let _b = b.lock_in(&ctx, &Wait::forever());
    });
    assert_eq!(report.violation(), Violation::SameClass);
    assert!(!a.is_locked() && !b.is_locked());
}

#[test]
fn mutexes_of_two_classes_have_an_order() {
    static FRAMES: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    static LISTS: WwClass = WwClass::new("lists", WwAlgorithm::WoundWait);
    let (frame, list) = (WwMutex::new(&FRAMES), WwMutex::new(&LISTS));
    passes(|| {
        let (frames, lists) = (AcquireCtx::new(&FRAMES), AcquireCtx::new(&LISTS));
        let _frame = frame.lock_in(&frames, &Wait::forever());
        let _list = list.lock_in(&lists, &Wait::forever());
    });
    let report = caught(|| {
        let _list = list.lock(&Wait::forever());
        let _frame = frame.lock(&Wait::forever());
    });
    assert_eq!(report.violation(), Violation::Inversion);
}

#[test]
fn a_context_that_backs_off_and_retries_passes() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    let mutexes = [(); 20].map(|()| WwMutex::new(&CLASS));
    passes(|| {
        let ctx = AcquireCtx::injecting_deadlocks(&CLASS);
        let list: Vec<_> = mutexes.iter().collect();
        assert_eq!(
            ww::lock_all(&ctx, &list, &Wait::forever()).map(|set| set.len()),
            Ok(20)
        );
    });
}

#[test]
fn locks_inside_different_mutexes_are_not_one_set() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    static PAGES: LockClass = LockClass::new("pages");
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let pages = [OrderedMutex::new(&PAGES, ()), OrderedMutex::new(&PAGES, ())];
    let report = caught(|| {
        let ctx = AcquireCtx::new(&CLASS);
        let (a, b) = (
            a.lock_in(&ctx, &Wait::forever()),
            b.lock_in(&ctx, &Wait::forever()),
        );
        let (a, b) = (a.expect("it is free"), b.expect("it is free"));
        let _first = pages[0].lock_inside(&a);
        let _second = pages[1].lock_inside(&b);
    });
    assert_eq!(report.violation(), Violation::SameClass);
}

#[test]
fn forgotten_guards_are_reported_when_their_context_ends() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    let mutex = WwMutex::new(&CLASS);
    let report = caught(|| {
        let ctx = AcquireCtx::new(&CLASS);
        mem::forget(mutex.lock_in(&ctx, &Wait::forever()));
    });
    assert_eq!(report.violation(), Violation::Forgotten);
    assert!(
        report.to_string().contains("acquire context of 'frames'"),
        "{report}"
    );
}

#[test]
fn a_refused_lock_is_not_believed_to_be_held() {
    static CLASS: WwClass = WwClass::new("frames", WwAlgorithm::WaitDie);
    static RING: LockClass = LockClass::new("ring");
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let _held = a.try_lock();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            passes(|| {
                assert!(a.lock(&Wait::not()).is_err());
                drop(b.lock(&Wait::forever()));
                let _ring = order::acquire(&RING, How::Block);
            });
        });
    });
}
