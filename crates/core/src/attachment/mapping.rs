//! Mapping and pinning: the parts that static and dynamic importers share.

use std::sync::Arc;

use super::calls::{self, Callee};
use super::core::{Core, Kept, Pairing};
use super::{MapError, MapFault, backing};
use crate::dma::SgTable;
use crate::{DataDirection, ExporterFault, ReservationGuard, Usage, Wait, WwWaitError};

/// Maps through the exporter, and checks what it answers. Contract: A4, B5.
pub(super) fn map_through(
    core: &Core,
    guard: Option<&ReservationGuard<'_>>,
    direction: DataDirection,
) -> Result<SgTable, MapError> {
    backing::ensure(&core.buffer).map_err(|source| core.error(MapFault::Backing(Box::new(source))))?;
    shoot_down_user_mappings(core)?;
    let callee = callee(core, guard)?;
    let table = calls::map(callee, core.info(), direction).map_err(|fault| failed(core, fault))?;
    let checked = core.info().limits().check_table(&table, core.buffer.size_bytes());
    if let Err(violation) = checked {
        calls::unmap(callee, core.info(), direction, &table);
        return Err(core.error(MapFault::BadTable(Box::new(violation))));
    }
    tracing::debug!(target: "wharf_core::attachment", buffer = core.buffer.id().get(), attachment = core.info().id().get(),
        ?direction, segments = table.segments().len(), "mapped");
    Ok(table)
}

/// Takes the pages away that the CPU sees by faults, so that it faults again after the device had them. Contract: C2.
fn shoot_down_user_mappings(core: &Core) -> Result<(), MapError> {
    core.buffer
        .shoot_down_user_mappings(..)
        .map_err(|source| core.error(MapFault::UserMappings(Box::new(source))))
}

/// Waits until the memory is fit for use by a static importer, which knows nothing of fences; takes the mapping back if that fails.
///
/// # References
/// `dma_buf_map_attachment` (drivers/dma-buf/dma-buf.c, v6.12), which waits for `DMA_RESV_USAGE_KERNEL`.
pub(super) fn settle(
    core: &Core,
    guard: Option<&ReservationGuard<'_>>,
    direction: DataDirection,
    table: SgTable,
    wait: &Wait<'_>,
) -> Result<SgTable, MapError> {
    match wait_until_fit(core, wait) {
        Ok(()) => Ok(table),
        Err(error) => {
            unmap_through(core, guard, direction, &table);
            Err(error)
        }
    }
}

fn wait_until_fit(core: &Core, wait: &Wait<'_>) -> Result<(), MapError> {
    core.buffer
        .reservation()
        .wait(Usage::Kernel, wait)
        .map_err(|source| {
            core.error(MapFault::Wait {
                what: "the memory to be moved or cleared",
                source,
            })
        })
}

/// As [`kept`], for a static importer: the memory is fit for use then.
// DIFFERENCE: the kernel hands out the mapping without waiting, although the memory may have been given to a mover or cleaner since it was made.
pub(super) fn kept_and_fit(
    core: &Core,
    direction: DataDirection,
    wait: &Wait<'_>,
) -> Result<Option<Arc<SgTable>>, MapError> {
    let kept = kept(core, direction)?;
    if kept.is_some() {
        wait_until_fit(core, wait)?;
    }
    Ok(kept)
}

/// Gives a mapping back to the exporter.
pub(super) fn unmap_through(
    core: &Core,
    guard: Option<&ReservationGuard<'_>>,
    direction: DataDirection,
    table: &SgTable,
) {
    if let Ok(callee) = callee(core, guard) {
        calls::unmap(callee, core.info(), direction, table);
    }
    tracing::debug!(target: "wharf_core::attachment", buffer = core.buffer.id().get(), attachment = core.info().id().get(),
        ?direction, "unmapped");
}

/// Finds the mapping that is kept for the life of the attachment, if there is one and it serves the direction. Contract: L4.
pub(super) fn kept(core: &Core, direction: DataDirection) -> Result<Option<Arc<SgTable>>, MapError> {
    let table = match &core.state().kept {
        None => return Ok(None),
        Some(kept) if kept.direction == direction || kept.direction == DataDirection::Bidirectional => {
            Arc::clone(&kept.table)
        }
        Some(kept) => {
            return Err(core.error(MapFault::Direction {
                cached: kept.direction,
                asked: direction,
            }));
        }
    };
    // The exporter is not asked again, but the device takes the buffer over all the same.
    shoot_down_user_mappings(core)?;
    Ok(Some(table))
}

/// Keeps a first mapping of an exporter that wants it; if another thread was faster, gives this one back and returns the other's.
pub(super) fn keep(core: &Core, direction: DataDirection, table: SgTable) -> Result<Arc<SgTable>, MapError> {
    let table = Arc::new(table);
    let was_first = {
        let mut state = core.state();
        let was_first = state.kept.is_none();
        if was_first {
            core.ending().set_kept();
            state.kept = Some(Kept {
                table: Arc::clone(&table),
                direction,
                pinned: false,
            });
        }
        was_first
    };
    if was_first {
        return Ok(table);
    }
    unmap_through(core, None, direction, &table);
    Ok(kept(core, direction)?.unwrap_or(table))
}

/// Says whether the exporter wants first mappings kept.
pub(super) fn wants_kept(core: &Core) -> Result<bool, MapError> {
    if core.pairing != Pairing::Through || core.buffer.devices().is_dynamic() {
        return Ok(false);
    }
    match callee(core, None)? {
        Callee::Static(exporter) => {
            crate::exporter::call(|| Ok(exporter.caches_mappings())).map_err(|fault| failed(core, fault))
        }
        Callee::Dynamic(..) => Ok(false),
    }
}

pub(super) fn pin(core: &Core, guard: Option<&ReservationGuard<'_>>) -> Result<(), MapError> {
    backing::ensure(&core.buffer).map_err(|source| core.error(MapFault::Backing(Box::new(source))))?;
    calls::pin(callee(core, guard)?, core.info()).map_err(|fault| failed(core, fault))
}

pub(super) fn unpin(core: &Core, guard: Option<&ReservationGuard<'_>>) {
    if let Ok(callee) = callee(core, guard) {
        calls::unpin(callee, core.info());
    }
}

/// Locks the reservation for a static importer of a dynamic exporter.
pub(super) fn lock<'c>(core: &'c Core, wait: &Wait<'_>) -> Result<ReservationGuard<'c>, MapError> {
    core.buffer.reservation().lock(wait).map_err(|error| match error {
        WwWaitError::Wait(source) => core.error(MapFault::Wait {
            what: "the reservation",
            source,
        }),
        _ => core.error(MapFault::Recursion),
    })
}

fn callee<'c>(core: &'c Core, guard: Option<&'c ReservationGuard<'c>>) -> Result<Callee<'c>, MapError> {
    Callee::of(&core.buffer, guard).map_err(|fault| failed(core, fault))
}

fn failed(core: &Core, fault: ExporterFault) -> MapError {
    core.error(MapFault::Exporter(fault))
}
