//! Attaching: the checks, the exporter's word, and what a mismatch of the two sides needs at once.

use std::sync::Arc;

use super::core::{self, Core, Kept, Pairing};
use super::info::AttachmentId;
use super::{
    AttachError, AttachFault, AttachmentInfo, Contract, Importer, MapError, backing, calls, mapping,
};
use crate::contain::contain;
use crate::dma::DeviceUse;
use crate::{
    AccessMode, DataDirection, DmaBuf, ExporterFault, ExporterRole, ReservationGuard, Wait, WwWaitError,
};

/// See [`DmaBuf::attach`] and [`DmaBuf::attach_dynamic`].
pub(super) fn attach(
    buffer: &DmaBuf,
    device: &DeviceUse,
    access: AccessMode,
    importer: Option<Arc<dyn Importer>>,
    wait: &Wait<'_>,
) -> Result<Arc<Core>, AttachError> {
    let info = check(buffer, device, access, importer.as_deref())?;
    let pairing = Pairing::of(
        importer.is_some(),
        buffer.devices().is_dynamic(),
        buffer.devices().mismatch(),
    );
    calls::attach(buffer, &info).map_err(|fault| refuse(buffer, device, AttachFault::Exporter(fault)))?;
    // From here on the exporter counts on a detach, which the end of this brings on every path.
    let core = Core::new(buffer, info, importer, pairing);
    let guard = if buffer.devices().is_dynamic() {
        Some(lock(&core, wait)?)
    } else {
        None
    };
    if buffer.devices().is_revoked() {
        // Since the first check, which was made without the lock.
        return Err(refuse(buffer, device, AttachFault::Revoked));
    }
    backing::admit(&core, guard.as_ref())?;
    if pairing == Pairing::Kept {
        map_for_life(&core, guard.as_ref(), wait)?;
        if buffer.devices().is_revoked() {
            // Meanwhile: a static exporter maps without the lock. The end of this takes the mapping back.
            return Err(refuse(buffer, device, AttachFault::Revoked));
        }
    }
    drop(guard);
    tracing::debug!(target: "wharf_core::attachment", buffer = buffer.id().get(), attachment = core.info().id().get(),
        device = core.info().label(), ?pairing, contract = ?core.info().contract(), "attached");
    Ok(core)
}

/// Checks everything that can be without the exporter.
fn check(
    buffer: &DmaBuf,
    device: &DeviceUse,
    access: AccessMode,
    importer: Option<&dyn Importer>,
) -> Result<AttachmentInfo, AttachError> {
    let refuse = |fault| refuse(buffer, device, fault);
    if buffer.devices().role() == ExporterRole::Unmappable {
        return Err(refuse(AttachFault::NotMappable));
    }
    if buffer.devices().is_revoked() {
        return Err(refuse(AttachFault::Revoked));
    }
    if access == AccessMode::ReadWrite && buffer.access() == AccessMode::ReadOnly {
        return Err(refuse(AttachFault::ReadOnly));
    }
    Ok(AttachmentInfo {
        id: AttachmentId::next(),
        device: device.clone(),
        access,
        contract: contract(importer).map_err(|fault| refuse(AttachFault::Importer(fault)))?,
    })
}

fn refuse(buffer: &DmaBuf, device: &DeviceUse, fault: AttachFault) -> AttachError {
    AttachError::new(core::parties(buffer, device.label()), fault)
}

fn contract(importer: Option<&dyn Importer>) -> Result<Contract, ExporterFault> {
    let Some(importer) = importer else {
        return Ok(Contract::Static);
    };
    match contain(|| importer.revocable().is_some()) {
        Ok(true) => Ok(Contract::Revocable),
        Ok(false) => Ok(Contract::Dynamic),
        Err(message) => Err(ExporterFault::Panicked { message }),
    }
}

fn lock<'c>(core: &'c Core, wait: &Wait<'_>) -> Result<ReservationGuard<'c>, AttachError> {
    core.buffer.reservation().lock(wait).map_err(|error| {
        let fault = match error {
            WwWaitError::Wait(source) => AttachFault::Wait(source),
            _ => AttachFault::Recursion,
        };
        AttachError::new(core.parties(), fault)
    })
}

/// Maps for the life of the attachment, and pins a dynamic exporter's memory for it. Contract: L4.
///
/// # References
/// `dma_buf_dynamic_attach` (drivers/dma-buf/dma-buf.c, v5.5 to v6.14).
// DIFFERENCE: the kernel always maps bidirectionally here. For a read-only attachment that would let the device write, against A6.
fn map_for_life(core: &Core, guard: Option<&ReservationGuard<'_>>, wait: &Wait<'_>) -> Result<(), MapError> {
    let direction = match core.info().access() {
        AccessMode::ReadWrite => DataDirection::Bidirectional,
        AccessMode::ReadOnly => DataDirection::ToDevice,
    };
    let pinned = guard.is_some();
    if pinned {
        mapping::pin(core, guard)?;
    }
    let mapped = mapping::map_through(core, guard, direction)
        .and_then(|table| mapping::settle(core, guard, direction, table, wait));
    match mapped {
        Ok(table) => {
            core.state().kept = Some(Kept {
                table: Arc::new(table),
                direction,
                pinned,
            });
            Ok(())
        }
        Err(error) => {
            if pinned {
                mapping::unpin(core, guard);
            }
            Err(error)
        }
    }
}
