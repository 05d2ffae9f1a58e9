//! A mutex whose order is checked.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};

use super::{Held, How, LockClass};
use crate::WwGuard;
use crate::sync::{Mutex, MutexGuard, lock};

/// A mutex of an exporter or importer that takes part in the check of lock order.
///
/// A panic while it is held does not poison it: what it protects has to make sense between any two calls.
///
/// ```
/// use wharf_core::order::{LockClass, OrderedMutex};
///
/// static FRAMES: LockClass = LockClass::new("frames");
/// let frames = OrderedMutex::new(&FRAMES, vec![1, 2]);
/// frames.lock().push(3);
/// assert_eq!(frames.into_inner(), [1, 2, 3]);
/// ```
pub struct OrderedMutex<T> {
    class: &'static LockClass,
    inner: Mutex<T>,
}

/// A held [`OrderedMutex`]; dropping it unlocks.
#[must_use = "the mutex is unlocked when the guard is dropped"]
pub struct OrderedMutexGuard<'a, T> {
    // Dropped in this order: unlocked first, then believed to be.
    inner: MutexGuard<'a, T>,
    _held: Held,
}

impl<T> OrderedMutex<T> {
    /// Makes a free mutex of a class.
    pub fn new(class: &'static LockClass, value: T) -> Self {
        Self {
            class,
            inner: Mutex::new(value),
        }
    }

    /// Locks.
    ///
    /// # Blocking
    /// While another thread holds it.
    ///
    /// # Panics
    /// With a report, in debug builds, when that breaks a rule of lock order.
    #[track_caller]
    pub fn lock(&self) -> OrderedMutexGuard<'_, T> {
        let held = super::acquire(self.class, How::Block);
        OrderedMutexGuard {
            inner: lock(&self.inner),
            _held: held,
        }
    }

    /// Locks as one of several of the class that are held together: whoever does so holds the ww-mutex of `around`, which keeps
    /// others away from all of them.
    ///
    /// # Blocking
    /// While another thread holds it.
    ///
    /// # Locking
    /// The ww-mutex is held at least as long.
    ///
    /// # Panics
    /// With a report, in debug builds, when that breaks a rule of lock order.
    ///
    /// # References
    /// `mutex_lock_nest_lock`, `spin_lock_nest_lock` (include/linux/mutex.h, spinlock.h, v6.12).
    #[track_caller]
    pub fn lock_inside<'a>(&'a self, around: &'a WwGuard<'_>) -> OrderedMutexGuard<'a, T> {
        let held = Held::new(self.class, How::Block, around.order().entry.set());
        OrderedMutexGuard {
            inner: lock(&self.inner),
            _held: held,
        }
    }

    /// Locks if it is free. Does not block.
    #[track_caller]
    pub fn try_lock(&self) -> Option<OrderedMutexGuard<'_, T>> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(OrderedMutexGuard {
            inner,
            _held: super::acquire(self.class, How::Try),
        })
    }

    /// Gives the value back.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for OrderedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for OrderedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> fmt::Debug for OrderedMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedMutex")
            .field("class", &self.class.name())
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for OrderedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
