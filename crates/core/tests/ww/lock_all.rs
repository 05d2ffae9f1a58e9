//! Locking a list.

use std::thread;

use crate::{briefly, patience};
use wharf_core::ww::{self, WwMisuse, WwWaitError};
use wharf_core::{AcquireCtx, WaitError, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("lists", WwAlgorithm::WaitDie);
static OTHER: WwClass = WwClass::new("others", WwAlgorithm::WaitDie);

fn mutexes<const N: usize>() -> [WwMutex; N] {
    std::array::from_fn(|_| WwMutex::new(&CLASS))
}

#[test]
fn a_list_is_locked_once_each_and_unlocked_together() {
    let [a, b, c] = mutexes();
    let ctx = AcquireCtx::new(&CLASS);
    let set = ww::lock_all(&ctx, &[&b, &a, &b, &a], &patience()).expect("all are free");
    assert_eq!((set.len(), ctx.held()), (2, 2));
    assert!(set.guard(&a).is_some() && set.guard(&b).is_some());
    assert!(set.guard(&c).is_none());
    drop(set);
    assert!(!a.is_locked() && !b.is_locked());
    assert!(
        ww::lock_all(&ctx, &[], &patience())
            .expect("nothing to do")
            .is_empty()
    );
}

#[test]
fn invented_deadlocks_are_backed_off_from() {
    let all: [WwMutex; 50] = mutexes();
    let list: Vec<_> = all.iter().collect();
    let ctx = AcquireCtx::injecting_deadlocks(&CLASS);
    let set = ww::lock_all(&ctx, &list, &patience()).expect("all are free");
    assert_eq!(set.len(), 50);
    assert_eq!(set.into_iter().map(drop).count(), 50);
    assert_eq!(ctx.held(), 0);
}

#[test]
fn a_list_that_is_not_had_in_time_leaves_nothing_locked() {
    let [a, b] = mutexes();
    let guard = b.try_lock().expect("it is free");
    thread::scope(|scope| {
        scope.spawn(|| {
            let ctx = AcquireCtx::new(&CLASS);
            let error = ww::lock_all(&ctx, &[&a, &b], &briefly()).expect_err("one is held");
            assert_eq!(error, WwWaitError::Wait(WaitError::TimedOut));
            assert_eq!(ctx.held(), 0);
        });
    });
    drop(guard);
    assert!(!a.is_locked());
}

#[test]
fn misuse_is_refused() {
    let [a, b] = mutexes();
    let ctx = AcquireCtx::new(&CLASS);
    let guard = a.lock_in(&ctx, &patience()).expect("it is free");
    let error = ww::lock_all(&ctx, &[&b], &patience()).expect_err("it holds one");
    let held = WwMisuse::HoldsOthers {
        class: "lists",
        held: 1,
    };
    assert_eq!(error, WwWaitError::Misuse(held));
    drop(guard);

    let foreign = WwMutex::new(&OTHER);
    let error = ww::lock_all(&ctx, &[&a, &foreign], &patience()).expect_err("two classes");
    let classes = WwMisuse::OtherClass {
        mutex: "others",
        context: "lists",
    };
    assert_eq!(error, WwWaitError::Misuse(classes));
    assert!(!a.is_locked());
}
