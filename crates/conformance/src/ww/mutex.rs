//! How ww-mutexes behave among threads. Mirrors kernel/locking/test-ww_mutex.c, v6.12.

use std::thread;
use std::time::{Duration, Instant};

use wharf_core::Errno;

use super::WwSut;
use super::stage::{Cue, expect_deadlock, expect_errno, expect_lock};
use crate::PATIENCE;

/// For how long a lock is watched that must not be taken: the least such a wait lasts, in no case the most.
const WATCH: Duration = Duration::from_millis(20);

/// How a case of `test_mutex` takes its locks.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// The main thread watches without sleeping.
    spin: bool,
    /// The other thread tries until it gets the lock.
    with_try: bool,
    /// The main thread locks in a context.
    ctx: bool,
}

/// Mirrors `__test_mutex`, no flags.
pub fn mutex<S: WwSut>(sut: &S) {
    test_mutex(sut, Flags::default());
}

/// Mirrors `__test_mutex`, TEST_MTX_SPIN.
pub fn mutex_spin<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            spin: true,
            ..Flags::default()
        },
    );
}

/// Mirrors `__test_mutex`, TEST_MTX_TRY.
pub fn mutex_try<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            with_try: true,
            ..Flags::default()
        },
    );
}

/// Mirrors `__test_mutex`, TEST_MTX_TRY | TEST_MTX_SPIN.
pub fn mutex_try_spin<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            with_try: true,
            spin: true,
            ctx: false,
        },
    );
}

/// Mirrors `__test_mutex`, TEST_MTX_CTX.
pub fn mutex_ctx<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            ctx: true,
            ..Flags::default()
        },
    );
}

/// Mirrors `__test_mutex`, TEST_MTX_CTX | TEST_MTX_SPIN.
pub fn mutex_ctx_spin<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            ctx: true,
            spin: true,
            with_try: false,
        },
    );
}

/// Mirrors `__test_mutex`, TEST_MTX_CTX | TEST_MTX_TRY.
pub fn mutex_ctx_try<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            ctx: true,
            with_try: true,
            spin: false,
        },
    );
}

/// Mirrors `__test_mutex`, all flags.
pub fn mutex_ctx_try_spin<S: WwSut>(sut: &S) {
    test_mutex(
        sut,
        Flags {
            ctx: true,
            with_try: true,
            spin: true,
        },
    );
}

/// While one thread holds the mutex another does not get it; after that it does.
fn test_mutex<S: WwSut>(sut: &S, flags: Flags) {
    let class = sut.class();
    let mutex = sut.mutex(class);
    let (ready, go, done) = (Cue::default(), Cue::default(), Cue::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            ready.give();
            go.wait();
            let _guard = if flags.with_try {
                try_until(sut, &mutex)
            } else {
                sut.lock(&mutex).expect("it gets free")
            };
            done.give();
        });
        let ctx = flags.ctx.then(|| sut.open(class));
        let guard = match &ctx {
            Some(ctx) => expect_lock(sut.lock_in(&mutex, ctx)),
            None => sut.lock(&mutex).expect("it is free"),
        };
        ready.wait();
        go.give();
        watch(flags.spin, &done);
        assert!(!done.is_given(), "two threads hold one mutex");
        drop(guard);
        done.wait();
    });
    assert!(!sut.is_locked(&mutex));
}

fn watch(spin: bool, done: &Cue) {
    let end = Instant::now() + WATCH;
    while Instant::now() < end && !done.is_given() {
        match spin {
            true => std::hint::spin_loop(),
            false => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn try_until<'a, S: WwSut>(sut: &'a S, mutex: &'a S::Mutex) -> S::Guard<'a> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(guard) = sut.try_lock(mutex) {
            return guard;
        }
        assert!(Instant::now() < end, "the mutex did not get free");
        thread::yield_now();
    }
}

/// Mirrors `test_aa`, first locked by lock.
pub fn aa<S: WwSut>(sut: &S) {
    test_aa(sut, false);
}

/// Mirrors `test_aa`, first locked by trylock.
pub fn aa_trylock<S: WwSut>(sut: &S) {
    test_aa(sut, true);
}

/// A context that holds a mutex does not get it again, and is told so.
fn test_aa<S: WwSut>(sut: &S, trylock: bool) {
    let class = sut.class();
    let mutex = sut.mutex(class);
    let ctx = sut.open(class);
    let guard = lock_first(sut, &mutex, &ctx, trylock);
    assert!(
        sut.try_lock(&mutex).is_none(),
        "tried and locked twice without a context"
    );
    assert!(
        sut.try_lock_in(&mutex, &ctx).expect("no misuse").is_none(),
        "tried and locked twice"
    );
    assert_eq!(expect_errno(sut.lock_in(&mutex, &ctx)), Errno::EALREADY);
    drop(guard);
    assert!(!sut.is_locked(&mutex));
}

fn lock_first<'a, S: WwSut>(sut: &'a S, mutex: &'a S::Mutex, ctx: &'a S::Ctx, trylock: bool) -> S::Guard<'a> {
    if trylock {
        sut.try_lock_in(mutex, ctx)
            .expect("no misuse")
            .expect("it is free")
    } else {
        expect_lock(sut.lock_in(mutex, ctx))
    }
}

/// Mirrors `test_abba`.
pub fn abba<S: WwSut>(sut: &S) {
    assert!(test_abba(sut, false, false) > 0, "nobody met the deadlock");
}

/// Mirrors `test_abba`, resolve.
pub fn abba_resolve<S: WwSut>(sut: &S) {
    assert_eq!(test_abba(sut, false, true), 0, "a deadlock was not resolved");
}

/// Mirrors `test_abba`, trylock.
pub fn abba_trylock<S: WwSut>(sut: &S) {
    assert!(test_abba(sut, true, false) > 0, "nobody met the deadlock");
}

/// Mirrors `test_abba`, trylock and resolve.
pub fn abba_trylock_resolve<S: WwSut>(sut: &S) {
    assert_eq!(test_abba(sut, true, true), 0, "a deadlock was not resolved");
}

/// Two threads lock two mutexes in opposite orders, each holding its first; returns how many end with a deadlock.
fn test_abba<S: WwSut>(sut: &S, trylock: bool, resolve: bool) -> usize {
    ring(sut, 2, trylock, resolve)
}

/// Mirrors `test_cycle`, two threads.
pub fn cycle_2<S: WwSut>(sut: &S) {
    assert_eq!(ring(sut, 2, false, true), 0, "a deadlock was not resolved");
}

/// Mirrors `test_cycle`, three threads.
pub fn cycle_3<S: WwSut>(sut: &S) {
    assert_eq!(ring(sut, 3, false, true), 0, "a deadlock was not resolved");
}

/// Mirrors `test_cycle`, four threads.
pub fn cycle_4<S: WwSut>(sut: &S) {
    assert_eq!(ring(sut, 4, false, true), 0, "a deadlock was not resolved");
}

/// Each thread holds its mutex and then wants its neighbour's; returns how many end with a deadlock.
fn ring<S: WwSut>(sut: &S, threads: usize, trylock: bool, resolve: bool) -> usize {
    let class = sut.class();
    let mutexes: Vec<_> = (0..threads).map(|_| (sut.mutex(class), Cue::default())).collect();
    let link = |own: usize| {
        let ((mine, i_hold), (next, neighbour_holds)) = (&mutexes[own], &mutexes[(own + 1) % threads]);
        let ctx = sut.open(class);
        let first = lock_first(sut, mine, &ctx, trylock);
        i_hold.give();
        neighbour_holds.wait();
        match sut.lock_in(next, &ctx) {
            Ok(_both) => false,
            refused if !resolve => {
                let _deadlock = expect_deadlock(refused);
                true
            }
            refused => {
                let deadlock = expect_deadlock(refused);
                drop(first);
                let locked = S::lock_slow(deadlock).map_err(|(errno, _)| errno);
                let _next = locked.expect("who holds nothing may wait");
                sut.lock_in(mine, &ctx).is_err()
            }
        }
    };
    let deadlocks = thread::scope(|scope| {
        let links: Vec<_> = (0..threads)
            .map(|own| scope.spawn(move || link_result(link(own))))
            .collect();
        links
            .into_iter()
            .map(|link| link.join().expect("no link panics"))
            .sum()
    });
    assert!(mutexes.iter().all(|(mutex, _)| !sut.is_locked(mutex)));
    deadlocks
}

fn link_result(met_deadlock: bool) -> usize {
    usize::from(met_deadlock)
}
