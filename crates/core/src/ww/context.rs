//! Acquire contexts.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::injection::Injection;
use super::owner::Token;
use super::wound::{self, Wounds};
use super::{WwAlgorithm, WwClass, WwMisuse, WwMutex, thread};
use crate::order::Held;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::global;

global! {
    /// The youngest context's stamp. One count for all classes: only the order within a class matters.
    static LAST_STAMP: AtomicU64 = AtomicU64::new(0);
}

/// One attempt to lock several mutexes of a class. Its age decides who backs off.
///
/// | State | Left by |
/// |---|---|
/// | open | [`AcquireCtx::done`]; a [`Deadlock`](super::Deadlock) |
/// | owing: a deadlock was answered and its mutex is not locked yet | [`Deadlock::lock_slow`](super::Deadlock::lock_slow), or locking that mutex with nothing else held |
/// | done: no more locks | drop |
///
/// Guards borrow the context, so that it cannot end before they are dropped. Keep one context through all retries: a new
/// one is younger and backs off again.
///
/// # References
/// `struct ww_acquire_ctx`, `ww_acquire_init`, `ww_acquire_fini` (include/linux/ww_mutex.h, v6.12). Contract: L7.
pub struct AcquireCtx {
    class: &'static WwClass,
    token: Token,
    stamp: u64,
    held: Cell<usize>,
    done: Cell<bool>,
    /// Address of the mutex to lock first after a deadlock; 0 if none.
    owed: Cell<usize>,
    wounds: Option<Arc<Wounds>>,
    injection: Option<Injection>,
    _order: Held,
    /// The thread's list of contexts has this one.
    not_send: PhantomData<*const ()>,
}

impl AcquireCtx {
    /// Begins an attempt. Does not block.
    ///
    /// # Locking
    /// One context of a class at a time in a thread, and no mutex of the class held without it.
    #[track_caller]
    pub fn new(class: &'static WwClass) -> Self {
        Self::with_injection(class, None)
    }

    /// Begins an attempt that meets deadlocks that are none, for testing how a program backs off.
    ///
    /// The first lock beside one that is held is answered with a deadlock, and then one after 3, 10, 35 … that are not. Does not block.
    ///
    /// # Locking
    /// As [`AcquireCtx::new`].
    ///
    /// DIFFERENCE: the kernel (`CONFIG_DEBUG_WW_MUTEX_SLOWPATH`) starts at a number taken from the stamp; here it is always the
    /// first, so that tests repeat.
    #[track_caller]
    pub fn injecting_deadlocks(class: &'static WwClass) -> Self {
        Self::with_injection(class, Some(Injection::new()))
    }

    #[track_caller]
    fn with_injection(class: &'static WwClass, injection: Option<Injection>) -> Self {
        let order = class.order_context();
        let stamp = LAST_STAMP.fetch_add(1, Relaxed) + 1;
        thread::opened(stamp);
        let wounds = match class.algorithm() {
            WwAlgorithm::WaitDie => None,
            WwAlgorithm::WoundWait => Some(wound::register(stamp)),
        };
        Self {
            class,
            token: Token::of_context(stamp),
            stamp,
            held: Cell::new(0),
            done: Cell::new(false),
            owed: Cell::new(0),
            wounds,
            injection,
            _order: order,
            not_send: PhantomData,
        }
    }

    /// Says that all locks are taken; further attempts to lock are misuse. Optional.
    ///
    /// # Errors
    /// [`WwMisuse::Done`] when said twice → EINVAL.
    ///
    /// # References
    /// `ww_acquire_done` (include/linux/ww_mutex.h, v6.12).
    pub fn done(&self) -> Result<(), WwMisuse> {
        if self.done.replace(true) {
            return Err(WwMisuse::Done {
                class: self.class.name(),
            });
        }
        Ok(())
    }

    /// Returns how many mutexes are held in this context.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// Returns the class of the mutexes it locks.
    pub fn class(&self) -> &'static WwClass {
        self.class
    }

    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    pub(super) fn wounds(&self) -> Option<&Arc<Wounds>> {
        self.wounds.as_ref()
    }

    /// Checks that this context may lock `mutex` now.
    pub(super) fn check(&self, mutex: &WwMutex) -> Result<(), WwMisuse> {
        let class = self.class.name();
        if !self.class.is(mutex.class()) {
            return Err(WwMisuse::OtherClass {
                mutex: mutex.class().name(),
                context: class,
            });
        }
        if self.done.get() {
            return Err(WwMisuse::Done { class });
        }
        match self.owed.get() {
            0 => Ok(()),
            _ if self.held() > 0 => Err(WwMisuse::NotBackedOff {
                class,
                held: self.held(),
            }),
            owed if owed != address(mutex) => Err(WwMisuse::NotTheContended { class }),
            _ => Ok(()),
        }
    }

    /// Notes that the context has to back off and begin again with `mutex`.
    pub(super) fn owe(&self, mutex: &WwMutex) {
        self.owed.set(address(mutex));
    }

    /// Says whether a deadlock should be invented now.
    pub(super) fn injects(&self) -> bool {
        self.held() > 0 && self.injection.as_ref().is_some_and(Injection::is_due)
    }

    /// Counts a lock that was taken.
    pub(super) fn took(&self) {
        self.owed.set(0);
        self.held.set(self.held.get() + 1);
    }

    /// Counts a lock that was given back.
    pub(super) fn gave_back(&self) {
        self.held.set(self.held.get().saturating_sub(1));
        if let (0, Some(wounds)) = (self.held.get(), &self.wounds) {
            wounds.heal();
        }
    }
}

/// Returns what tells a mutex from others while a context refers to it.
fn address(mutex: &WwMutex) -> usize {
    std::ptr::from_ref(mutex).addr()
}

impl Drop for AcquireCtx {
    fn drop(&mut self) {
        if self.wounds.is_some() {
            wound::unregister(self.stamp);
        }
        thread::closed(self.stamp);
        self.class.order_end(self.held());
    }
}

impl fmt::Debug for AcquireCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireCtx")
            .field("class", &self.class.name())
            .field("stamp", &self.stamp)
            .field("held", &self.held.get())
            .field("is_done", &self.done.get())
            .finish_non_exhaustive()
    }
}
