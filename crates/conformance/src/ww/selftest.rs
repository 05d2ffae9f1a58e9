//! What is allowed, and what must be caught. Mirrors the ww part of lib/locking-selftest.c, v6.12.
//!
//! A fault is caught by the types (it does not compile; see the compile-fail tests of the system), by a typed error in every build, or
//! by the checker of lock order in debug builds. Cases of the last kind do nothing in builds without the checker: there the fault
//! would be a hang.
//!
//! | Must be caught | How |
//! |---|---|
//! | unneeded_slow, unlock_twice, fini_early, object_unlock_twice, lock_unbalanced, stale_context, acquire_more_slow, acquire_more_edeadlk_slow, acquire_wrong_slow, spin_nest_unlocked | does not compile |
//! | diff_class, done_twice, lock_after_done, edeadlk_no_unlock, edeadlk_no_unlock_slow, acquire_more, acquire_more_edeadlk, acquire_wrong | typed error |
//! | two_contexts, context_block, try_block, try_context, block_block, block_context, spin_block, spin_context | checker |

use wharf_core::Errno;

use super::stage::{Scene, expect_errno, expect_lock, with_deadlock};
use super::{Caught, WwSut};

/// Mirrors `ww_test_fail_acquire`; its -EDEADLK, made there by changing stamps, is in the edeadlk cases here.
pub fn fail_acquire<S: WwSut>(sut: &S) {
    let class = sut.class();
    let o = sut.mutex(class);
    let ctx = sut.open(class);
    let guard = expect_lock(sut.lock_in(&o, &ctx));
    assert_eq!(expect_errno(sut.lock_in(&o, &ctx)), Errno::EALREADY);
    assert!(sut.try_lock(&o).is_none());
    drop(guard);
    assert!(sut.try_lock(&o).is_some());
}

/// Mirrors `ww_test_normal`: without contexts a ww-mutex is a mutex.
pub fn normal<S: WwSut>(sut: &S) {
    let o = sut.mutex(sut.class());
    let guard = sut.lock(&o).expect("it is free");
    assert!(sut.is_locked(&o));
    assert!(sut.try_lock(&o).is_none());
    drop(guard);
    assert!(!sut.is_locked(&o));
    drop(sut.try_lock(&o).expect("it is free"));
    assert!(!sut.is_locked(&o));
}

/// Mirrors `ww_test_edeadlk_normal`: after backing off the contended one can be locked like any other.
pub fn edeadlk_normal<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |scene, ctx, o, deadlock| {
        drop((o, deadlock));
        let o2 = expect_lock(sut.lock_in(&scene.o2, ctx));
        let o = expect_lock(sut.lock_in(&scene.o, ctx));
        drop((o, o2));
    });
}

/// Mirrors `ww_test_edeadlk_normal_slow`.
pub fn edeadlk_normal_slow<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |scene, ctx, o, deadlock| {
        drop(o);
        let o2 = S::lock_slow(deadlock)
            .map_err(|(errno, _)| errno)
            .expect("it holds nothing");
        let o = expect_lock(sut.lock_in(&scene.o, ctx));
        drop((o, o2));
    });
}

/// Mirrors `ww_test_edeadlk_no_unlock`.
pub fn edeadlk_no_unlock<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |scene, ctx, _o, deadlock| {
        drop(deadlock);
        assert_eq!(expect_errno(sut.lock_in(&scene.o2, ctx)), Errno::EINVAL);
    });
}

/// Mirrors `ww_test_edeadlk_no_unlock_slow`; the deadlock comes back and can be acted upon after all.
pub fn edeadlk_no_unlock_slow<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |_, _, o, deadlock| {
        let Err((errno, deadlock)) = S::lock_slow(deadlock) else {
            panic!("locked while holding others");
        };
        assert_eq!(errno, Errno::EINVAL);
        drop(o);
        assert!(S::lock_slow(deadlock).is_ok());
    });
}

/// Mirrors `ww_test_edeadlk_acquire_more`.
pub fn acquire_more<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |scene, ctx, _o, _deadlock| {
        refused_third(sut, scene, ctx)
    });
}

/// Mirrors `ww_test_edeadlk_acquire_more_edeadlk`: the third is contended too.
pub fn acquire_more_edeadlk<S: WwSut>(sut: &S) {
    with_deadlock(sut, true, |scene, ctx, _o, _deadlock| {
        refused_third(sut, scene, ctx)
    });
}

/// Mirrors `ww_test_edeadlk_acquire_wrong`.
pub fn acquire_wrong<S: WwSut>(sut: &S) {
    with_deadlock(sut, false, |scene, ctx, o, _deadlock| {
        drop(o);
        refused_third(sut, scene, ctx);
    });
}

/// A context that owes a slow lock gets nothing else, blocking or not.
fn refused_third<S: WwSut>(sut: &S, scene: &Scene<S>, ctx: &S::Ctx) {
    assert_eq!(expect_errno(sut.lock_in(&scene.o3, ctx)), Errno::EINVAL);
    assert_eq!(sut.try_lock_in(&scene.o3, ctx).err(), Some(Errno::EINVAL));
}

/// Mirrors `ww_test_diff_class`.
pub fn diff_class<S: WwSut>(sut: &S) {
    let o = sut.mutex(sut.class());
    let ctx = sut.open(sut.class());
    assert_eq!(expect_errno(sut.lock_in(&o, &ctx)), Errno::EINVAL);
    assert_eq!(sut.try_lock_in(&o, &ctx).err(), Some(Errno::EINVAL));
    assert!(!sut.is_locked(&o));
}

/// Mirrors `ww_test_context_done_twice`.
pub fn done_twice<S: WwSut>(sut: &S) {
    let ctx = sut.open(sut.class());
    assert_eq!(sut.done(&ctx), Ok(()));
    assert_eq!(sut.done(&ctx), Err(Errno::EINVAL));
}

/// Mirrors `ww_test_context_lock_after_done`.
pub fn lock_after_done<S: WwSut>(sut: &S) {
    let class = sut.class();
    let o = sut.mutex(class);
    let ctx = sut.open(class);
    assert_eq!(sut.done(&ctx), Ok(()));
    assert_eq!(expect_errno(sut.lock_in(&o, &ctx)), Errno::EINVAL);
    assert!(!sut.is_locked(&o));
}

/// Mirrors `ww_test_spin_nest_lock`: several locks of one class inside a held ww-mutex.
pub fn spin_nest_lock<S: WwSut>(sut: &S) {
    passes(sut, || {
        let class = sut.class();
        let (o, [a, b]) = (sut.mutex(class), sut.locks());
        let ctx = sut.open(class);
        let around = expect_lock(sut.lock_in(&o, &ctx));
        let _a = sut.take_inside(&a, &around);
        let _b = sut.take_inside(&b, &around);
    });
}

/// How the two locks of a case are taken.
#[derive(Clone, Copy)]
enum Take {
    Block,
    Try,
    Context,
}

/// Mirrors `ww_test_context_try`.
pub fn context_try<S: WwSut>(sut: &S) {
    passes(sut, || two(sut, Take::Context, Take::Try));
}

/// Mirrors `ww_test_context_context`.
pub fn context_context<S: WwSut>(sut: &S) {
    passes(sut, || {
        let class = sut.class();
        let (o, o2) = (sut.mutex(class), sut.mutex(class));
        let ctx = sut.open(class);
        let _o = expect_lock(sut.lock_in(&o, &ctx));
        let _o2 = expect_lock(sut.lock_in(&o2, &ctx));
    });
}

/// Mirrors `ww_test_try_try`.
pub fn try_try<S: WwSut>(sut: &S) {
    passes(sut, || two(sut, Take::Try, Take::Try));
}

/// Mirrors `ww_test_block_try`.
pub fn block_try<S: WwSut>(sut: &S) {
    passes(sut, || two(sut, Take::Block, Take::Try));
}

/// Mirrors `ww_test_two_contexts`.
pub fn two_contexts<S: WwSut>(sut: &S) {
    is_caught(sut, || {
        let class = sut.class();
        let _ctx = sut.open(class);
        let _ctx2 = sut.open(class);
    });
}

/// Mirrors `ww_test_context_block`.
pub fn context_block<S: WwSut>(sut: &S) {
    is_caught(sut, || two(sut, Take::Context, Take::Block));
}

/// Mirrors `ww_test_try_block`.
pub fn try_block<S: WwSut>(sut: &S) {
    is_caught(sut, || two(sut, Take::Try, Take::Block));
}

/// Mirrors `ww_test_try_context`.
pub fn try_context<S: WwSut>(sut: &S) {
    is_caught(sut, || two(sut, Take::Try, Take::Context));
}

/// Mirrors `ww_test_block_block`.
pub fn block_block<S: WwSut>(sut: &S) {
    is_caught(sut, || two(sut, Take::Block, Take::Block));
}

/// Mirrors `ww_test_block_context`.
pub fn block_context<S: WwSut>(sut: &S) {
    is_caught(sut, || two(sut, Take::Block, Take::Context));
}

/// Locks two mutexes of a class, the second while the first is held.
fn two<S: WwSut>(sut: &S, first: Take, second: Take) {
    let class = sut.class();
    let (o, o2) = (sut.mutex(class), sut.mutex(class));
    one(sut, class, &o, first, || one(sut, class, &o2, second, || ()));
}

/// Locks a mutex, runs `inside`, and unlocks.
fn one<S: WwSut>(sut: &S, class: S::Class, mutex: &S::Mutex, take: Take, inside: impl FnOnce()) {
    match take {
        Take::Block => {
            let _guard = sut.lock(mutex).expect("it is free");
            inside();
        }
        Take::Try => {
            let _guard = sut.try_lock(mutex).expect("it is free");
            inside();
        }
        Take::Context => {
            let ctx = sut.open(class);
            let _guard = expect_lock(sut.lock_in(mutex, &ctx));
            inside();
        }
    }
}

/// Mirrors `ww_test_spin_try`: a mutex that was only tried inside another lock may be outside it too.
pub fn spin_try<S: WwSut>(sut: &S) {
    passes(sut, || inside_and_outside(sut, Take::Try));
}

/// Mirrors `ww_test_spin_block`.
pub fn spin_block<S: WwSut>(sut: &S) {
    is_caught(sut, || inside_and_outside(sut, Take::Block));
}

/// Mirrors `ww_test_spin_context`.
pub fn spin_context<S: WwSut>(sut: &S) {
    is_caught(sut, || inside_and_outside(sut, Take::Context));
}

/// Locks a mutex inside another lock, then the other lock inside the mutex.
fn inside_and_outside<S: WwSut>(sut: &S, take: Take) {
    let class = sut.class();
    let (o, [a, _]) = (sut.mutex(class), sut.locks());
    {
        let _a = sut.take(&a);
        one(sut, class, &o, take, || ());
    }
    one(sut, class, &o, take, || drop(sut.take(&a)));
}

/// The checker lets it pass.
fn passes<S: WwSut>(sut: &S, allowed: impl FnOnce()) {
    if let Caught::Reported(report) = sut.watch(allowed) {
        panic!("reported although allowed: {report}");
    }
}

/// The checker catches it, and says what to do.
fn is_caught<S: WwSut>(sut: &S, misuse: impl FnOnce()) {
    if !sut.checks_order() {
        eprintln!("skipped: this build does not check the order of locks");
        return;
    }
    match sut.watch(misuse) {
        Caught::Reported(report) => assert!(report.contains("what to do: "), "{report}"),
        Caught::Nothing => panic!("not caught"),
    }
}
