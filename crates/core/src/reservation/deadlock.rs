//! Deadlocks of reservations, as values.
//!
//! They wrap those of the ww-mutexes, so that a reservation is never locked but as a [`ReservationGuard`]: whoever holds it has to do what
//! others leave for the holder.

use std::fmt;

use super::{Reservation, ReservationGuard};
use crate::{Deadlock, Errno, Wait, WaitError, WwLockError, WwMisuse, WwWaitError};

/// A reservation that was not locked in a context.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReservationLockError<'r> {
    /// The context has to back off.
    #[error("{0}")]
    Deadlock(ReservationDeadlock<'r>),
    /// The context holds it already: not a fault when a list names it twice.
    #[error("this context holds this reservation already")]
    AlreadyLocked,
    /// The wait ended first.
    #[error("{0} while waiting for a reservation")]
    Wait(WaitError),
    /// The caller broke a rule of contexts.
    #[error("{0}")]
    Misuse(WwMisuse),
}

impl<'r> ReservationLockError<'r> {
    pub(super) fn of(reservation: &'r Reservation, error: WwLockError<'r>) -> Self {
        match error {
            WwLockError::Deadlock(deadlock) => Self::Deadlock(ReservationDeadlock {
                reservation,
                deadlock,
            }),
            WwLockError::AlreadyLocked { .. } => Self::AlreadyLocked,
            WwLockError::Wait(error) => Self::Wait(error),
            WwLockError::Misuse(misuse) => Self::Misuse(misuse),
        }
    }

    /// Returns EDEADLK, EALREADY, ETIMEDOUT, EINTR, or the number of the misuse.
    ///
    /// # References
    /// `ww_mutex_lock` (kernel/locking/mutex.c, v6.12).
    pub fn errno(&self) -> Errno {
        match self {
            Self::Deadlock(deadlock) => deadlock.errno(),
            Self::AlreadyLocked => Errno::EALREADY,
            Self::Wait(error) => error.errno(),
            Self::Misuse(misuse) => misuse.errno(),
        }
    }
}

/// The context would wait in a circle with an older one, and has to back off: drop every guard of the context, then
/// [`ReservationDeadlock::lock_slow`], then lock the others again. [`Reservation::lock_all`] does all this.
///
/// ```
/// use wharf_core::{AcquireCtx, RESERVATION_CLASS, Reservation, ReservationLockError, Wait};
///
/// let (camera, screen) = (Reservation::new(), Reservation::new());
/// let context = AcquireCtx::injecting_deadlocks(&RESERVATION_CLASS);
/// let first = camera.lock_in(&context, &Wait::forever()).expect("nobody else is here");
/// let Err(ReservationLockError::Deadlock(deadlock)) = screen.lock_in(&context, &Wait::forever()) else {
///     unreachable!("the context invents one here");
/// };
/// drop(first);
/// let second = deadlock.lock_slow(&Wait::forever()).expect("it is free");
/// let first = camera.lock_in(&context, &Wait::forever()).expect("it is free");
/// # drop((first, second));
/// ```
///
/// # References
/// -EDEADLK of `dma_resv_lock`; `dma_resv_lock_slow` (include/linux/dma-resv.h, v6.12). Contract: L7.
#[must_use = "back off: drop the guards of the context, then lock_slow"]
pub struct ReservationDeadlock<'r> {
    reservation: &'r Reservation,
    deadlock: Deadlock<'r>,
}

impl<'r> ReservationDeadlock<'r> {
    /// Returns the reservation that was not to be had: the first to lock after backing off.
    pub fn contended(&self) -> &'r Reservation {
        self.reservation
    }

    /// Locks the contended reservation, once the context holds nothing any more.
    ///
    /// Reservation and context are those of the deadlock, so that there is no wrong one.
    ///
    /// # Blocking
    /// While others hold it, within the bounds of `wait`.
    ///
    /// # Errors
    /// ETIMEDOUT, EINTR; EINVAL if the context still holds something. The deadlock comes back in the error, to be tried again.
    ///
    /// # References
    /// `dma_resv_lock_slow` (include/linux/dma-resv.h, v6.12).
    #[track_caller]
    pub fn lock_slow(self, wait: &Wait<'_>) -> Result<ReservationGuard<'r>, SlowReservationError<'r>> {
        let reservation = self.reservation;
        match self.deadlock.lock_slow(wait) {
            Ok(lock) => Ok(ReservationGuard::new(reservation, lock)),
            Err(error) => Err(SlowReservationError {
                cause: *error.cause(),
                deadlock: Self {
                    reservation,
                    deadlock: error.into_deadlock(),
                },
            }),
        }
    }

    /// Returns EDEADLK.
    pub fn errno(&self) -> Errno {
        self.deadlock.errno()
    }
}

impl fmt::Display for ReservationDeadlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deadlock.fmt(f)
    }
}

impl fmt::Debug for ReservationDeadlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deadlock.fmt(f)
    }
}

/// A failed [`ReservationDeadlock::lock_slow`], with the deadlock in it: it is still to be acted upon.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct SlowReservationError<'r> {
    deadlock: ReservationDeadlock<'r>,
    cause: WwWaitError,
}

impl<'r> SlowReservationError<'r> {
    /// Returns what went wrong.
    pub fn cause(&self) -> &WwWaitError {
        &self.cause
    }

    /// Returns ETIMEDOUT, EINTR, or the number of the misuse.
    pub fn errno(&self) -> Errno {
        self.cause.errno()
    }

    /// Gives the deadlock back.
    pub fn into_deadlock(self) -> ReservationDeadlock<'r> {
        self.deadlock
    }
}
