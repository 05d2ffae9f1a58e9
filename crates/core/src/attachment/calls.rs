//! Calls of an exporter on behalf of a device: contained, and their answers checked. Contract: B5.

use super::AttachmentInfo;
use crate::contain::contain;
use crate::dma::SgTable;
use crate::exporter::{DynamicExporter, MapOps, MapRequest, StaticExporter, call};
use crate::{DataDirection, DmaBuf, ExporterFault, ReservationGuard};

/// An exporter and, for a dynamic one, the lock that it is called with. Contract: L2.
#[derive(Clone, Copy)]
pub(crate) enum Callee<'a> {
    Static(&'a dyn StaticExporter),
    Dynamic(&'a dyn DynamicExporter, &'a ReservationGuard<'a>),
}

impl<'a> Callee<'a> {
    /// Finds the exporter of a buffer, which must be of the kind that it was at export.
    pub(crate) fn of(
        buffer: &'a DmaBuf,
        guard: Option<&'a ReservationGuard<'a>>,
    ) -> Result<Self, ExporterFault> {
        let ops = call(|| Ok(buffer.exporter_dyn().map_ops()))?;
        match (ops, guard) {
            (MapOps::Static(exporter), _) if !buffer.devices().is_dynamic() => Ok(Self::Static(exporter)),
            (MapOps::Dynamic(exporter), Some(guard)) if buffer.devices().is_dynamic() => {
                Ok(Self::Dynamic(exporter, guard))
            }
            _ => Err(ExporterFault::Inconsistent {
                what: "is of another kind (static, dynamic, neither) than it was at export",
            }),
        }
    }
}

pub(super) fn map(
    callee: Callee<'_>,
    attachment: &AttachmentInfo,
    direction: DataDirection,
) -> Result<SgTable, ExporterFault> {
    let request = MapRequest {
        attachment,
        direction,
    };
    call(|| match callee {
        Callee::Static(exporter) => exporter.map(&request),
        Callee::Dynamic(exporter, guard) => exporter.map(guard, &request),
    })
}

/// Gives a mapping back. There is nobody to tell of a panic but the panic hook, which has been told.
pub(super) fn unmap(
    callee: Callee<'_>,
    attachment: &AttachmentInfo,
    direction: DataDirection,
    table: &SgTable,
) {
    let request = MapRequest {
        attachment,
        direction,
    };
    let _ = contain(|| match callee {
        Callee::Static(exporter) => exporter.unmap(&request, table),
        Callee::Dynamic(exporter, guard) => exporter.unmap(guard, &request, table),
    });
}

/// Pins the memory of a dynamic exporter; that of a static one does not move anyway.
pub(super) fn pin(callee: Callee<'_>, attachment: &AttachmentInfo) -> Result<(), ExporterFault> {
    match callee {
        Callee::Static(_) => Ok(()),
        Callee::Dynamic(exporter, guard) => call(|| exporter.pin(guard, attachment)),
    }
}

/// Ends a pin. As for [`unmap`], nobody is told of a panic.
pub(super) fn unpin(callee: Callee<'_>, attachment: &AttachmentInfo) {
    if let Callee::Dynamic(exporter, guard) = callee {
        let _ = contain(|| exporter.unpin(guard, attachment));
    }
}

pub(super) fn attach(buffer: &DmaBuf, attachment: &AttachmentInfo) -> Result<(), ExporterFault> {
    call(|| match buffer.exporter_dyn().map_ops().common() {
        Some(exporter) => exporter.attach(attachment),
        None => Ok(()),
    })
}

/// Ends an attachment. As for [`unmap`], nobody is told of a panic.
pub(super) fn detach(buffer: &DmaBuf, attachment: &AttachmentInfo) {
    let _ = contain(|| {
        if let Some(exporter) = buffer.exporter_dyn().map_ops().common() {
            exporter.detach(attachment);
        }
    });
}
