//! Deadlock as a value.

use std::fmt;

use super::mutex::Refusal;
use super::{AcquireCtx, WwGuard, WwMisuse, WwMutex, WwWaitError};
use crate::{Errno, Wait};

/// The context would wait in a circle with an older one, and has to back off.
///
/// What to do: drop every guard of the context, then [`Deadlock::lock_slow`], then lock the others again. Until then the context
/// locks nothing else. Who gives up instead drops this value and the context.
///
/// ```
/// use wharf_core::ww::WwLockError;
/// use wharf_core::{AcquireCtx, Wait, WwAlgorithm, WwClass, WwMutex};
///
/// static BUFFERS: WwClass = WwClass::new("buffers", WwAlgorithm::WaitDie);
/// let (camera, encoder) = (WwMutex::new(&BUFFERS), WwMutex::new(&BUFFERS));
///
/// let ctx = AcquireCtx::injecting_deadlocks(&BUFFERS);
/// let first = camera.lock_in(&ctx, &Wait::forever()).expect("it is free");
/// let Err(WwLockError::Deadlock(deadlock)) = encoder.lock_in(&ctx, &Wait::forever()) else {
///     unreachable!("the context invents one here");
/// };
/// drop(first);
/// let second = deadlock.lock_slow(&Wait::forever()).expect("it is free");
/// let first = camera.lock_in(&ctx, &Wait::forever()).expect("it is free");
/// # drop((first, second));
/// ```
///
/// # References
/// -EDEADLK of `ww_mutex_lock`; `ww_mutex_lock_slow` (include/linux/ww_mutex.h, v6.12). Contract: L7.
#[must_use = "back off: drop the guards of the context, then lock_slow"]
pub struct Deadlock<'a> {
    mutex: &'a WwMutex,
    ctx: &'a AcquireCtx,
}

impl<'a> Deadlock<'a> {
    /// Notes in the context that it has to back off.
    pub(super) fn new(mutex: &'a WwMutex, ctx: &'a AcquireCtx) -> Self {
        ctx.owe(mutex);
        Self { mutex, ctx }
    }

    /// Returns the mutex that was not to be had: the first to lock after backing off.
    pub fn contended(&self) -> &'a WwMutex {
        self.mutex
    }

    /// Locks the contended mutex, for the context that met the deadlock and holds nothing any more.
    ///
    /// Mutex and context are those of the deadlock, so that there is no wrong one.
    ///
    /// # Blocking
    /// While others hold the mutex, within the bounds of `wait`. Holding nothing, the context is not told to back off.
    ///
    /// # Locking
    /// No mutex of the class may be held by this thread.
    ///
    /// # Errors
    /// The deadlock comes back in the error, to be tried again.
    /// * [`WwMisuse::NotBackedOff`]: the context still holds something → EINVAL.
    /// * [`WwWaitError::Wait`]: the wait ended first → ETIMEDOUT, EINTR.
    ///
    /// # References
    /// `ww_mutex_lock_slow`, `ww_mutex_lock_slow_interruptible` (include/linux/ww_mutex.h, v6.12).
    #[track_caller]
    pub fn lock_slow(self, wait: &Wait<'_>) -> Result<WwGuard<'a>, SlowLockError<'a>> {
        let locked = match self.ctx.check(self.mutex) {
            Ok(()) => self.mutex.acquire_in(self.ctx, wait),
            Err(misuse) => Err(Refusal::Misuse(misuse)),
        };
        let cause = match locked {
            Ok(guard) => return Ok(guard),
            Err(Refusal::Wait(error)) => WwWaitError::Wait(error),
            Err(Refusal::Misuse(misuse)) => WwWaitError::Misuse(misuse),
            // Not told to those who hold nothing, which has just been checked.
            Err(Refusal::BackOff) => WwWaitError::Misuse(WwMisuse::NotBackedOff {
                class: self.mutex.class().name(),
                held: self.ctx.held(),
            }),
        };
        Err(SlowLockError {
            deadlock: self,
            cause,
        })
    }

    /// Returns EDEADLK.
    pub fn errno(&self) -> Errno {
        Errno::EDEADLK
    }
}

impl fmt::Display for Deadlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "locking a '{}' mutex while holding {} would deadlock with an older context; \
             unlock all of them, then lock the contended one first",
            self.mutex.class().name(),
            self.ctx.held()
        )
    }
}

impl fmt::Debug for Deadlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlock")
            .field("contended", self.mutex)
            .field("context", self.ctx)
            .finish()
    }
}

/// A failed [`Deadlock::lock_slow`], with the deadlock in it: it is still to be acted upon.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct SlowLockError<'a> {
    deadlock: Deadlock<'a>,
    cause: WwWaitError,
}

impl<'a> SlowLockError<'a> {
    /// Returns what went wrong.
    pub fn cause(&self) -> &WwWaitError {
        &self.cause
    }

    /// Returns the error number of what went wrong.
    pub fn errno(&self) -> Errno {
        self.cause.errno()
    }

    /// Gives the deadlock back.
    pub fn into_deadlock(self) -> Deadlock<'a> {
        self.deadlock
    }
}
