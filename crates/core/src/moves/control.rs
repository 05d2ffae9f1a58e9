//! What only the exporter of a buffer may do to it.

use std::fmt;
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

    /// Lends a handle for the time of a call; `None` if the buffer is released. The handle may turn out to be the last one, and the buffer
    /// is not to be released under the lock.
    fn with_buffer<R>(&self, act: impl FnOnce(&DmaBuf) -> R) -> Option<R> {
        let buffer = self.buffer.upgrade()?;
        let outcome = act(&buffer);
        if let Some(last) = buffer.into_last()
            && self.reservation.is_held_here()
        {
            self.reservation
                .defer(move |_| Some(Box::new(move || drop(last))));
        }
        Some(outcome)
    }

    /// Returns everybody who keeps the buffer where it is; nobody if it may move. Empty too when the buffer is released.
    pub fn holders(&self) -> Vec<Holder> {
        self.with_buffer(|buffer| buffer.devices().holders(buffer))
            .unwrap_or_default()
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
        self.with_buffer(|buffer| move_now(buffer, guard, relocate))
            .unwrap_or(Err(MoveError::Released))
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
        self.with_buffer(|buffer| {
            if guard.guards(&self.reservation) {
                revoke(buffer, guard)
            } else {
                Err(RevokeError::WrongGuard { buffer: buffer.id() })
            }
        })
        .unwrap_or(Err(RevokeError::Released))
    }
}

fn move_now(
    buffer: &DmaBuf,
    guard: &ReservationGuard<'_>,
    relocate: impl FnOnce() -> Result<(), Refusal>,
) -> Result<Fence, MoveError> {
    let id = buffer.id();
    if !guard.guards(buffer.reservation()) {
        return Err(MoveError::WrongGuard { buffer: id });
    }
    if !buffer.devices().is_dynamic() {
        return Err(MoveError::Static { buffer: id });
    }
    let holders = buffer.devices().holders(buffer);
    if !holders.is_empty() {
        return Err(MoveError::Held { buffer: id, holders });
    }
    super::relocate(buffer, relocate).map_err(|fault| MoveError::new(id, fault))?;
    Ok(finish(buffer, guard))
}

impl fmt::Debug for ExporterControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExporterControl").field(&self.buffer).finish()
    }
}
