//! Keeping a buffer where it is, for a dynamic importer.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::{GiveBackError, mapping};
use crate::ReservationGuard;

/// Keeps a buffer where it is. Dropping it unpins: at once if the reservation is free, else when its holder unlocks.
#[must_use = "the buffer is unpinned when the pin is dropped"]
pub struct Pin {
    /// Taken when the pin is given up.
    core: Option<Arc<Core>>,
}

impl Pin {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Some(Arc::clone(core)),
        }
    }

    /// Unpins.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// [`MapFault::WrongGuard`](crate::MapFault::WrongGuard): EINVAL; the pin is still there, and comes back in the error.
    ///
    /// # References
    /// `dma_buf_unpin` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn unpin(mut self, guard: &ReservationGuard<'_>) -> Result<(), GiveBackError<Self>> {
        let Some(core) = self.core.take() else {
            return Ok(());
        };
        if let Err(error) = core.check_guard(Some(guard)) {
            self.core = Some(core);
            return Err(GiveBackError { error, kept: self });
        }
        unpin(&core, guard);
        Ok(())
    }
}

fn unpin(core: &Core, guard: &ReservationGuard<'_>) {
    mapping::unpin(core, Some(guard));
    tracing::debug!(target: "wharf_core::attachment", buffer = core.buffer.id().get(),
        attachment = core.info().id().get(), "unpinned");
    core.forget_pin();
}

impl Drop for Pin {
    fn drop(&mut self) {
        let Some(core) = self.core.take() else {
            return;
        };
        let reservation = Arc::clone(core.buffer.reservation());
        reservation.defer(move |guard| {
            unpin(&core, guard);
            None
        });
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}
