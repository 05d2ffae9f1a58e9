//! Waits that end, queues and hand-over.

use std::panic::resume_unwind;
use std::thread;

use crate::{briefly, patience};
use wharf_core::ww::{WwLockError, WwMisuse, WwWaitError};
use wharf_core::{AcquireCtx, Errno, Interrupt, Wait, WaitError, WwAlgorithm, WwClass, WwMutex};

static CLASS: WwClass = WwClass::new("waiting", WwAlgorithm::WaitDie);

/// Runs in a thread of its own and returns what it says.
fn elsewhere<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(body)
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[test]
fn a_wait_that_times_out_leaves_the_mutex_as_it_was() {
    let mutex = WwMutex::new(&CLASS);
    let guard = mutex.try_lock().expect("it is free");
    for wait in [Wait::not(), briefly()] {
        let error = elsewhere(|| mutex.lock(&wait).map(drop)).expect_err("it is held");
        assert_eq!(error, WwWaitError::Wait(WaitError::TimedOut));
        assert_eq!(error.errno(), Errno::ETIMEDOUT);
    }
    assert!(mutex.is_locked());
    drop(guard);
    assert!(!mutex.is_locked());
}

#[test]
fn a_context_is_not_changed_by_a_wait_that_times_out() {
    let mutexes = [WwMutex::new(&CLASS), WwMutex::new(&CLASS)];
    let guard = mutexes[0].try_lock().expect("it is free");
    elsewhere(|| {
        let ctx = AcquireCtx::new(&CLASS);
        let error = mutexes[0]
            .lock_in(&ctx, &briefly())
            .map(drop)
            .expect_err("it is held");
        assert!(matches!(error, WwLockError::Wait(WaitError::TimedOut)), "{error}");
        assert_eq!(ctx.held(), 0);
        assert!(mutexes[1].lock_in(&ctx, &patience()).is_ok());
    });
    drop(guard);
}

#[test]
fn an_interrupt_ends_a_wait_and_not_a_lock_that_is_free() {
    let mutex = WwMutex::new(&CLASS);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let wait = patience().interruptible(&interrupt);
    let guard = mutex.lock(&wait).expect("it is free");
    let error =
        elsewhere(|| mutex.lock(&patience().interruptible(&interrupt)).map(drop)).expect_err("interrupted");
    assert_eq!(error, WwWaitError::Wait(WaitError::Interrupted));
    assert_eq!(error.errno(), Errno::EINTR);
    drop(guard);
    assert!(!mutex.is_locked());
}

#[test]
fn locking_twice_in_a_thread_is_an_error_and_not_a_hang() {
    let (a, b) = (WwMutex::new(&CLASS), WwMutex::new(&CLASS));
    let recursion = WwMisuse::Recursion { class: "waiting" };

    let guard = a.lock(&patience()).expect("it is free");
    let error = a.lock(&patience()).map(drop).expect_err("held without a context");
    assert_eq!(error, WwWaitError::Misuse(recursion));
    assert_eq!(error.errno(), Errno::EDEADLK);
    drop(guard);

    let ctx = AcquireCtx::new(&CLASS);
    let guard = b.lock_in(&ctx, &patience()).expect("it is free");
    let error = b.lock(&patience()).map(drop).expect_err("held in a context");
    assert_eq!(error, WwWaitError::Misuse(recursion));
    drop(guard);

    let guard = b.try_lock().expect("it is free");
    let error = b
        .lock_in(&ctx, &patience())
        .map(drop)
        .expect_err("held outside the context");
    assert!(
        matches!(error, WwLockError::Misuse(misuse) if misuse == recursion),
        "{error}"
    );
    drop(guard);
}

#[test]
fn a_panic_while_holding_unlocks() {
    let mutex = WwMutex::new(&CLASS);
    thread::scope(|scope| {
        let panicked = scope.spawn(|| {
            let _guard = mutex.try_lock().expect("it is free");
            panic!("while holding");
        });
        assert!(panicked.join().is_err());
    });
    assert!(!mutex.is_locked());
}
