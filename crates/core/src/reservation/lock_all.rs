//! Locking several reservations at once.

use super::{Reservation, ReservationDeadlock, ReservationGuard, ReservationLockError, deferred};
use crate::{AcquireCtx, Wait, WwMisuse, WwWaitError};

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
    // Not made of `ww::lock_all`, whose guards would unlock without doing what was left for the holder.
    #[track_caller]
    pub fn lock_all<'r>(
        context: &'r AcquireCtx,
        reservations: &[&'r Self],
        wait: &Wait<'_>,
    ) -> Result<ReservationSet<'r>, WwWaitError> {
        if context.held() > 0 {
            return Err(WwWaitError::Misuse(WwMisuse::HoldsOthers {
                class: context.class().name(),
                held: context.held(),
            }));
        }
        let mut set = ReservationSet {
            guards: Vec::with_capacity(reservations.len()),
        };
        while let Some(deadlock) = set.attempt(context, reservations, wait)? {
            set.unlock();
            set.guards
                .push(deadlock.lock_slow(wait).map_err(|error| *error.cause())?);
        }
        Ok(set)
    }
}

impl<'r> ReservationSet<'r> {
    /// Locks what is not locked yet, up to the first deadlock.
    #[track_caller]
    fn attempt(
        &mut self,
        context: &'r AcquireCtx,
        reservations: &[&'r Reservation],
        wait: &Wait<'_>,
    ) -> Result<Option<ReservationDeadlock<'r>>, WwWaitError> {
        for reservation in reservations {
            match reservation.lock_in(context, wait) {
                Ok(guard) => self.guards.push(guard),
                Err(ReservationLockError::AlreadyLocked) => (),
                Err(ReservationLockError::Deadlock(deadlock)) => return Ok(Some(deadlock)),
                Err(ReservationLockError::Wait(error)) => return Err(WwWaitError::Wait(error)),
                Err(ReservationLockError::Misuse(misuse)) => return Err(WwWaitError::Misuse(misuse)),
            }
        }
        Ok(None)
    }

    /// Unlocks all, and only then does what must not be done under any of the locks.
    fn unlock(&mut self) {
        let afterwards = self
            .guards
            .iter_mut()
            .flat_map(ReservationGuard::release)
            .collect();
        self.guards.clear();
        deferred::run_afterwards(afterwards);
    }

    /// Returns the guard of a reservation of the list.
    pub fn guard(&self, reservation: &Reservation) -> Option<&ReservationGuard<'r>> {
        self.guards.iter().find(|guard| guard.guards(reservation))
    }

    /// Returns all guards, one for each reservation.
    pub fn guards(&self) -> &[ReservationGuard<'r>] {
        &self.guards
    }
}

impl Drop for ReservationSet<'_> {
    fn drop(&mut self) {
        self.unlock();
    }
}
