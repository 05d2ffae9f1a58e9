//! What may be done while a reservation is locked.

use std::cell::Cell;
use std::fmt;

use super::deferred::{self, Afterwards};
use super::{AddFenceError, Fences, Reservation, ReserveError, Usage};
use crate::{ContextId, Fence, Wait, WwGuard};

/// Proof that this thread holds a reservation. Dropping it unlocks.
///
/// Calls that need the lock take a reference to it. It cannot be sent to another thread, and borrows its acquire context, which
/// therefore cannot end before it.
#[must_use = "the reservation is unlocked when the guard is dropped"]
pub struct ReservationGuard<'r> {
    reservation: &'r Reservation,
    lock: WwGuard<'r>,
    /// How many fences may still be added.
    slots: Cell<usize>,
}

impl<'r> ReservationGuard<'r> {
    #[inline]
    pub(super) fn new(reservation: &'r Reservation, lock: WwGuard<'r>) -> Self {
        Self {
            reservation,
            lock,
            slots: Cell::new(0),
        }
    }

    /// Returns the reservation that is held.
    pub fn reservation(&self) -> &'r Reservation {
        self.reservation
    }

    /// Says whether this is the lock of that reservation.
    pub fn guards(&self, reservation: &Reservation) -> bool {
        std::ptr::eq(self.reservation, reservation)
    }

    /// Makes room for `count` fences, so that adding them cannot fail once work has begun.
    ///
    /// It does not add up: there are `count` slots afterwards, or as many as there were if those are more. Slots that are left when the
    /// lock is dropped are taken back.
    ///
    /// # Errors
    /// [`ReserveError::Nothing`]: EINVAL. [`ReserveError::NoMemory`]: ENOMEM; nothing has changed.
    ///
    /// # References
    /// `dma_resv_reserve_fences` (drivers/dma-buf/dma-resv.c, v6.12).
    // DIFFERENCE: the kernel takes unused slots back only in debug builds (dma_resv_reset_max_fences), to make a forgotten reservation
    // fail. Here it always fails.
    pub fn reserve_fences(&self, count: usize) -> Result<(), ReserveError> {
        if count == 0 {
            return Err(ReserveError::Nothing);
        }
        if !self.reservation.list(|list| list.has_room(count)) {
            // Growing is the moment to look at every fence, so that adding need not.
            let kept = self.fences(Usage::Bookkeep).into_kept(count)?;
            self.reservation.list(|list| list.set(kept));
        }
        self.slots.set(self.slots.get().max(count));
        Ok(())
    }

    /// Adds a fence; it takes the place of those of the same context that are not later and whose usage is not stronger.
    ///
    /// A usage can thus be made stronger by adding the fence again, and never weaker. Every fence that is added takes a slot.
    ///
    /// # Errors
    /// [`AddFenceError::NoSlot`]: ENOSPC. [`AddFenceError::Container`]: EINVAL.
    ///
    /// # References
    /// `dma_resv_add_fence` (drivers/dma-buf/dma-resv.c, v6.12).
    // DIFFERENCE: the kernel replaces the first fence that it may, so that others which the new one stands for too can stay behind it.
    // DIFFERENCE: in the kernel a fence that takes another's place needs no slot, so that a forgotten reservation shows up only when
    // there happens to be nothing to replace. It takes the place of one fence, and that may be a signaled one of any context, so that
    // what stays depends on the order of the list; asking every fence whether it is signaled would also mean calling foreign code while
    // the list is locked. Here signaled ones go when room is made.
    pub fn add_fence(&self, fence: &Fence, usage: Usage) -> Result<(), AddFenceError> {
        if fence.is_container() {
            return Err(AddFenceError::Container);
        }
        let Some(left) = self.slots.get().checked_sub(1) else {
            return Err(AddFenceError::NoSlot {
                context: fence.context(),
                usage,
            });
        };
        self.slots.set(left);
        self.reservation.list(|list| list.add(fence, usage));
        tracing::trace!(target: "wharf_core::reservation", %fence, ?usage, "fence added");
        Ok(())
    }

    /// Puts `fence` in the place of all pending fences of a context, as when work that was queued is taken back and replaced. Needs no
    /// slot.
    ///
    /// # Errors
    /// [`AddFenceError::Container`]: EINVAL; nothing is replaced.
    ///
    /// # References
    /// `dma_resv_replace_fences` (drivers/dma-buf/dma-resv.c, v6.12).
    // DIFFERENCE: the kernel replaces signaled fences too, if they are still in the list: then it depends on when room was last made
    // whether finished work becomes pending again.
    pub fn replace_fences(
        &self,
        context: ContextId,
        fence: &Fence,
        usage: Usage,
    ) -> Result<(), AddFenceError> {
        if fence.is_container() {
            return Err(AddFenceError::Container);
        }
        self.reservation.list(|list| list.replace(context, fence, usage));
        Ok(())
    }

    /// Returns the fences of `usage` and stronger ones, signaled ones too, as they are now.
    ///
    /// # References
    /// `dma_resv_for_each_fence` (include/linux/dma-resv.h, v6.12).
    pub fn fences(&self, usage: Usage) -> Fences {
        self.reservation.list(|list| list.snapshot(usage))
    }

    /// Replaces all fences by the unsignaled ones of another reservation, which need not be locked. Slots stay.
    ///
    /// # Errors
    /// [`ReserveError::NoMemory`]: ENOMEM; nothing has changed.
    ///
    /// # References
    /// `dma_resv_copy_fences` (drivers/dma-buf/dma-resv.c, v6.12), which keeps no slots.
    pub fn copy_fences_from(&self, source: &Reservation) -> Result<(), ReserveError> {
        let copied = source.fences(Usage::Bookkeep).into_kept(self.slots.get())?;
        self.reservation.list(|list| list.set(copied));
        Ok(())
    }

    /// Does what others left to do for the holder, and unlocks; returns what is to be done without the lock. Does nothing the second time.
    #[inline]
    pub(super) fn release(&mut self) -> Vec<Afterwards> {
        let mut afterwards = Vec::new();
        if !self.reservation.deferred.seems_empty() && self.lock.is_held() {
            self.reservation.deferred.run(self, &mut afterwards);
        }
        // Whoever left work since then found the lock taken, and asked for a look.
        if self.lock.unlock() {
            self.reservation.look(&mut afterwards);
        }
        afterwards
    }
}

impl Reservation {
    /// Adds a fence of work that goes on already, as work of another process does, without waiting for the lock: it is there when this returns
    /// if nobody has the lock, else before its holder has unlocked. Otherwise as [`ReservationGuard::add_fence`]; needs no slot.
    ///
    /// # Blocking
    /// No; but if there is no memory to note the fence, whoever unlocks waits for it.
    ///
    /// # Locking
    /// May be called with any lock held that no callback of these fences takes.
    ///
    /// # Errors
    /// [`AddFenceError::Container`]: EINVAL.
    ///
    /// # References
    /// `dma_resv_reserve_fences`, `dma_resv_add_fence` (drivers/dma-buf/dma-resv.c, v6.12), whose callers lock. Contract: R.
    pub fn add_foreign_fence(&self, fence: &Fence, usage: Usage) -> Result<(), AddFenceError> {
        if fence.is_container() {
            return Err(AddFenceError::Container);
        }
        let fence = fence.clone();
        self.defer(move |guard| {
            let added = guard.reserve_fences(1).is_ok() && guard.add_fence(&fence, usage).is_ok();
            (!added).then(|| -> Afterwards {
                Box::new(move || {
                    let _ = fence.wait(&Wait::forever());
                })
            })
        });
        Ok(())
    }

    /// Has `work` done while the lock is held: at once if it is free, else by its holder before it unlocks. Does not block
    /// on the lock. What `work` returns is done right after unlocking.
    pub(crate) fn defer(
        &self,
        work: impl FnOnce(&ReservationGuard<'_>) -> Option<Afterwards> + Send + 'static,
    ) {
        self.deferred.push(Box::new(work));
        let mut afterwards = Vec::new();
        self.look(&mut afterwards);
        deferred::run_afterwards(afterwards);
    }

    /// Does what was left to do, or has whoever holds the lock do it.
    #[cold]
    fn look(&self, afterwards: &mut Vec<Afterwards>) {
        while let Some(lock) = self.mutex.try_lock_or_ask() {
            let mut guard = ReservationGuard::new(self, lock);
            self.deferred.run(&guard, afterwards);
            if !guard.lock.unlock() {
                return;
            }
        }
    }
}

impl Drop for ReservationGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let afterwards = self.release();
        if !afterwards.is_empty() {
            deferred::run_afterwards(afterwards);
        }
    }
}

impl fmt::Debug for ReservationGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReservationGuard").finish_non_exhaustive()
    }
}
