//! Models of ww-mutexes, on the real code with loom's locks and atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-core --test loom_ww`. Two threads inside at once, or one that does not see
//! what the last holder wrote, fail an assertion; a lost wake-up or a deadlock leaves threads asleep, which loom reports.
#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;
use wharf_core::ww::{WwLockError, WwWaitError, lock_all};
use wharf_core::{AcquireCtx, Interrupt, Wait, WaitError, WwAlgorithm, WwClass, WwGuard, WwMutex};

static WAIT_DIE: WwClass = WwClass::new("wait-die", WwAlgorithm::WaitDie);
static WOUND_WAIT: WwClass = WwClass::new("wound-wait", WwAlgorithm::WoundWait);

/// A mutex and the number of times it was held, kept with the weakest ordering: the mutex has to provide the rest.
struct Counted {
    mutex: WwMutex,
    inside: AtomicUsize,
    times: AtomicUsize,
}

impl Counted {
    fn new(class: &'static WwClass) -> Self {
        Self {
            mutex: WwMutex::new(class),
            inside: AtomicUsize::new(0),
            times: AtomicUsize::new(0),
        }
    }

    fn many<const N: usize>(class: &'static WwClass) -> Arc<[Self; N]> {
        Arc::new(std::array::from_fn(|_| Self::new(class)))
    }

    /// What every holder does.
    fn enter(&self, guard: &WwGuard<'_>) {
        assert!(guard.guards(&self.mutex));
        assert_eq!(self.inside.load(Relaxed), 0, "two threads hold one mutex");
        self.inside.store(1, Relaxed);
        self.times.store(self.times.load(Relaxed) + 1, Relaxed);
        self.inside.store(0, Relaxed);
    }

    /// Nobody holds it, and `times` threads did.
    fn assert_left(&self, times: usize) {
        assert_eq!(self.times.load(Relaxed), times);
        assert!(!self.mutex.is_locked(), "a grant was lost");
        assert!(self.mutex.try_lock().is_some());
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Locks two of them, in this order.
fn lock_both(first: &Counted, second: &Counted, class: &'static WwClass) {
    let ctx = AcquireCtx::new(class);
    let set =
        lock_all(&ctx, &[&first.mutex, &second.mutex], &Wait::forever()).expect("nothing ends the wait");
    for counted in [first, second] {
        counted.enter(set.guard(&counted.mutex).expect("it is in the list"));
    }
}

/// `N` threads, each locks its own mutex and then its neighbour's: a circle.
fn circle<const N: usize>(class: &'static WwClass) {
    let all = Counted::many::<N>(class);
    let others: Vec<_> = (1..N)
        .map(|own| {
            let all = Arc::clone(&all);
            thread::spawn(move || lock_both(&all[own], &all[(own + 1) % N], class))
        })
        .collect();
    lock_both(&all[0], &all[1 % N], class);
    for other in others {
        other.join().unwrap();
    }
    all.iter().for_each(|counted| counted.assert_left(2));
}

#[test]
fn two_contexts_that_lock_in_opposite_orders_both_get_on_wait_die() {
    check(4, || circle::<2>(&WAIT_DIE));
}

#[test]
fn two_contexts_that_lock_in_opposite_orders_both_get_on_wound_wait() {
    check(4, || circle::<2>(&WOUND_WAIT));
}

#[test]
fn three_contexts_in_a_circle_all_get_on_wait_die() {
    check(2, || circle::<3>(&WAIT_DIE));
}

#[test]
fn three_contexts_in_a_circle_all_get_on_wound_wait() {
    check(3, || circle::<3>(&WOUND_WAIT));
}

/// A waiter is interrupted while the mutex is handed to it.
#[test]
fn grant_that_meets_an_interrupt_is_not_lost() {
    check(5, || {
        let counted = Arc::new(Counted::new(&WAIT_DIE));
        let interrupt = Interrupt::new();
        let guard = counted.mutex.lock(&Wait::forever()).unwrap();
        let waiter = {
            let (counted, interrupt) = (Arc::clone(&counted), interrupt.clone());
            thread::spawn(
                move || match counted.mutex.lock(&Wait::forever().interruptible(&interrupt)) {
                    Ok(guard) => {
                        counted.enter(&guard);
                        1
                    }
                    Err(error) => {
                        assert_eq!(error, WwWaitError::Wait(WaitError::Interrupted));
                        0
                    }
                },
            )
        };
        interrupt.raise();
        counted.enter(&guard);
        drop(guard);
        let entered = waiter.join().unwrap();
        counted.assert_left(1 + entered);
    });
}

/// Behind a waiter that gives up stands another: it gets the mutex all the same.
#[test]
fn waiter_that_gives_up_does_not_take_the_next_ones_grant_along() {
    check(4, || {
        let counted = Arc::new(Counted::new(&WAIT_DIE));
        let interrupt = Interrupt::new();
        let guard = counted.mutex.lock(&Wait::forever()).unwrap();
        let impatient = {
            let (counted, interrupt) = (Arc::clone(&counted), interrupt.clone());
            thread::spawn(move || {
                let locked = counted.mutex.lock(&Wait::forever().interruptible(&interrupt));
                locked.map(|guard| counted.enter(&guard)).is_ok()
            })
        };
        let patient = {
            let counted = Arc::clone(&counted);
            thread::spawn(move || counted.enter(&counted.mutex.lock(&Wait::forever()).unwrap()))
        };
        interrupt.raise();
        counted.enter(&guard);
        drop(guard);
        let entered = impatient.join().unwrap();
        patient.join().unwrap();
        counted.assert_left(2 + usize::from(entered));
    });
}

/// A context that waits is told to back off for one mutex while another is handed to it.
#[test]
fn grant_that_meets_a_wound_is_not_lost() {
    check(3, || {
        let all = Counted::many::<2>(&WOUND_WAIT);
        let plain = all[1].mutex.lock(&Wait::forever()).unwrap();
        let contexts: Vec<_> = (0..2)
            .map(|_| {
                let all = Arc::clone(&all);
                thread::spawn(move || lock_both(&all[0], &all[1], &WOUND_WAIT))
            })
            .collect();
        all[1].enter(&plain);
        drop(plain);
        for context in contexts {
            context.join().unwrap();
        }
        all[0].assert_left(2);
        all[1].assert_left(3);
    });
}

/// An older context comes while a younger one that holds something waits: unless that backs off, each waits for the other. It may be
/// told so while the mutex is handed to it.
#[test]
fn grant_that_meets_a_kill_is_not_lost() {
    check(3, || {
        let all = Counted::many::<2>(&WAIT_DIE);
        let plain = all[1].mutex.lock(&Wait::forever()).unwrap();
        let contexts: Vec<_> = [(0, 1), (1, 0)]
            .map(|(first, second)| {
                let all = Arc::clone(&all);
                thread::spawn(move || lock_both(&all[first], &all[second], &WAIT_DIE))
            })
            .into();
        all[1].enter(&plain);
        drop(plain);
        for context in contexts {
            context.join().unwrap();
        }
        all[0].assert_left(2);
        all[1].assert_left(3);
    });
}

#[test]
fn trying_against_unlocking_takes_the_mutex_or_leaves_it() {
    check(5, || {
        let counted = Arc::new(Counted::new(&WAIT_DIE));
        let guard = counted.mutex.lock(&Wait::forever()).unwrap();
        let trier = {
            let counted = Arc::clone(&counted);
            thread::spawn(move || match counted.mutex.try_lock() {
                Some(guard) => {
                    counted.enter(&guard);
                    1
                }
                None => 0,
            })
        };
        counted.enter(&guard);
        drop(guard);
        let entered = trier.join().unwrap();
        counted.assert_left(1 + entered);
    });
}

/// A try-lock can come between an unlock and a waiter, never between a hand-over and its waiter.
#[test]
fn trying_does_not_steal_what_was_handed_over() {
    check(5, || {
        let counted = Arc::new(Counted::new(&WOUND_WAIT));
        let guard = counted.mutex.lock(&Wait::forever()).unwrap();
        let waiter = {
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let ctx = AcquireCtx::new(&WOUND_WAIT);
                match counted.mutex.lock_in(&ctx, &Wait::forever()) {
                    Ok(guard) => counted.enter(&guard),
                    Err(WwLockError::Deadlock(_)) => unreachable!("it holds nothing"),
                    Err(error) => unreachable!("{error}"),
                }
            })
        };
        let trier = {
            let counted = Arc::clone(&counted);
            thread::spawn(move || match counted.mutex.try_lock() {
                Some(guard) => {
                    counted.enter(&guard);
                    1
                }
                None => 0,
            })
        };
        counted.enter(&guard);
        drop(guard);
        waiter.join().unwrap();
        let entered = trier.join().unwrap();
        counted.assert_left(2 + entered);
    });
}
