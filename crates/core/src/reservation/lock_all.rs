//! Locking several reservations at once.

use super::{Reservation, ReservationGuard};
use crate::{AcquireCtx, Deadlock, Wait, WwGuard, WwWaitError, ww};

/// Reservations that were locked together. Dropping it unlocks all.
#[derive(Debug)]
#[must_use = "the reservations are unlocked when the set is dropped"]
pub struct ReservationSet<'r> {
    guards: Vec<ReservationGuard<'r>>,
}

impl Reservation {
    /// Locks all reservations of a list, which may be in any order and name one twice, backing off as often as it takes.
    ///
    /// ```
    /// use wharf_core::{AcquireCtx, RESERVATION_CLASS, Reservation, Wait};
    ///
    /// let (camera, screen) = (Reservation::new(), Reservation::new());
    /// let context = AcquireCtx::new(&RESERVATION_CLASS);
    /// let locked = Reservation::lock_all(&context, &[&screen, &camera, &screen], &Wait::forever())?;
    /// assert!(camera.is_locked() && screen.is_locked());
    /// assert!(locked.guard(&camera).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Blocking
    /// While others hold one of them, within the bounds of `wait`, which are those of the whole.
    ///
    /// # Locking
    /// The context may hold nothing.
    ///
    /// # Errors
    /// ETIMEDOUT, EINTR, or the number of a misuse; nothing stays locked. Contract: L7.
    ///
    /// # References
    /// `drm_exec` (drivers/gpu/drm/drm_exec.c, v6.12).
    #[track_caller]
    pub fn lock_all<'r>(
        context: &'r AcquireCtx,
        reservations: &[&'r Self],
        wait: &Wait<'_>,
    ) -> Result<ReservationSet<'r>, WwWaitError> {
        let mutexes: Vec<_> = reservations.iter().map(|one| &one.mutex).collect();
        let locks = ww::lock_all(context, &mutexes, wait)?;
        let guards = locks.into_iter().filter_map(|lock| guard_of(reservations, lock));
        Ok(ReservationSet {
            guards: guards.collect(),
        })
    }

    /// Locks the reservation that a context met a deadlock at, once the context holds nothing any more.
    ///
    /// # Blocking
    /// While others hold it, within the bounds of `wait`.
    ///
    /// # Errors
    /// ETIMEDOUT, EINTR; EINVAL if the context still holds something or the deadlock was met elsewhere. The deadlock comes back in
    /// the error, to be tried again.
    ///
    /// # References
    /// `dma_resv_lock_slow` (include/linux/dma-resv.h, v6.12).
    #[track_caller]
    pub fn lock_slow<'r>(
        &'r self,
        deadlock: Deadlock<'r>,
        wait: &Wait<'_>,
    ) -> Result<ReservationGuard<'r>, SlowReservationError<'r>> {
        if !std::ptr::eq(deadlock.contended(), &self.mutex) {
            return Err(SlowReservationError {
                deadlock,
                cause: None,
            });
        }
        match deadlock.lock_slow(wait) {
            Ok(lock) => Ok(ReservationGuard::new(self, lock)),
            Err(error) => Err(SlowReservationError {
                cause: Some(*error.cause()),
                deadlock: error.into_deadlock(),
            }),
        }
    }
}

fn guard_of<'r>(reservations: &[&'r Reservation], lock: WwGuard<'r>) -> Option<ReservationGuard<'r>> {
    let reservation = reservations.iter().find(|one| lock.guards(&one.mutex))?;
    Some(ReservationGuard::new(reservation, lock))
}

impl<'r> ReservationSet<'r> {
    /// Returns the guard of a reservation of the list.
    pub fn guard(&self, reservation: &Reservation) -> Option<&ReservationGuard<'r>> {
        self.guards.iter().find(|guard| guard.guards(reservation))
    }

    /// Returns all guards, one for each reservation.
    pub fn guards(&self) -> &[ReservationGuard<'r>] {
        &self.guards
    }
}

/// A failed [`Reservation::lock_slow`], with the deadlock in it: it is still to be acted upon.
#[derive(Debug)]
pub struct SlowReservationError<'r> {
    deadlock: Deadlock<'r>,
    /// `None` if the deadlock was met at another reservation.
    cause: Option<WwWaitError>,
}

impl<'r> SlowReservationError<'r> {
    /// Returns ETIMEDOUT, EINTR, the number of a misuse, or EINVAL for a deadlock that was met elsewhere.
    pub fn errno(&self) -> crate::Errno {
        self.cause.map_or(crate::Errno::EINVAL, |cause| cause.errno())
    }

    /// Gives the deadlock back.
    pub fn into_deadlock(self) -> Deadlock<'r> {
        self.deadlock
    }
}

impl std::fmt::Display for SlowReservationError<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.cause {
            Some(cause) => cause.fmt(f),
            None => f.write_str("the deadlock was met at another reservation; lock that one first"),
        }
    }
}

impl std::error::Error for SlowReservationError<'_> {}
