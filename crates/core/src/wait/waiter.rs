//! One thread that blocks until another delivers a value to it.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Instant;

use super::interrupt::Interruptible;
use super::{Deadline, Wait, WaitError};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};

/// A place for one value, and a thread that waits for it.
///
/// | State | Left by |
/// |---|---|
/// | empty | [`Waiter::deliver`], an interrupt |
/// | value | [`Waiter::wait`] or [`Waiter::take`], which take it |
///
/// # Invariants
/// The first delivered value stays until it is taken; later ones are refused. A value beats an interrupt and a deadline.
pub(crate) struct Waiter<T> {
    place: Mutex<Place<T>>,
    changed: Condvar,
}

struct Place<T> {
    value: Option<T>,
    interrupted: bool,
}

impl<T: Send + 'static> Waiter<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            place: Mutex::new(Place {
                value: None,
                interrupted: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Hands the value over and wakes the thread; `false` if there is one already.
    pub(crate) fn deliver(&self, value: T) -> bool {
        let mut place = lock(&self.place);
        if place.value.is_some() {
            return false;
        }
        place.value = Some(value);
        drop(place);
        self.changed.notify_one();
        true
    }

    /// Takes the value if there is one. Does not block.
    pub(crate) fn take(&self) -> Option<T> {
        lock(&self.place).value.take()
    }

    /// Blocks until there is a value, and takes it. Only one thread may wait.
    pub(crate) fn wait(self: &Arc<Self>, wait: &Wait<'_>) -> Result<T, WaitError> {
        let Some(interrupt) = wait.interrupt() else {
            return self.block(wait.deadline());
        };
        let this: Weak<Self> = Arc::downgrade(self);
        let Some(_registration) = interrupt.register(this) else {
            return self.take().ok_or(WaitError::Interrupted);
        };
        self.block(wait.deadline())
    }

    fn block(&self, deadline: Deadline) -> Result<T, WaitError> {
        let mut place = lock(&self.place);
        loop {
            if let Some(value) = place.value.take() {
                return Ok(value);
            }
            if place.interrupted {
                return Err(WaitError::Interrupted);
            }
            place = self.sleep(place, deadline)?;
        }
    }

    /// Sleeps once, perhaps for no reason.
    fn sleep<'p>(
        &self,
        place: MutexGuard<'p, Place<T>>,
        deadline: Deadline,
    ) -> Result<MutexGuard<'p, Place<T>>, WaitError> {
        let remaining = match deadline {
            Deadline::Never => {
                return Ok(self.changed.wait(place).unwrap_or_else(PoisonError::into_inner));
            }
            Deadline::Now => return Err(WaitError::TimedOut),
            Deadline::At(moment) => moment.saturating_duration_since(Instant::now()),
        };
        if remaining.is_zero() {
            return Err(WaitError::TimedOut);
        }
        let (place, _) = self
            .changed
            .wait_timeout(place, remaining)
            .unwrap_or_else(PoisonError::into_inner);
        Ok(place)
    }
}

impl<T: Send + 'static> Interruptible for Waiter<T> {
    fn interrupt(&self) {
        lock(&self.place).interrupted = true;
        self.changed.notify_one();
    }
}
