//! What only the exporter of a buffer may do to it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{MoveError, RevokeError, finish, revoke};
use crate::{DmaBuf, Fence, Holder, Refusal, Reservation, ReservationGuard, WeakDmaBuf};

/// An exporter's handle to its own buffer: it moves it and takes it away. It does not keep the buffer alive.
///
/// Given to [`Exporter::exported`](crate::Exporter::exported), once.
#[derive(Clone)]
pub struct ExporterControl {
    buffer: WeakDmaBuf,
    reservation: Arc<Reservation>,
}

impl ExporterControl {
    pub(crate) fn new(buffer: &DmaBuf) -> Self {
        Self {
            buffer: buffer.downgrade(),
            reservation: Arc::clone(buffer.reservation()),
        }
    }

    /// Returns the buffer's reservation.
    pub fn reservation(&self) -> &Arc<Reservation> {
        &self.reservation
    }

    fn upgrade(&self) -> Option<Momentary> {
        self.buffer.upgrade().map(Momentary)
    }

    /// Returns everybody who keeps the buffer where it is; nobody if it may move. Empty too when the buffer is released.
    pub fn holders(&self) -> Vec<Holder> {
        self.upgrade()
            .map_or_else(Vec::new, |buffer| buffer.devices().holders(&buffer))
    }

    /// Moves the buffer: `relocate` gives the contents their new place, then all dynamic importers are told.
    ///
    /// The CPU's fault-tracked pages are taken away before, and faults wait meanwhile, so that `relocate` must not shoot them down itself.
    /// Put a fence of [`Usage::Kernel`](crate::Usage::Kernel) on the reservation in `relocate` if the copying goes on after it. New mappings find the new place as
    /// soon as this returns. The fence that is returned signals when the old place is idle. Contract: A5, L6.
    ///
    /// # Blocking
    /// As long as `relocate` and the importers take.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation; `relocate` runs under it.
    ///
    /// # Errors
    /// See [`MoveError`]; nothing has moved and nobody was told then.
    ///
    /// # References
    /// `dma_buf_move_notify` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn move_buffer(
        &self,
        guard: &ReservationGuard<'_>,
        relocate: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Fence, MoveError> {
        let buffer = self.upgrade().ok_or(MoveError::Released)?;
        let id = buffer.id();
        if !guard.guards(&self.reservation) {
            return Err(MoveError::WrongGuard { buffer: id });
        }
        if !buffer.devices().is_dynamic() {
            return Err(MoveError::Static { buffer: id });
        }
        let holders = buffer.devices().holders(&buffer);
        if !holders.is_empty() {
            return Err(MoveError::Held { buffer: id, holders });
        }
        super::relocate(&buffer, relocate).map_err(|fault| MoveError::new(id, fault))?;
        Ok(finish(&buffer, guard))
    }

    /// Takes the buffer away for good: nothing can be attached or mapped any more, and importers are told to give up what they have.
    ///
    /// The fence that is returned signals when all mappings and pins are given up, those that an attachment keeps until its end too, and all fences
    /// are signaled that were on the reservation: then no device uses the memory any more, nor any place it had before.
    /// Revoking twice is the same as once: nobody is told again, and the fence is the same.
    ///
    /// # Blocking
    /// As long as the importers take.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// See [`RevokeError`]; nothing has changed then.
    ///
    /// # References
    /// `dma_buf_invalidate_mappings` on pinned importers (drivers/dma-buf/dma-buf.c, v7.1).
    pub fn revoke(&self, guard: &ReservationGuard<'_>) -> Result<Fence, RevokeError> {
        let buffer = self.upgrade().ok_or(RevokeError::Released)?;
        if !guard.guards(&self.reservation) {
            return Err(RevokeError::WrongGuard { buffer: buffer.id() });
        }
        revoke(&buffer, guard)
    }
}

/// A handle for the time of a call. It may turn out to be the last one, and the buffer is not to be released under the lock.
struct Momentary(DmaBuf);

impl Deref for Momentary {
    type Target = DmaBuf;

    fn deref(&self) -> &DmaBuf {
        &self.0
    }
}

impl Drop for Momentary {
    fn drop(&mut self) {
        let reservation = Arc::clone(self.0.reservation());
        if reservation.is_held_here() {
            let buffer = self.0.clone();
            reservation.defer(move |_| Some(Box::new(move || drop(buffer))));
        }
    }
}

impl fmt::Debug for ExporterControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExporterControl").field(&self.buffer).finish()
    }
}
