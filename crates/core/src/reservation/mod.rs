//! Reservations: the lock of a buffer, and the fences of everybody who works on it.
//!
//! | Usage | Who adds it | Who waits for it |
//! |---|---|---|
//! | [`Usage::Kernel`] | whoever moves or clears the memory | everybody, always |
//! | [`Usage::Write`] | who writes | readers and writers |
//! | [`Usage::Read`] | who reads | writers |
//! | [`Usage::Bookkeep`] | who only needs the memory to stay | whoever moves or frees it |
//!
//! A question about a usage is answered with the fences of that usage and of all stronger ones above it in the table:
//! a writer waits at [`Usage::Read`], a reader at [`Usage::Write`].
//!
//! # Locking
//! | With the [`ReservationGuard`] | Without it |
//! |---|---|
//! | reserve, add, replace, copy, iterate over all fences | [`Reservation::fences`], [`Reservation::wait`], [`Reservation::is_signaled`], [`Reservation::singleton`], [`Reservation::set_deadline`] |
//!
//! Reservations are ww-mutexes of one wait-die class: several can be locked in any order with one
//! [`AcquireCtx`]. Contract: L7, R.
//!
//! # Examples
//! ```
//! use wharf_core::{FenceContext, Reservation, Usage, Wait};
//!
//! let reservation = Reservation::new();
//! let job = FenceContext::new("example", "engine").fence(1);
//!
//! let guard = reservation.lock(&Wait::forever())?;
//! guard.reserve_fences(1)?;
//! // … start the job; nothing can fail from here on …
//! guard.add_fence(&job.fence(), Usage::Write)?;
//! drop(guard);
//!
//! assert!(!reservation.is_signaled(Usage::Read));
//! job.signal();
//! reservation.wait(Usage::Read, &Wait::forever())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//! drivers/dma-buf/dma-resv.c, include/linux/dma-resv.h (v6.12).

mod deadlock;
mod deferred;
mod error;
mod guard;
mod list;
mod lock_all;
mod usage;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::sync::{Mutex, lock};
use crate::{AcquireCtx, Fence, FenceArray, Wait, WaitError, WwAlgorithm, WwClass, WwMutex, WwWaitError};

pub use deadlock::{ReservationDeadlock, ReservationLockError, SlowReservationError};
pub use error::{AddFenceError, ReserveError};
pub use guard::ReservationGuard;
pub use list::Fences;
pub use lock_all::ReservationSet;
pub use usage::Usage;

pub(crate) use deferred::Afterwards;
use deferred::Deferred;
use list::FenceList;

/// The class of all reservations; their acquire contexts are made for it.
///
/// # References
/// `reservation_ww_class` (drivers/dma-buf/dma-resv.c, v6.12), which is wait-die too.
pub static RESERVATION_CLASS: WwClass = WwClass::new("reservation", WwAlgorithm::WaitDie);

/// The lock and the fences of one buffer, or of several that are only ever used together.
///
/// # Invariants
/// The fences change only while the lock is held.
///
/// # References
/// `struct dma_resv` (include/linux/dma-resv.h, v6.12).
pub struct Reservation {
    mutex: WwMutex,
    fences: Mutex<FenceList>,
    deferred: Deferred,
}

impl Reservation {
    /// Makes a reservation without fences.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            mutex: WwMutex::new(&RESERVATION_CLASS),
            fences: Mutex::new(FenceList::default()),
            deferred: Deferred::default(),
        })
    }

    /// Locks this reservation alone.
    ///
    /// # Blocking
    /// While others hold it, within the bounds of `wait`.
    ///
    /// # Locking
    /// No other reservation may be held by this thread: two threads that each hold one and want the other's would block
    /// forever. Use [`Reservation::lock_in`] for several.
    ///
    /// # Errors
    /// [`WwWaitError::Wait`]: ETIMEDOUT, EINTR. [`WwWaitError::Misuse`]: EDEADLK, this thread holds it already.
    ///
    /// # References
    /// `dma_resv_lock`, `dma_resv_lock_interruptible` (include/linux/dma-resv.h, v6.12).
    #[inline]
    #[track_caller]
    pub fn lock(&self, wait: &Wait<'_>) -> Result<ReservationGuard<'_>, WwWaitError> {
        Ok(ReservationGuard::new(self, self.mutex.lock(wait)?))
    }

    /// Locks this reservation as one of several of a context.
    ///
    /// # Blocking
    /// While others hold it, within the bounds of `wait`.
    ///
    /// # Errors
    /// [`ReservationLockError::Deadlock`] (EDEADLK): drop every guard of the context, then [`ReservationDeadlock::lock_slow`], or let
    /// [`Reservation::lock_all`] do it. [`ReservationLockError::AlreadyLocked`] (EALREADY): this context has it.
    /// [`ReservationLockError::Wait`]: ETIMEDOUT, EINTR. [`ReservationLockError::Misuse`]: see there. Contract: L7.
    ///
    /// # References
    /// `dma_resv_lock`, `dma_resv_lock_interruptible` (include/linux/dma-resv.h, v6.12).
    #[inline]
    #[track_caller]
    pub fn lock_in<'r>(
        &'r self,
        context: &'r AcquireCtx,
        wait: &Wait<'_>,
    ) -> Result<ReservationGuard<'r>, ReservationLockError<'r>> {
        match self.mutex.lock_in(context, wait) {
            Ok(lock) => Ok(ReservationGuard::new(self, lock)),
            Err(error) => Err(ReservationLockError::of(self, error)),
        }
    }

    /// Locks this reservation if nobody holds it. Does not block.
    ///
    /// # References
    /// `dma_resv_trylock` (include/linux/dma-resv.h, v6.12).
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<ReservationGuard<'_>> {
        Some(ReservationGuard::new(self, self.mutex.try_lock()?))
    }

    /// Says whether somebody holds the lock at this moment.
    pub fn is_locked(&self) -> bool {
        self.mutex.is_locked()
    }

    /// Says whether this thread holds the lock.
    pub(crate) fn is_held_here(&self) -> bool {
        self.mutex.is_held_here()
    }

    /// Returns the fences of `usage` and stronger ones that are there at this moment. Needs no lock and does not block.
    ///
    /// Those that are found signaled when their turn comes are left out; what is added or replaced meanwhile is not seen.
    ///
    /// # References
    /// `dma_resv_for_each_fence_unlocked` (include/linux/dma-resv.h, v6.12).
    // DIFFERENCE: the kernel's unlocked iterator starts anew when its list is replaced, and its users must forget what they have
    // gathered. This one goes through the fences of one moment, so that there is nothing to forget.
    pub fn fences(&self, usage: Usage) -> Fences {
        lock(&self.fences).snapshot(usage).unsignaled()
    }

    /// Returns one fence that signals when all of `usage` and stronger ones have: the only one, or an array. `None` if nothing is pending.
    ///
    /// # References
    /// `dma_resv_get_singleton` (drivers/dma-buf/dma-resv.c, v6.12).
    pub fn singleton(&self, usage: Usage) -> Option<Fence> {
        let mut fences: Vec<Fence> = self.fences(usage).map(|(fence, _)| fence).collect();
        match fences.len() {
            0 | 1 => fences.pop(),
            // Reservations take no containers, so that there is none to refuse here.
            _ => FenceArray::new(fences).ok().map(|array| array.fence().clone()),
        }
    }

    /// Blocks until the fences that `usage` and stronger ones have at this moment are signaled, with or without an error.
    ///
    /// # Blocking
    /// Within the bounds of `wait`.
    ///
    /// # Locking
    /// The reservation may be held; nothing that a fence's signaler needs may be.
    ///
    /// # Errors
    /// ETIMEDOUT, EINTR.
    ///
    /// # References
    /// `dma_resv_wait_timeout` (drivers/dma-buf/dma-resv.c, v6.12).
    #[track_caller]
    pub fn wait(&self, usage: Usage, wait: &Wait<'_>) -> Result<(), WaitError> {
        for (fence, _) in self.fences(usage) {
            fence.wait(wait)?;
        }
        Ok(())
    }

    /// Says whether no fence of `usage` or a stronger one is pending. Does not block.
    ///
    /// # References
    /// `dma_resv_test_signaled` (drivers/dma-buf/dma-resv.c, v6.12).
    pub fn is_signaled(&self, usage: Usage) -> bool {
        self.fences(usage).next().is_none()
    }

    /// Tells the sources of all fences of `usage` and stronger ones by when they are wanted: a hint.
    ///
    /// # References
    /// `dma_resv_set_deadline` (drivers/dma-buf/dma-resv.c, v6.12).
    pub fn set_deadline(&self, usage: Usage, deadline: Instant) {
        for (fence, _) in self.fences(usage) {
            fence.set_deadline(deadline);
        }
    }

    /// Returns all fences as they are at this moment, without asking any whether it is signaled.
    pub(crate) fn all_fences(&self) -> Fences {
        lock(&self.fences).snapshot(Usage::Bookkeep)
    }

    fn list<R>(&self, change: impl FnOnce(&mut FenceList) -> R) -> R {
        change(&mut lock(&self.fences))
    }
}

/// Counts signaled fences too: it does not ask them.
impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("is_locked", &self.is_locked())
            .field("fences", &self.list(|list| list.len()))
            .finish()
    }
}
