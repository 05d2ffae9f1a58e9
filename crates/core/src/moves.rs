//! Moving a buffer, and taking it away for good: what its exporter may do with an [`ExporterControl`].
//!
//! A move happens with the reservation held:
//!
//! | Step | Who |
//! |---|---|
//! | nobody pins the buffer, has it mapped statically, or for the CPU otherwise than by faults | the framework checks, and names the holders if somebody does |
//! | the CPU's fault-tracked pages are taken away, and faults wait | the framework |
//! | the contents get a new place | the exporter |
//! | every dynamic importer is told | the framework calls [`Importer::move_notify`](crate::Importer::move_notify) |
//! | mappings made before are old: usable by work whose fence is on the reservation, to be given up | importers |
//! | the old place is idle: those fences are signaled and those mappings given up | the framework signals a fence |
//!
//! Contract: A5, L6.
//!
//! # References
//! `dma_buf_move_notify` (drivers/dma-buf/dma-buf.c, v6.12), `dma_buf_invalidate_mappings` (v7.1).

mod control;
mod error;
mod settling;

use std::sync::Arc;

use crate::attachment::{Callee, Contract, Core, Notice, cpu_holders};
use crate::contain::contain;
use crate::exporter::call;
use crate::{DmaBuf, ExporterFault, Fence, Holder, PAGE_BYTES, Refusal, ReservationGuard, UserMappingError};

pub use control::ExporterControl;
pub use error::{MoveError, RevokeError};
pub(crate) use settling::Settling;

/// What importers are told.
#[derive(Clone, Copy)]
enum Event {
    Moved,
    Revoked,
}

/// Why a buffer's contents did not get a new place.
pub(crate) enum RelocateFault {
    Held(Vec<Holder>),
    UserMappings(UserMappingError),
    Exporter(ExporterFault),
}

/// Has the exporter give the contents their new place, while the CPU's faults wait: they find the new place afterwards.
pub(crate) fn relocate(
    buffer: &DmaBuf,
    exporter: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(), RelocateFault> {
    let pages = 0..buffer.size_bytes() / PAGE_BYTES;
    let claim = buffer.user_mappings().take_over(buffer, pages);
    let _claim = claim.map_err(RelocateFault::UserMappings)?;
    // Again: a mapping that was just being made has been waited for.
    let holders: Vec<Holder> = cpu_holders(buffer).collect();
    if !holders.is_empty() {
        return Err(RelocateFault::Held(holders));
    }
    call(exporter).map_err(RelocateFault::Exporter)
}

/// Tells everybody of a move that has been made, and returns the fence of its old place.
pub(crate) fn finish(buffer: &DmaBuf, guard: &ReservationGuard<'_>) -> Fence {
    let idle = announce_move(buffer, guard);
    if let Ok(Callee::Dynamic(exporter, guard)) = Callee::of(buffer, Some(guard)) {
        // The panic hook has reported a panic here; the move stands.
        let _ = contain(|| exporter.moved(guard, &idle));
    }
    tracing::debug!(target: "wharf_core::buffer", buffer = buffer.id().get(), "moved");
    idle
}

/// Makes all mappings old, tells importers, and returns a fence that signals when nothing of the old remains.
fn announce_move(buffer: &DmaBuf, guard: &ReservationGuard<'_>) -> Fence {
    let (settling, idle) = Settling::new();
    let attachments = buffer.devices().attachments();
    for attachment in &attachments {
        attachment.make_stale(&settling);
    }
    tell(buffer, guard, &attachments, Event::Moved, &settling);
    idle
}

/// Tells importers, and has `settling` wait for their last work too.
fn tell(
    buffer: &DmaBuf,
    guard: &ReservationGuard<'_>,
    attachments: &[Arc<Core>],
    event: Event,
    settling: &Arc<Settling>,
) {
    for attachment in attachments {
        notify(buffer, guard, attachment, event);
    }
    // After the importers, whose last work on the old place has its fences here by now.
    settling.wait_for_fences(guard);
    settling.one_less();
}

fn notify(buffer: &DmaBuf, guard: &ReservationGuard<'_>, attachment: &Arc<Core>, event: Event) {
    let Some(importer) = attachment.importer() else {
        return;
    };
    let notice = Notice {
        buffer,
        attachment: attachment.info(),
        guard,
    };
    // The panic hook has reported a panic of one importer; the others must hear all the same.
    let _ = contain(|| match event {
        Event::Moved => importer.move_notify(&notice),
        Event::Revoked => {
            if let Some(revocable) = importer.revocable() {
                revocable.revoked(&notice);
            }
        }
    });
}

/// See [`ExporterControl::revoke`].
fn revoke(buffer: &DmaBuf, guard: &ReservationGuard<'_>) -> Result<Fence, RevokeError> {
    if let Some(idle) = buffer.devices().revoked_idle() {
        return Ok(idle);
    }
    check_revocable(buffer, &buffer.devices().attachments())?;
    let pages = 0..buffer.size_bytes() / PAGE_BYTES;
    let claim = buffer.user_mappings().take_over(buffer, pages);
    let claim = claim.map_err(|source| RevokeError::UserMappings(Box::new(source)))?;
    // Again: a mapping that was just being made has been waited for.
    check_revocable(buffer, &[])?;
    let (settling, idle) = Settling::new();
    let (attachments, is_revoked) = buffer.devices().revoke(&settling, &idle);
    if !is_revoked {
        check_revocable(buffer, &attachments)?;
    }
    // Faults go on, and find it revoked.
    drop(claim);
    for attachment in &attachments {
        attachment.make_revoked(&settling);
    }
    tell(buffer, guard, &attachments, Event::Revoked, &settling);
    tracing::debug!(target: "wharf_core::buffer", buffer = buffer.id().get(), "revoked");
    Ok(idle)
}

fn check_revocable(buffer: &DmaBuf, attachments: &[Arc<Core>]) -> Result<(), RevokeError> {
    let mut unable: Vec<Box<str>> = attachments
        .iter()
        .filter(|attachment| attachment.info().contract() != Contract::Revocable)
        .map(|attachment| attachment.info().label().into())
        .collect();
    unable.extend(cpu_holders(buffer).map(|holder| holder.to_string().into()));
    if unable.is_empty() {
        return Ok(());
    }
    Err(RevokeError::NotRevocable {
        buffer: buffer.id(),
        unable,
    })
}
