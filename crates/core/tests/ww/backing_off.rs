//! Who backs off, and when.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use crate::{briefly, patience};
use wharf_core::ww::{WwLockError, WwMisuse, WwWaitError};
use wharf_core::{AcquireCtx, Errno, Interrupt, WaitError, WwAlgorithm, WwClass, WwMutex};

static WAIT_DIE: WwClass = WwClass::new("wait-die", WwAlgorithm::WaitDie);
static WOUND_WAIT: WwClass = WwClass::new("wound-wait", WwAlgorithm::WoundWait);

#[test]
fn in_wait_die_the_younger_does_not_wait_for_the_older() {
    let (a, b) = (WwMutex::new(&WAIT_DIE), WwMutex::new(&WAIT_DIE));
    let older = AcquireCtx::new(&WAIT_DIE);
    let guard = a.lock_in(&older, &patience()).expect("it is free");
    thread::scope(|scope| {
        scope.spawn(|| {
            let younger = AcquireCtx::new(&WAIT_DIE);
            let _b = b.lock_in(&younger, &patience()).expect("it is free");
            let error = a
                .lock_in(&younger, &patience())
                .map(drop)
                .expect_err("an older one has it");
            assert!(
                matches!(&error, WwLockError::Deadlock(deadlock) if std::ptr::eq(deadlock.contended(), &a))
            );
            assert_eq!(error.errno(), Errno::EDEADLK);
        });
    });
    drop(guard);
}

#[test]
fn in_wound_wait_the_younger_waits_for_the_older() {
    let (a, b) = (WwMutex::new(&WOUND_WAIT), WwMutex::new(&WOUND_WAIT));
    let older = AcquireCtx::new(&WOUND_WAIT);
    let guard = a.lock_in(&older, &patience()).expect("it is free");
    thread::scope(|scope| {
        scope.spawn(|| {
            let younger = AcquireCtx::new(&WOUND_WAIT);
            let _b = b.lock_in(&younger, &patience()).expect("it is free");
            let error = a
                .lock_in(&younger, &briefly())
                .map(drop)
                .expect_err("an older one has it");
            assert!(matches!(error, WwLockError::Wait(WaitError::TimedOut)), "{error}");
        });
    });
    drop(guard);
}

#[test]
fn a_context_that_holds_nothing_is_never_told_to_back_off() {
    for class in [&WAIT_DIE, &WOUND_WAIT] {
        let a = WwMutex::new(class);
        let older = AcquireCtx::new(class);
        let guard = a.lock_in(&older, &patience()).expect("it is free");
        thread::scope(|scope| {
            scope.spawn(|| {
                let younger = AcquireCtx::new(class);
                let error = a.lock_in(&younger, &briefly()).map(drop).expect_err("it is held");
                assert!(matches!(error, WwLockError::Wait(WaitError::TimedOut)), "{error}");
            });
        });
        drop(guard);
    }
}

/// A younger context waits with something in its hand; an older one that comes into the queue drives it away.
#[test]
fn in_wait_die_a_waiter_is_driven_away_by_an_older_one() {
    let (a, b) = (WwMutex::new(&WAIT_DIE), WwMutex::new(&WAIT_DIE));
    let plain = a.try_lock().expect("it is free");
    let (opened, open) = mpsc::channel();
    thread::scope(|scope| {
        let (a, b) = (&a, &b);
        let (queued, go) = mpsc::channel::<()>();
        scope.spawn(move || {
            let older = AcquireCtx::new(&WAIT_DIE);
            opened.send(()).expect("the other listens");
            go.recv().expect("the test sends");
            drop(a.lock_in(&older, &patience()).expect("it holds nothing"));
        });
        let younger = scope.spawn(move || {
            open.recv().expect("the other sends");
            let younger = AcquireCtx::new(&WAIT_DIE);
            let _b = b.lock_in(&younger, &patience()).expect("it is free");
            queued.send(()).expect("the other listens");
            matches!(a.lock_in(&younger, &patience()), Err(WwLockError::Deadlock(_)))
        });
        assert!(
            younger.join().expect("no panic"),
            "it waited behind an older context"
        );
        drop(plain);
    });
}

/// The holder is wounded while it runs, and finds out when it would have to wait; before that it gets what is free.
#[test]
fn in_wound_wait_a_running_holder_backs_off_when_it_next_waits() {
    let mutexes = [(); 3].map(|()| WwMutex::new(&WOUND_WAIT));
    let [a, b, c] = &mutexes;
    let wounded = AtomicBool::new(false);
    let (opened, open) = mpsc::channel();
    thread::scope(|scope| {
        let (held, hold) = mpsc::channel::<()>();
        scope.spawn(move || {
            let older = AcquireCtx::new(&WOUND_WAIT);
            let _b = b.lock_in(&older, &patience()).expect("it is free");
            opened.send(()).expect("the other listens");
            hold.recv().expect("the other sends");
            drop(a.lock_in(&older, &patience()).expect("the older gets it"));
        });
        open.recv().expect("the other sends");
        let younger = AcquireCtx::new(&WOUND_WAIT);
        let guard = a.lock_in(&younger, &patience()).expect("it is free");
        held.send(()).expect("the other listens");
        drop(c.lock_in(&younger, &patience()).expect("free, so no wait"));
        let Err(WwLockError::Deadlock(deadlock)) = b.lock_in(&younger, &patience()) else {
            panic!("both wait for each other");
        };
        wounded.store(true, SeqCst);
        drop(guard);
        drop(deadlock.lock_slow(&patience()).expect("the older ends"));
    });
    assert!(wounded.load(SeqCst));
}

/// Having backed off once, a context is not told again for the same reason.
#[test]
fn a_wound_heals_when_the_context_has_backed_off() {
    let mutexes = [(); 3].map(|()| WwMutex::new(&WOUND_WAIT));
    let [a, b, c] = &mutexes;
    let (opened, open) = mpsc::channel();
    let plain = c.try_lock().expect("it is free");
    thread::scope(|scope| {
        let (held, hold) = mpsc::channel::<()>();
        scope.spawn(move || {
            let older = AcquireCtx::new(&WOUND_WAIT);
            let _b = b.lock_in(&older, &patience()).expect("it is free");
            opened.send(()).expect("the other listens");
            hold.recv().expect("the other sends");
            drop(a.lock_in(&older, &patience()).expect("the older gets it"));
        });
        scope.spawn(move || {
            open.recv().expect("the other sends");
            let younger = AcquireCtx::new(&WOUND_WAIT);
            let guard = a.lock_in(&younger, &patience()).expect("it is free");
            held.send(()).expect("the other listens");
            let Err(WwLockError::Deadlock(deadlock)) = b.lock_in(&younger, &patience()) else {
                panic!("both wait for each other");
            };
            drop(guard);
            let _b = deadlock.lock_slow(&patience()).expect("the older ends");
            let error = c.lock_in(&younger, &briefly()).map(drop).expect_err("it is held");
            assert!(matches!(error, WwLockError::Wait(WaitError::TimedOut)), "{error}");
        });
    });
    drop(plain);
}

#[test]
fn a_slow_lock_that_fails_gives_the_deadlock_back() {
    let (a, b) = (WwMutex::new(&WAIT_DIE), WwMutex::new(&WAIT_DIE));
    let ctx = AcquireCtx::injecting_deadlocks(&WAIT_DIE);
    let first = a.lock_in(&ctx, &patience()).expect("it is free");
    let Err(WwLockError::Deadlock(deadlock)) = b.lock_in(&ctx, &patience()) else {
        panic!("the context invents one here");
    };
    let error = deadlock.lock_slow(&patience()).expect_err("it holds one");
    assert_eq!(
        *error.cause(),
        WwWaitError::Misuse(WwMisuse::NotBackedOff {
            class: "wait-die",
            held: 1
        })
    );
    drop(first);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let deadlock = error.into_deadlock();
    thread::scope(|scope| {
        let (taken, take) = mpsc::channel();
        let (give, given) = mpsc::channel::<()>();
        let b = &b;
        scope.spawn(move || {
            let _other = b.try_lock().expect("it is free");
            taken.send(()).expect("the test listens");
            given.recv().expect("the test sends");
        });
        take.recv().expect("the other sends");
        let error = deadlock
            .lock_slow(&patience().interruptible(&interrupt))
            .expect_err("interrupted");
        assert_eq!(error.errno(), Errno::EINTR);
        give.send(()).expect("the other listens");
        assert!(error.into_deadlock().lock_slow(&patience()).is_ok());
    });
}
