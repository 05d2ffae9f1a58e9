//! Many threads, many mutexes, random orders. Mirrors the stress part of kernel/locking/test-ww_mutex.c, v6.12.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use super::WwSut;
use super::stage::expect_deadlock;

/// Threads and rounds of the stress cases.
const STRESS_THREADS: usize = 4;
const STRESS_ROUNDS: usize = 150;
const STRESS_LOCKS: usize = 16;

/// Mirrors `stress_inorder_work`: everybody locks all in an order of its own, and after a deadlock begins with the contended one.
pub fn stress_inorder<S: WwSut>(sut: &S) {
    stress(sut, |sut, mutexes, class, order| {
        let ctx = sut.open(class);
        let mut contended: Option<(usize, S::Guard<'_>)> = None;
        let guards = loop {
            let mut guards = Vec::new();
            let held = contended.as_ref().map(|(index, _)| *index);
            let refused = order
                .iter()
                .copied()
                .filter(|index| Some(*index) != held)
                .find_map(|index| match sut.lock_in(&mutexes[index].mutex, &ctx) {
                    Ok(guard) => {
                        guards.push(guard);
                        None
                    }
                    refused => Some((index, expect_deadlock(refused))),
                });
            let Some((index, deadlock)) = refused else {
                break guards;
            };
            drop((guards, contended.take()));
            let locked = S::lock_slow(deadlock).map_err(|(errno, _)| errno);
            contended = Some((index, locked.expect("who holds nothing may wait")));
        };
        order.iter().for_each(|index| mutexes[*index].enter());
        drop((guards, contended));
    });
}

/// Mirrors `stress_reorder_work`: the order changes so that the contended one comes first.
pub fn stress_reorder<S: WwSut>(sut: &S) {
    stress(sut, |sut, mutexes, class, order| {
        let ctx = sut.open(class);
        let mut order = order.to_vec();
        let mut guards = Vec::new();
        while guards.len() < order.len() {
            let index = order[guards.len()];
            match sut.lock_in(&mutexes[index].mutex, &ctx) {
                Ok(guard) => guards.push(guard),
                refused => {
                    let deadlock = expect_deadlock(refused);
                    let position = guards.len();
                    guards.clear();
                    order[..=position].rotate_right(1);
                    let locked = S::lock_slow(deadlock).map_err(|(errno, _)| errno);
                    guards.push(locked.expect("who holds nothing may wait"));
                }
            }
        }
        order.iter().for_each(|index| mutexes[*index].enter());
    });
}

/// Mirrors `stress_one_work`: one mutex at a time, without a context.
pub fn stress_one<S: WwSut>(sut: &S) {
    stress(sut, |sut, mutexes, _, order| {
        for index in order {
            let guard = sut.lock(&mutexes[*index].mutex).expect("it gets free");
            mutexes[*index].enter();
            drop(guard);
        }
    });
}

/// No kernel original: the same through `lock_all`, every mutex named twice.
pub fn stress_lock_all<S: WwSut>(sut: &S) {
    stress(sut, |sut, mutexes, class, order| {
        let ctx = sut.open_injecting(class);
        let twice: Vec<_> = order
            .iter()
            .chain(order)
            .map(|index| &mutexes[*index].mutex)
            .collect();
        let guards = sut.lock_all(&twice, &ctx).expect("backs off until it has all");
        assert_eq!(guards.len(), order.len());
        order.iter().for_each(|index| mutexes[*index].enter());
    });
}

/// A mutex and a count that only its holder changes.
struct Counted<S: WwSut> {
    mutex: S::Mutex,
    times: AtomicU64,
}

impl<S: WwSut> Counted<S> {
    fn enter(&self) {
        // Not one operation: two threads inside at once would lose a count.
        let times = self.times.load(Relaxed);
        std::hint::spin_loop();
        self.times.store(times + 1, Relaxed);
    }
}

/// Has several threads do `work` with random orders of the same mutexes.
fn stress<S: WwSut>(sut: &S, work: impl Fn(&S, &[Counted<S>], S::Class, &[usize]) + Sync) {
    let class = sut.class();
    let mutexes: Vec<_> = (0..STRESS_LOCKS)
        .map(|_| Counted::<S> {
            mutex: sut.mutex(class),
            times: AtomicU64::new(0),
        })
        .collect();
    thread::scope(|scope| {
        for thread in 0..STRESS_THREADS {
            let (work, mutexes) = (&work, &mutexes);
            scope.spawn(move || {
                let mut order: Vec<usize> = (0..STRESS_LOCKS).collect();
                let mut random = thread as u64 + 1;
                for _ in 0..STRESS_ROUNDS {
                    shuffle(&mut order, &mut random);
                    work(sut, mutexes, class, &order);
                }
            });
        }
    });
    for counted in &mutexes {
        assert!(!sut.is_locked(&counted.mutex));
        assert_eq!(
            counted.times.load(Relaxed),
            (STRESS_THREADS * STRESS_ROUNDS) as u64
        );
    }
}

/// Xorshift: the same orders in every run.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        order.swap(last, (*random % (last as u64 + 1)) as usize);
    }
}
