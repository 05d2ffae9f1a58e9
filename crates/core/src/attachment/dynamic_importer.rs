//! What a dynamic importer has: an attachment that is told of moves, mappings made under the reservation, and pins.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::static_importer::DetachError;
use super::{AttachError, AttachmentInfo, GiveBackError, Importer, MapError, Pin, attach, mapping};
use crate::dma::{DeviceUse, SgSegment, SgTable};
use crate::{AccessMode, DataDirection, DmaBuf, ReservationGuard, Wait};

/// A dynamic importer's attachment to a buffer. Dropping it detaches, once its mappings and pins are gone too.
///
/// # References
/// `struct dma_buf_attachment` with `importer_ops` (include/linux/dma-buf.h, v6.12).
pub struct DynamicAttachment {
    core: Arc<Core>,
}

impl DmaBuf {
    /// Attaches a device for an importer that is told of moves.
    ///
    /// As [`DmaBuf::attach`], but nothing is pinned; a static exporter's buffer is mapped right now, for as long as it is attached, unless the
    /// buffer was exported with [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap). Contract: A1 to A3, L4, L5.
    ///
    /// # Blocking
    /// As [`DmaBuf::attach`].
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// See [`AttachFault`](crate::AttachFault); nothing is attached then.
    ///
    /// # References
    /// `dma_buf_dynamic_attach` (drivers/dma-buf/dma-buf.c, v6.12; v5.5 for the mapping at attach).
    #[track_caller]
    pub fn attach_dynamic(
        &self,
        device: &DeviceUse,
        access: AccessMode,
        importer: Arc<dyn Importer>,
        wait: &Wait<'_>,
    ) -> Result<DynamicAttachment, AttachError> {
        Ok(DynamicAttachment {
            core: attach::attach(self, device, access, Some(importer), wait)?,
        })
    }
}

impl DynamicAttachment {
    /// Returns who is attached and how.
    pub fn info(&self) -> &AttachmentInfo {
        self.core.info()
    }

    /// Returns the buffer, with its reservation.
    pub fn buffer(&self) -> &DmaBuf {
        &self.core.buffer
    }

    /// Makes the buffer reachable for the device where it is now. Contract: A4, L3.
    ///
    /// The caller obeys the fences on the reservation before its device touches anything, and adds its own.
    ///
    /// # Blocking
    /// As long as the exporter takes; it does not wait for fences. The first mapping of a buffer may allocate.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// See [`MapFault`](crate::MapFault); nothing is mapped then.
    ///
    /// # References
    /// `dma_buf_map_attachment` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn map(
        &self,
        guard: &ReservationGuard<'_>,
        direction: DataDirection,
    ) -> Result<DynamicMapping, MapError> {
        self.core.check_usable(Some(guard))?;
        self.core.check_access(direction)?;
        let table = match mapping::kept(&self.core, direction)? {
            Some(table) => table,
            None => Arc::new(mapping::map_through(&self.core, Some(guard), direction)?),
        };
        // The exporter can have revoked it while it mapped.
        if let Err(error) = self.core.check_usable(Some(guard)) {
            if !self.core.is_kept(&table) {
                mapping::unmap_through(&self.core, Some(guard), direction, &table);
            }
            return Err(error);
        }
        Ok(DynamicMapping {
            number: Some(self.core.record(direction)),
            core: Arc::clone(&self.core),
            direction,
            table,
        })
    }

    /// As [`DynamicAttachment::map`], but takes the reservation for the time of the call.
    ///
    /// # Blocking
    /// Also for the reservation, within the bounds of `wait`.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// See [`MapFault`](crate::MapFault); nothing is mapped then.
    ///
    /// # References
    /// `dma_buf_map_attachment_unlocked` (drivers/dma-buf/dma-buf.c, v6.12).
    #[track_caller]
    pub fn map_unlocked(
        &self,
        direction: DataDirection,
        wait: &Wait<'_>,
    ) -> Result<DynamicMapping, MapError> {
        let guard = mapping::lock(&self.core, wait)?;
        self.map(&guard, direction)
    }

    /// Keeps the buffer where it is until the pin is dropped. Contract: A5.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// See [`MapFault`](crate::MapFault); nothing is pinned then.
    ///
    /// # References
    /// `dma_buf_pin` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn pin(&self, guard: &ReservationGuard<'_>) -> Result<Pin, MapError> {
        self.core.check_usable(Some(guard))?;
        mapping::pin(&self.core, Some(guard))?;
        // As for mapping.
        if let Err(error) = self.core.check_usable(Some(guard)) {
            mapping::unpin(&self.core, Some(guard));
            return Err(error);
        }
        self.core.state().pins += 1;
        tracing::debug!(target: "wharf_core::attachment", buffer = self.buffer().id().get(),
            attachment = self.info().id().get(), "pinned");
        Ok(Pin::new(&self.core))
    }

    /// Detaches now, instead of when the last mapping and pin go.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// [`DetachError`]: EBUSY while there are mappings or pins; the attachment comes back in it.
    ///
    /// # References
    /// `dma_buf_detach` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn detach(self) -> Result<(), DetachError<Self>> {
        match self.core.mappings_and_pins() {
            0 => Ok(()),
            uses => Err(DetachError::new(self.info().label().into(), uses, self)),
        }
    }
}

/// A dynamic importer's mapping. Dropping it unmaps: at once if the reservation is free, else when its holder unlocks.
///
/// It keeps buffer and attachment alive.
#[must_use = "the buffer is unmapped when the mapping is dropped"]
pub struct DynamicMapping {
    core: Arc<Core>,
    /// Taken when the mapping is given up.
    number: Option<u64>,
    direction: DataDirection,
    table: Arc<SgTable>,
}

impl DynamicMapping {
    /// Returns the segments in the device's address space, in the order of the buffer's bytes.
    pub fn segments(&self) -> &[SgSegment] {
        self.table.segments()
    }

    /// Returns the segment table.
    pub fn table(&self) -> &SgTable {
        &self.table
    }

    /// Returns which way data moves.
    pub fn direction(&self) -> DataDirection {
        self.direction
    }

    /// Says whether the buffer is still where this mapping finds it. An old mapping may be used only by work whose fence was on the reservation before
    /// the move; map anew for everything else. Contract: L6.
    pub fn is_current(&self) -> bool {
        self.number.is_some_and(|number| !self.core.is_stale(number))
    }

    /// Unmaps.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// [`MapFault::WrongGuard`](crate::MapFault::WrongGuard): EINVAL; the mapping is still there, and comes back in the error.
    ///
    /// # References
    /// `dma_buf_unmap_attachment` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn unmap(mut self, guard: &ReservationGuard<'_>) -> Result<(), GiveBackError<Self>> {
        if let Err(error) = self.core.check_guard(Some(guard)) {
            return Err(GiveBackError { error, kept: self });
        }
        if let Some(number) = self.number.take() {
            unmap(&self.core, guard, self.direction, &self.table, number);
        }
        Ok(())
    }

    /// As [`DynamicMapping::unmap`], but takes the reservation for the time of the call.
    ///
    /// # Blocking
    /// For the reservation, within the bounds of `wait`.
    ///
    /// # Errors
    /// [`MapFault::Wait`](crate::MapFault::Wait), [`MapFault::Recursion`](crate::MapFault::Recursion): the mapping is still there, and comes back in the error.
    ///
    /// # References
    /// `dma_buf_unmap_attachment_unlocked` (drivers/dma-buf/dma-buf.c, v6.12).
    pub fn unmap_unlocked(self, wait: &Wait<'_>) -> Result<(), GiveBackError<Self>> {
        let core = Arc::clone(&self.core);
        match mapping::lock(&core, wait) {
            Ok(guard) => self.unmap(&guard),
            Err(error) => Err(GiveBackError { error, kept: self }),
        }
    }
}

fn unmap(
    core: &Core,
    guard: &ReservationGuard<'_>,
    direction: DataDirection,
    table: &Arc<SgTable>,
    number: u64,
) {
    if !core.is_kept(table) {
        mapping::unmap_through(core, Some(guard), direction, table);
    }
    core.forget(number);
}

impl Drop for DynamicMapping {
    fn drop(&mut self) {
        let Some(number) = self.number.take() else {
            return;
        };
        let (core, table) = (Arc::clone(&self.core), Arc::clone(&self.table));
        let direction = self.direction;
        let reservation = Arc::clone(core.buffer.reservation());
        reservation.defer(move |guard| {
            unmap(&core, guard, direction, &table, number);
            None
        });
    }
}

impl fmt::Debug for DynamicAttachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicAttachment").field(self.info()).finish()
    }
}

impl fmt::Debug for DynamicMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicMapping")
            .field("device", &self.core.info().label())
            .field("direction", &self.direction)
            .field("segments", &self.segments())
            .field("is_current", &self.is_current())
            .finish_non_exhaustive()
    }
}
