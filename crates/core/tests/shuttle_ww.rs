//! Random schedules of more threads and mutexes than `loom_ww` can try, on the real code.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test --release -p wharf-core --test shuttle_ww`. Shuttle reports a deadlock, and for every
//! failure the schedule that leads to it.
#![cfg(shuttle)]

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::thread;
use std::sync::Arc;
use wharf_core::ww::{WwLockError, lock_all};
use wharf_core::{AcquireCtx, Interrupt, Wait, WwAlgorithm, WwClass, WwMutex};

static WAIT_DIE: WwClass = WwClass::new("wait-die", WwAlgorithm::WaitDie);
static WOUND_WAIT: WwClass = WwClass::new("wound-wait", WwAlgorithm::WoundWait);

const SCHEDULES: usize = 20_000;
const THREADS: usize = 4;
const MUTEXES: usize = 5;
const ROUNDS: usize = 2;

/// Mutexes, and who is inside each.
struct All {
    class: &'static WwClass,
    mutexes: [WwMutex; MUTEXES],
    inside: [AtomicUsize; MUTEXES],
}

impl All {
    fn new(class: &'static WwClass) -> Arc<Self> {
        Arc::new(Self {
            class,
            mutexes: std::array::from_fn(|_| WwMutex::new(class)),
            inside: std::array::from_fn(|_| AtomicUsize::new(0)),
        })
    }

    /// What a holder of these does.
    fn enter(&self, indices: &[usize]) {
        for index in indices {
            assert_eq!(
                self.inside[*index].fetch_add(1, SeqCst),
                0,
                "two threads hold one mutex"
            );
        }
        for index in indices {
            self.inside[*index].fetch_sub(1, SeqCst);
        }
    }

    /// Some of the mutexes, in random order.
    fn choose() -> Vec<usize> {
        let mut rng = thread_rng();
        let mut indices: Vec<usize> = (0..MUTEXES).collect();
        for last in (1..MUTEXES).rev() {
            indices.swap(last, rng.gen_range(0..=last));
        }
        indices.truncate(rng.gen_range(2..=MUTEXES));
        indices
    }

    fn lock_list(&self, wait: &Wait<'_>) -> bool {
        let indices = Self::choose();
        let list: Vec<_> = indices.iter().map(|index| &self.mutexes[*index]).collect();
        let ctx = AcquireCtx::new(self.class);
        let locked = lock_all(&ctx, &list, wait);
        let is_locked = locked.as_ref().is_ok_and(|set| set.len() == indices.len());
        if is_locked {
            self.enter(&indices);
        }
        is_locked
    }

    /// Locks one without a context.
    fn lock_one(&self) {
        let index = thread_rng().gen_range(0..MUTEXES);
        let _guard = self.mutexes[index]
            .lock(&Wait::forever())
            .expect("nothing ends the wait");
        self.enter(&[index]);
    }

    /// Tries one, and locks another if that went well, giving up at a deadlock.
    fn try_and_give_up(&self) {
        let ctx = AcquireCtx::new(self.class);
        let (first, second) = (
            thread_rng().gen_range(0..MUTEXES),
            thread_rng().gen_range(0..MUTEXES),
        );
        let Ok(Some(_first)) = self.mutexes[first].try_lock_in(&ctx) else {
            return;
        };
        match self.mutexes[second].lock_in(&ctx, &Wait::forever()) {
            Ok(_second) => self.enter(&[first, second]),
            Err(WwLockError::Deadlock(deadlock)) => drop(deadlock),
            Err(WwLockError::AlreadyLocked { .. }) => assert_eq!(first, second),
            Err(error) => panic!("{error}"),
        }
    }

    fn assert_left(&self) {
        for mutex in &self.mutexes {
            assert!(mutex.try_lock().is_some(), "a mutex was left locked");
        }
    }
}

/// Has each thread do its rounds of `work`, and looks at what is left.
fn mix(class: &'static WwClass, work: fn(&All, usize)) {
    shuttle::check_random(
        move || {
            let all = All::new(class);
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    let all = Arc::clone(&all);
                    thread::spawn(move || (0..ROUNDS).for_each(|_| work(&all, number)))
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            all.assert_left();
        },
        SCHEDULES,
    );
}

fn lists(all: &All, _: usize) {
    assert!(all.lock_list(&Wait::forever()));
}

/// Lists beside mutexes without a context, tries and contexts that give up.
fn everything(all: &All, number: usize) {
    match number % 4 {
        0 | 1 => assert!(all.lock_list(&Wait::forever())),
        2 => all.lock_one(),
        _ => all.try_and_give_up(),
    }
}

#[test]
fn lists_in_random_orders_are_all_locked_wait_die() {
    mix(&WAIT_DIE, lists);
}

#[test]
fn lists_in_random_orders_are_all_locked_wound_wait() {
    mix(&WOUND_WAIT, lists);
}

#[test]
fn all_ways_of_locking_get_on_together_wait_die() {
    mix(&WAIT_DIE, everything);
}

#[test]
fn all_ways_of_locking_get_on_together_wound_wait() {
    mix(&WOUND_WAIT, everything);
}

/// Threads that lock lists are interrupted at random moments; those that are not still get all of theirs.
fn interrupted(class: &'static WwClass) {
    shuttle::check_random(
        move || {
            let all = All::new(class);
            let interrupt = Interrupt::new();
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (all, interrupt) = (Arc::clone(&all), interrupt.clone());
                    thread::spawn(move || match number {
                        0 | 1 => drop(all.lock_list(&Wait::forever().interruptible(&interrupt))),
                        _ => lists(&all, number),
                    })
                })
                .collect();
            interrupt.raise();
            for thread in threads {
                thread.join().unwrap();
            }
            all.assert_left();
        },
        SCHEDULES,
    );
}

#[test]
fn interrupts_lose_no_mutex_wait_die() {
    interrupted(&WAIT_DIE);
}

#[test]
fn interrupts_lose_no_mutex_wound_wait() {
    interrupted(&WOUND_WAIT);
}
