//! Contexts: counts, ends, invented deadlocks.

use std::mem;

use crate::patience;
use wharf_core::ww::{WwLockError, WwMisuse};
use wharf_core::{AcquireCtx, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("contexts", WwAlgorithm::WoundWait);

#[test]
fn guards_count_and_know_their_mutex_and_context() {
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let ctx = AcquireCtx::new(&CLASS);
    let first = a.lock_in(&ctx, &patience()).expect("it is free");
    let second = b.try_lock_in(&ctx).expect("no misuse").expect("it is free");
    assert_eq!(ctx.held(), 2);
    assert!(first.guards(&a) && !first.guards(&b));
    assert!(std::ptr::eq(second.mutex(), &b));
    assert!(
        second
            .context()
            .is_some_and(|held_in| std::ptr::eq(held_in, &ctx))
    );
    drop(first);
    assert_eq!(ctx.held(), 1);
    drop(second);
    assert_eq!(ctx.held(), 0);
    assert!(a.try_lock().is_some_and(|guard| guard.context().is_none()));
}

#[test]
fn a_context_that_is_done_keeps_its_locks() {
    let a = WwMutex::new(&CLASS);
    let ctx = AcquireCtx::new(&CLASS);
    let guard = a.lock_in(&ctx, &patience()).expect("it is free");
    assert_eq!(ctx.done(), Ok(()));
    assert!(a.is_locked());
    assert_eq!(ctx.done(), Err(WwMisuse::Done { class: "contexts" }));
    drop(guard);
}

/// Counts the attempts between invented deadlocks.
#[test]
fn invented_deadlocks_grow_rare_and_never_meet_the_first_lock() {
    let mutexes: Vec<_> = (0..2).map(|_| WwMutex::new(&CLASS)).collect();
    let ctx = AcquireCtx::injecting_deadlocks(&CLASS);
    let first = mutexes[0].lock_in(&ctx, &patience()).expect("nothing is held");
    let mut first = Some(first);
    let (mut between, mut quiet) = (Vec::new(), 0);
    while between.len() < 4 {
        match mutexes[1].lock_in(&ctx, &patience()) {
            Ok(_second) => quiet += 1,
            Err(WwLockError::Deadlock(deadlock)) => {
                between.push(mem::take(&mut quiet));
                drop(first.take());
                drop(deadlock.lock_slow(&patience()).expect("it holds nothing"));
                first = Some(mutexes[0].lock_in(&ctx, &patience()).expect("nothing is held"));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(between, [0, 3, 10, 35]);
}

/// A context that ends although guards were forgotten leaves its mutex locked, and nobody hangs looking for it.
#[test]
fn wounding_a_context_that_is_gone_does_nothing() {
    let a = WwMutex::new(&CLASS);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let ctx = AcquireCtx::new(&CLASS);
        mem::forget(a.lock_in(&ctx, &patience()));
    }));
    assert_eq!(
        ended.is_err(),
        wharf_core::order::is_enabled(),
        "forgotten guards are reported"
    );
    assert!(a.is_locked());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ctx = AcquireCtx::new(&CLASS);
            let error = a
                .lock_in(&ctx, &crate::briefly())
                .map(drop)
                .expect_err("locked for ever");
            assert!(matches!(error, WwLockError::Wait(_)), "{error}");
        });
    });
}
