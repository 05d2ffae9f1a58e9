//! What a static importer has: an attachment, and mappings that need no lock.

use std::fmt;
use std::sync::Arc;

use super::core::{Core, Pairing};
use super::{AttachError, AttachmentInfo, GiveBackError, MapError, attach, mapping};
use crate::dma::{DeviceUse, SgSegment, SgTable};
use crate::{AccessMode, DataDirection, DmaBuf, Wait};

/// A static importer's attachment to a buffer. Dropping it detaches, once its mappings are gone too.
///
/// # References
/// `struct dma_buf_attachment` (include/linux/dma-buf.h, v6.12).
pub struct Attachment {
    core: Arc<Core>,
}

impl DmaBuf {
    /// Attaches a device for an importer that cannot be told of moves.
    ///
    /// The device's limits are noted; memory that is not there yet will be allocated to suit it, memory that is there is checked, and
    /// moved if it does not suit and can be. A dynamic exporter is pinned and the buffer mapped right now, for as long as it is attached,
    /// unless the buffer was exported with [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap). Contract: A1 to A3, L4, L5.
    ///
    /// # Blocking
    /// As long as the exporter takes; for a dynamic exporter also for the reservation and for [`Usage::Kernel`](crate::Usage::Kernel) fences, within
    /// the bounds of `wait`.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// See [`AttachFault`](crate::AttachFault); nothing is attached then.
    ///
    /// # References
    /// `dma_buf_attach` (drivers/dma-buf/dma-buf.c, v6.12; v5.5 for the mapping at attach).
    #[track_caller]
    pub fn attach(
        &self,
        device: &DeviceUse,
        access: AccessMode,
        wait: &Wait<'_>,
    ) -> Result<Attachment, AttachError> {
        Ok(Attachment {
            core: attach::attach(self, device, access, None, wait)?,
        })
    }
}

impl Attachment {
    /// Returns who is attached and how.
    pub fn info(&self) -> &AttachmentInfo {
        self.core.info()
    }

    /// Returns the buffer.
    pub fn buffer(&self) -> &DmaBuf {
        &self.core.buffer
    }

    /// Makes the buffer reachable for the device, and returns where it finds it. Contract: A4, L2, L4.
    ///
    /// # Blocking
    /// As long as the exporter takes, and until the fences of [`Usage::Kernel`](crate::Usage::Kernel) are signaled, within the bounds of `wait`. The first
    /// mapping of a buffer may allocate.
    ///
    /// # Locking
    /// The reservation must not be held; a dynamic exporter under [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap) needs it.
    ///
    /// # Errors
    /// See [`MapFault`](crate::MapFault); nothing is mapped then.
    ///
    /// # References
    /// `dma_buf_map_attachment` (drivers/dma-buf/dma-buf.c, v5.5), `dma_buf_map_attachment_unlocked` (v6.12).
    #[track_caller]
    pub fn map(&self, direction: DataDirection, wait: &Wait<'_>) -> Result<Mapping, MapError> {
        self.core.check_usable(None)?;
        self.core.check_access(direction)?;
        let (table, number) = match mapping::kept_and_fit(&self.core, direction, wait)? {
            Some(table) => (table, self.core.record(direction)),
            None => self.map_anew(direction, wait)?,
        };
        Ok(Mapping {
            number: Some(number),
            core: Arc::clone(&self.core),
            direction,
            table,
        })
    }

    /// Maps through the exporter; returns the table, and the mapping's number.
    fn map_anew(&self, direction: DataDirection, wait: &Wait<'_>) -> Result<(Arc<SgTable>, u64), MapError> {
        let core = &*self.core;
        if core.pairing == Pairing::PinAroundMap {
            let guard = mapping::lock(core, wait)?;
            mapping::pin(core, Some(&guard))?;
            // Noted before the lock is given up, so that no move comes between.
            return mapping::map_through(core, Some(&guard), direction)
                .and_then(|table| mapping::settle(core, Some(&guard), direction, table, wait))
                .map(|table| (Arc::new(table), core.record(direction)))
                .inspect_err(|_| mapping::unpin(core, Some(&guard)));
        }
        // Asked before there is a mapping that would have to be taken back if the answer is a panic.
        let is_to_be_kept = mapping::wants_kept(core)?;
        let table = mapping::map_through(core, None, direction)?;
        let table = mapping::settle(core, None, direction, table, wait)?;
        let table = if is_to_be_kept {
            mapping::keep(core, direction, table)?
        } else {
            Arc::new(table)
        };
        Ok((table, core.record(direction)))
    }

    /// Detaches now, instead of when the last mapping goes.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// [`DetachError`]: EBUSY while there are mappings; the attachment comes back in it.
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

/// An attachment that is still in use, which comes back.
#[derive(thiserror::Error)]
#[error("device '{device}' still has {uses} mappings or pins; give them up first")]
pub struct DetachError<A> {
    device: Box<str>,
    uses: usize,
    attachment: A,
}

impl<A> DetachError<A> {
    pub(super) fn new(device: Box<str>, uses: usize, attachment: A) -> Self {
        Self {
            device,
            uses,
            attachment,
        }
    }

    /// Returns EBUSY.
    pub fn errno(&self) -> crate::Errno {
        crate::Errno::EBUSY
    }

    /// Gives the attachment back.
    pub fn into_attachment(self) -> A {
        self.attachment
    }
}

impl<A> fmt::Debug for DetachError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachError")
            .field("device", &self.device)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

/// A static importer's mapping: where its device finds the buffer. Dropping it unmaps. It keeps buffer and attachment alive.
///
/// # References
/// `struct sg_table` as returned by `dma_buf_map_attachment` (include/linux/dma-buf.h, v6.12).
#[must_use = "the buffer is unmapped when the mapping is dropped"]
pub struct Mapping {
    core: Arc<Core>,
    /// Taken when the mapping is given up.
    number: Option<u64>,
    direction: DataDirection,
    table: Arc<SgTable>,
}

impl Mapping {
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

    /// Unmaps.
    ///
    /// # Blocking
    /// As long as the exporter takes; under [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap) also for the reservation, within the
    /// bounds of `wait`.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// [`MapFault::Wait`](crate::MapFault::Wait), [`MapFault::Recursion`](crate::MapFault::Recursion): the mapping is still there, and comes back in the error.
    ///
    /// # References
    /// `dma_buf_unmap_attachment` (drivers/dma-buf/dma-buf.c, v5.5).
    pub fn unmap(mut self, wait: &Wait<'_>) -> Result<(), GiveBackError<Self>> {
        if !self.needs_lock() {
            self.give_up();
            return Ok(());
        }
        let core = Arc::clone(&self.core);
        match mapping::lock(&core, wait) {
            Ok(guard) => {
                if let Some(number) = self.number.take() {
                    unmap_and_unpin(&core, &guard, self.direction, &self.table, number);
                }
                Ok(())
            }
            Err(error) => Err(GiveBackError { error, kept: self }),
        }
    }

    fn needs_lock(&self) -> bool {
        self.core.pairing == Pairing::PinAroundMap
    }

    /// Unmaps without blocking on the reservation.
    fn give_up(&mut self) {
        let Some(number) = self.number.take() else {
            return;
        };
        if self.needs_lock() {
            let (core, direction, table) = (Arc::clone(&self.core), self.direction, Arc::clone(&self.table));
            let reservation = Arc::clone(self.core.buffer.reservation());
            reservation.defer(move |guard| {
                unmap_and_unpin(&core, guard, direction, &table, number);
                None
            });
            return;
        }
        if self.core.is_kept(&self.table) {
            self.core.forget(number);
            return;
        }
        let (core, direction, table) = (Arc::clone(&self.core), self.direction, Arc::clone(&self.table));
        let unmap = move || {
            mapping::unmap_through(&core, None, direction, &table);
            core.forget(number);
        };
        let reservation = Arc::clone(self.core.buffer.reservation());
        if reservation.is_held_here() {
            // A static exporter is not called with the lock.
            reservation.defer(move |_| Some(Box::new(unmap)));
        } else {
            unmap();
        }
    }
}

fn unmap_and_unpin(
    core: &Core,
    guard: &crate::ReservationGuard<'_>,
    direction: DataDirection,
    table: &SgTable,
    number: u64,
) {
    mapping::unmap_through(core, Some(guard), direction, table);
    mapping::unpin(core, Some(guard));
    core.forget(number);
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attachment").field(self.info()).finish()
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("device", &self.core.info().label())
            .field("direction", &self.direction)
            .field("segments", &self.segments())
            .finish_non_exhaustive()
    }
}
