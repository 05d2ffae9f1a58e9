//! Locking one and several.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use wharf_core::{
    AcquireCtx, Deadline, Errno, Interrupt, RESERVATION_CLASS, Reservation, ReservationDeadlock,
    ReservationGuard, ReservationLockError, Wait, WwAlgorithm, WwClass, WwMisuse, WwWaitError,
};

use crate::tools::{lock, patience};

#[test]
fn lock_is_exclusive_and_ends_with_the_guard() {
    let reservation = Reservation::new();
    let guard = lock(&reservation);
    assert!(reservation.is_locked());
    assert!(reservation.try_lock().is_none());
    drop(guard);
    assert!(!reservation.is_locked());
    assert!(reservation.try_lock().is_some());
}

#[test]
fn guard_knows_its_reservation() {
    let (own, other) = (Reservation::new(), Reservation::new());
    let guard = lock(&own);
    assert!(guard.guards(&own) && !guard.guards(&other));
    assert!(std::ptr::eq(guard.reservation(), &*own));
}

#[test]
fn second_lock_of_a_thread_is_refused_instead_of_hanging() {
    let reservation = Reservation::new();
    let _guard = lock(&reservation);
    let refused = reservation.lock(&Wait::forever()).unwrap_err();
    assert_eq!(refused.errno(), Errno::EDEADLK);
    assert!(matches!(refused, WwWaitError::Misuse(WwMisuse::Recursion { .. })));
}

#[test]
fn wait_for_the_lock_ends_with_its_bounds() {
    let (reservation, interrupt) = (Reservation::new(), Interrupt::new());
    let _guard = lock(&reservation);
    thread::scope(|scope| {
        scope.spawn(|| {
            let short = Wait::until(Deadline::after(Duration::from_millis(2)));
            let errno = |wait: &Wait<'_>| reservation.lock(wait).unwrap_err().errno();
            assert_eq!(errno(&Wait::not()), Errno::ETIMEDOUT);
            assert_eq!(errno(&short), Errno::ETIMEDOUT);
            interrupt.raise();
            assert_eq!(errno(&patience().interruptible(&interrupt)), Errno::EINTR);
        });
    });
}

#[test]
fn context_that_has_it_already_is_told() {
    let reservation = Reservation::new();
    let context = AcquireCtx::new(&RESERVATION_CLASS);
    let _guard = reservation.lock_in(&context, &Wait::not()).unwrap();
    let again = reservation.lock_in(&context, &Wait::forever()).unwrap_err();
    assert!(matches!(again, ReservationLockError::AlreadyLocked));
}

static OTHERS: WwClass = WwClass::new("others", WwAlgorithm::WaitDie);

#[test]
fn context_of_another_class_is_misuse() {
    let reservation = Reservation::new();
    let context = AcquireCtx::new(&OTHERS);
    let refused = reservation.lock_in(&context, &Wait::not()).unwrap_err();
    assert_eq!(refused.errno(), Errno::EINVAL);
}

/// Locks the first, and meets a deadlock at the second.
fn meet<'r>(
    context: &'r AcquireCtx,
    first: &'r Reservation,
    second: &'r Reservation,
) -> (ReservationGuard<'r>, ReservationDeadlock<'r>) {
    let guard = first.lock_in(context, &Wait::not()).unwrap();
    match second.lock_in(context, &Wait::not()) {
        Err(ReservationLockError::Deadlock(deadlock)) => (guard, deadlock),
        other => panic!("{other:?}"),
    }
}

#[test]
fn deadlock_leads_back_to_the_contended_reservation() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
    let (guard, deadlock) = meet(&context, &first, &second);
    assert_eq!(deadlock.errno(), Errno::EDEADLK);
    assert!(std::ptr::eq(deadlock.contended(), &*second));
    drop(guard);
    let guard = deadlock.lock_slow(&Wait::not()).unwrap();
    assert!(guard.guards(&second) && second.is_locked());
    let _other = first.lock_in(&context, &Wait::not()).unwrap();
    assert_eq!(context.held(), 2);
}

#[test]
fn slow_lock_before_backing_off_gives_the_deadlock_back() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
    let (guard, deadlock) = meet(&context, &first, &second);
    let refused = deadlock.lock_slow(&Wait::forever()).unwrap_err();
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert!(matches!(
        refused.cause(),
        WwWaitError::Misuse(WwMisuse::NotBackedOff { held: 1, .. })
    ));
    let deadlock = refused.into_deadlock();
    drop(guard);
    drop(deadlock.lock_slow(&Wait::not()).unwrap());
}

#[test]
fn slow_lock_that_times_out_gives_the_deadlock_back() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
    let (guard, deadlock) = meet(&context, &first, &second);
    drop(guard);
    let deadlock = thread::scope(|scope| {
        let (locked, is_locked) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let second = &second;
        scope.spawn(move || {
            let _guard = lock(second);
            locked.send(()).unwrap();
            let _ = released.recv();
        });
        is_locked.recv().unwrap();
        let refused = deadlock.lock_slow(&Wait::not()).unwrap_err();
        assert_eq!(refused.errno(), Errno::ETIMEDOUT);
        drop(release);
        refused.into_deadlock()
    });
    drop(deadlock.lock_slow(&patience()).unwrap());
}

/// There is no slow lock of a wrong reservation; a context that owes one may only lock that.
#[test]
fn context_that_owes_a_slow_lock_locks_nothing_else() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
    let (guard, deadlock) = meet(&context, &first, &second);
    drop(guard);
    let refused = first.lock_in(&context, &Wait::not()).unwrap_err();
    assert!(matches!(
        refused,
        ReservationLockError::Misuse(WwMisuse::NotTheContended { .. })
    ));
    drop(deadlock);
}

#[test]
fn locking_all_locks_each_once_whatever_the_list() {
    let reservations = [(); 3].map(|()| Reservation::new());
    let [a, b, c] = reservations.each_ref().map(|one| &**one);
    for open in [AcquireCtx::new, AcquireCtx::injecting_deadlocks] {
        let context = open(&RESERVATION_CLASS);
        let set = Reservation::lock_all(&context, &[b, a, b, c, a], &Wait::not()).unwrap();
        assert_eq!((set.guards().len(), context.held()), (3, 3));
        for one in [a, b, c] {
            assert!(set.guard(one).unwrap().guards(one) && one.is_locked());
        }
        assert!(set.guard(&Reservation::new()).is_none());
        drop(set);
        assert!([a, b, c].iter().all(|one| !one.is_locked()));
    }
}

#[test]
fn locking_all_of_nothing_holds_nothing() {
    let context = AcquireCtx::new(&RESERVATION_CLASS);
    let set = Reservation::lock_all(&context, &[], &Wait::not()).unwrap();
    assert!(set.guards().is_empty());
}

#[test]
fn locking_all_begins_with_nothing_held() {
    let (first, second) = (Reservation::new(), Reservation::new());
    let context = AcquireCtx::new(&RESERVATION_CLASS);
    let _guard = first.lock_in(&context, &Wait::not()).unwrap();
    let refused = Reservation::lock_all(&context, &[&second], &Wait::not()).unwrap_err();
    assert_eq!(refused.errno(), Errno::EINVAL);
    assert!(!second.is_locked());
}

#[test]
fn locking_all_that_fails_leaves_nothing_locked() {
    let (free, taken) = (Reservation::new(), Reservation::new());
    let _guard = lock(&taken);
    thread::scope(|scope| {
        scope.spawn(|| {
            let context = AcquireCtx::new(&RESERVATION_CLASS);
            let bounds = Wait::until(Deadline::after(Duration::from_millis(2)));
            let refused = Reservation::lock_all(&context, &[&free, &taken], &bounds).unwrap_err();
            assert_eq!(refused.errno(), Errno::ETIMEDOUT);
            assert_eq!((context.held(), free.is_locked()), (0, false));
        });
    });
}

#[test]
fn threads_that_lock_all_in_any_order_neither_hang_nor_meet() {
    const THREADS: usize = 4;
    const TIMES: usize = 200;
    let reservations = [(); 4].map(|()| Reservation::new());
    let inside = [(); 4].map(|()| AtomicUsize::new(0));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (reservations, inside, done) = (&reservations, &inside, &done);
            scope.spawn(move || {
                for time in 0..TIMES {
                    // Three of four, beginning anywhere, in either direction.
                    let mut picked: Vec<usize> = (0..3).map(|step| (number + time + step) % 4).collect();
                    if (number ^ time) & 1 == 1 {
                        picked.reverse();
                    }
                    let list: Vec<&Reservation> = picked.iter().map(|&index| &*reservations[index]).collect();
                    let context = AcquireCtx::new(&RESERVATION_CLASS);
                    let _set = Reservation::lock_all(&context, &list, &patience()).unwrap();
                    for &index in &picked {
                        assert_eq!(inside[index].fetch_add(1, Relaxed), 0, "two threads hold one");
                    }
                    thread::yield_now();
                    for &index in &picked {
                        inside[index].fetch_sub(1, Relaxed);
                    }
                    done.fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert_eq!(done.load(Relaxed), THREADS * TIMES);
}
