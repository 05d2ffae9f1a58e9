//! Suites of ww-mutexes.

#![expect(clippy::expect_used, reason = "cases are tests")]

pub mod mutex;
pub mod selftest;
mod stage;
pub mod stress;

use wharf_core::Errno;

/// A lock in a context that was refused.
#[derive(Debug)]
pub enum Refused<D> {
    /// The context has to back off.
    Deadlock(D),
    /// The number of any other error.
    Errno(Errno),
}

/// What the checker of lock order said.
#[derive(Debug)]
pub enum Caught {
    /// It found a fault, and reports it so.
    Reported(String),
    /// It found none.
    Nothing,
}

/// A system with ww-mutexes of one algorithm.
///
/// What may block must give up with ETIMEDOUT after [`PATIENCE`](crate::PATIENCE).
pub trait WwSut: Sync {
    /// Mutexes that are locked together.
    type Class: Copy + Send + Sync;
    /// One of them.
    type Mutex: Sync;
    /// An attempt to lock several.
    type Ctx;
    /// A held mutex.
    type Guard<'a>
    where
        Self: 'a;
    /// A deadlock to be acted upon.
    type Deadlock<'a>
    where
        Self: 'a;
    /// A lock of another kind, known to the checker.
    type Lock: Sync;
    /// Such a lock held.
    type LockGuard<'a>
    where
        Self: 'a;

    /// Makes a class of its own.
    fn class(&self) -> Self::Class;
    /// Makes a mutex.
    fn mutex(&self, class: Self::Class) -> Self::Mutex;
    /// Opens a context.
    fn open(&self, class: Self::Class) -> Self::Ctx;
    /// Opens a context that meets invented deadlocks.
    fn open_injecting(&self, class: Self::Class) -> Self::Ctx;
    /// Says that all locks are taken.
    ///
    /// # Errors
    /// The number of the misuse.
    fn done(&self, ctx: &Self::Ctx) -> Result<(), Errno>;
    /// Locks without a context.
    ///
    /// # Errors
    /// The error's number.
    fn lock<'a>(&'a self, mutex: &'a Self::Mutex) -> Result<Self::Guard<'a>, Errno>;
    /// Locks in a context.
    ///
    /// # Errors
    /// See [`Refused`].
    fn lock_in<'a>(
        &'a self,
        mutex: &'a Self::Mutex,
        ctx: &'a Self::Ctx,
    ) -> Result<Self::Guard<'a>, Refused<Self::Deadlock<'a>>>;
    /// Locks without a context if that needs no wait.
    fn try_lock<'a>(&'a self, mutex: &'a Self::Mutex) -> Option<Self::Guard<'a>>;
    /// Locks in a context if that needs no wait.
    ///
    /// # Errors
    /// The number of the misuse.
    fn try_lock_in<'a>(
        &'a self,
        mutex: &'a Self::Mutex,
        ctx: &'a Self::Ctx,
    ) -> Result<Option<Self::Guard<'a>>, Errno>;
    /// Locks the mutex of a deadlock.
    ///
    /// # Errors
    /// The error's number, and the deadlock.
    fn lock_slow<'a>(deadlock: Self::Deadlock<'a>) -> Result<Self::Guard<'a>, (Errno, Self::Deadlock<'a>)>;
    /// Locks all of a list.
    ///
    /// # Errors
    /// The error's number.
    fn lock_all<'a>(
        &'a self,
        mutexes: &[&'a Self::Mutex],
        ctx: &'a Self::Ctx,
    ) -> Result<Vec<Self::Guard<'a>>, Errno>;
    /// Says whether somebody holds it.
    fn is_locked(&self, mutex: &Self::Mutex) -> bool;
    /// Makes two locks of one other class.
    fn locks(&self) -> [Self::Lock; 2];
    /// Takes such a lock.
    fn take<'a>(&'a self, lock: &'a Self::Lock) -> Self::LockGuard<'a>;
    /// Takes such a lock as one of several, inside a held ww-mutex.
    fn take_inside<'a>(&'a self, lock: &'a Self::Lock, around: &'a Self::Guard<'_>) -> Self::LockGuard<'a>;
    /// Says whether this build checks the order of locks.
    fn checks_order(&self) -> bool;
    /// Runs something under the eyes of the checker.
    fn watch(&self, misuse: impl FnOnce()) -> Caught;
}

/// Makes a `#[test]` of each case of [`mutex`].
#[macro_export]
macro_rules! ww_mutex_cases {
    ($sut:expr) => {
        $crate::cases!(
            ww::mutex, $sut;
            mutex,
            mutex_spin,
            mutex_try,
            mutex_try_spin,
            mutex_ctx,
            mutex_ctx_spin,
            mutex_ctx_try,
            mutex_ctx_try_spin,
            aa,
            aa_trylock,
            abba,
            abba_resolve,
            abba_trylock,
            abba_trylock_resolve,
            cycle_2,
            cycle_3,
            cycle_4,
        );
    };
}

/// Makes a `#[test]` of each case of [`stress`].
#[macro_export]
macro_rules! ww_stress_cases {
    ($sut:expr) => {
        $crate::cases!(ww::stress, $sut; stress_inorder, stress_reorder, stress_one, stress_lock_all);
    };
}

/// Makes a `#[test]` of each case of [`selftest`].
#[macro_export]
macro_rules! ww_selftest_cases {
    ($sut:expr) => {
        $crate::cases!(
            ww::selftest, $sut;
            fail_acquire,
            normal,
            edeadlk_normal,
            edeadlk_normal_slow,
            spin_nest_lock,
            context_try,
            context_context,
            try_try,
            block_try,
            spin_try,
            two_contexts,
            diff_class,
            done_twice,
            lock_after_done,
            edeadlk_no_unlock,
            edeadlk_no_unlock_slow,
            acquire_more,
            acquire_more_edeadlk,
            acquire_wrong,
            context_block,
            try_block,
            try_context,
            block_block,
            block_context,
            spin_block,
            spin_context,
        );
    };
}
