//! What an exporter does for devices: the part of `struct dma_buf_ops` that attaches, pins and maps.
//!
//! | Trait | Kind | Reservation during map and unmap | Moves |
//! |---|---|---|---|
//! | [`StaticExporter`] | static | not held | never |
//! | [`DynamicExporter`] | dynamic: it can pin | held | while nothing is pinned |
//!
//! An exporter is what [`Exporter::map_ops`](crate::Exporter::map_ops) answers at export, and stays it. Contract: L1, L2.

use std::fmt;

use crate::attachment::AttachmentInfo;
use crate::dma::{Requirements, SgTable, Storage};
use crate::{DataDirection, Errno, Fence, Refusal, ReservationGuard};

/// Whether and how an exporter serves devices.
///
/// # References
/// `dma_buf_is_dynamic` (include/linux/dma-buf.h, v6.12): an exporter that can pin is dynamic.
#[derive(Clone, Copy)]
pub enum MapOps<'a> {
    /// Not at all: nothing can be attached.
    None,
    /// Its memory never moves while anything is attached to it.
    Static(&'a dyn StaticExporter),
    /// Its memory may move, and can be pinned.
    Dynamic(&'a dyn DynamicExporter),
}

impl<'a> MapOps<'a> {
    /// Returns what both kinds have in common.
    pub fn common(self) -> Option<&'a dyn DmaExporter> {
        match self {
            Self::None => None,
            Self::Static(exporter) => Some(exporter),
            Self::Dynamic(exporter) => Some(exporter),
        }
    }
}

impl fmt::Debug for MapOps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Static(_) => "Static",
            Self::Dynamic(_) => "Dynamic",
        })
    }
}

/// Where a buffer's memory is, as far as its exporter tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backing {
    /// The exporter does not tell; it judges devices itself, in [`DmaExporter::attach`].
    Opaque,
    /// Nowhere yet: it will be allocated at the first mapping, to suit all attachments there are by then. Contract: A2.
    Deferred,
    /// Here.
    At(Storage),
}

/// One mapping, as exporters see it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MapRequest<'a> {
    /// For whom.
    pub attachment: &'a AttachmentInfo,
    /// Which way data will move.
    pub direction: DataDirection,
}

/// What static and dynamic exporters do alike.
///
/// # Locking
/// The reservation is not held, except as said at [`DmaExporter::backing`] and [`DmaExporter::allocate`].
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf_ops` (v6.12).
pub trait DmaExporter: Send + Sync {
    /// Takes note of a device, or refuses it. Called before the attachment counts in any other way.
    ///
    /// The default takes everybody: what [`DmaExporter::backing`] tells is checked anyway.
    ///
    /// # Errors
    /// Any [`Refusal`]; by convention EBUSY for memory that does not suit the device, EOPNOTSUPP for a device that never can.
    fn attach(&self, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        let _ = attachment;
        Ok(())
    }

    /// Forgets a device; called once for each successful attach.
    fn detach(&self, attachment: &AttachmentInfo) {
        let _ = attachment;
    }

    /// Tells where the memory is.
    ///
    /// With an answer, the framework itself refuses devices that the memory does not suit, with the reason; without one it
    /// relies on [`DmaExporter::attach`]. Contract: A3.
    ///
    /// # Locking
    /// As for [`DmaExporter::allocate`].
    fn backing(&self) -> Backing {
        Backing::Opaque
    }

    /// Allocates the memory of a buffer whose backing is deferred, to suit `requirements`: those of all attachments together.
    ///
    /// Called once, before the first mapping or pin; again if it failed. The memory is all zero before it returns. Contract: A2, B3.
    ///
    /// # Locking
    /// The reservation is held for a dynamic exporter. For a static one it may be: if [`DmaBuf::vmap`](crate::DmaBuf::vmap), or a dynamic importer under
    /// [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap), is the first to need the memory. Do not lock it in either case. Others who need the memory
    /// wait meanwhile; whoever needs it from within this call gets an error.
    ///
    /// # Errors
    /// Any [`Refusal`], for example ENOMEM.
    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        let _ = requirements;
        Err(Refusal::new(
            Errno::EOPNOTSUPP,
            "says that its memory is deferred, but cannot allocate any",
        ))
    }
}

/// An exporter whose memory stays where it is.
///
/// # Locking
/// All methods are called without the reservation, as until v6.1 of the kernel; only under
/// [`MismatchPolicy::PinOnMap`](crate::MismatchPolicy::PinOnMap) a dynamic importer's mappings are made with it.
pub trait StaticExporter: DmaExporter {
    /// Makes the memory reachable for the device, and returns where it finds it: in its own address space, within its limits.
    ///
    /// Most exporters let the device do it: `request.attachment.device().map(&storage, request.direction)`.
    ///
    /// # Errors
    /// Any [`Refusal`].
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal>;

    /// Takes back what [`StaticExporter::map`] returned for the same request; called once for each.
    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable);

    /// Says whether an attachment's first mapping is to be kept until it is detached, and used for all later ones.
    ///
    /// # References
    /// `cache_sgt_mapping` (include/linux/dma-buf.h, v3.20 to v6.14).
    fn caches_mappings(&self) -> bool {
        false
    }
}

/// An exporter whose memory may move while nothing pins it.
///
/// It moves with [`ExporterControl::move_buffer`](crate::ExporterControl::move_buffer).
///
/// # Locking
/// All methods are called with the reservation held, whose guard is their first argument. Contract: L2.
pub trait DynamicExporter: DmaExporter {
    /// Keeps the memory where it is until [`DynamicExporter::unpin`]; pins are counted by the caller's calls.
    ///
    /// # Errors
    /// Any [`Refusal`].
    fn pin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) -> Result<(), Refusal>;

    /// Ends one pin.
    fn unpin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo);

    /// Makes the memory reachable for the device where it is now; see [`StaticExporter::map`].
    ///
    /// # Errors
    /// Any [`Refusal`].
    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal>;

    /// Takes back what [`DynamicExporter::map`] returned, also if the memory has moved since; called once for each.
    fn unmap(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable);

    /// Moves the memory to where it suits `requirements`, for a device that is just being attached.
    ///
    /// Called when nothing holds the buffer in place; [`DynamicExporter::moved`] follows. The default cannot.
    ///
    /// # Errors
    /// Any [`Refusal`]; the memory is where it was.
    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        let _ = (guard, requirements);
        Err(Refusal::new(Errno::EOPNOTSUPP, "cannot move its memory"))
    }

    /// Tells that a move is over and all importers know. The old place must be left as it is until `old_place_idle` signals: until
    /// then devices may still use it, through mappings made before. Contract: L6.
    fn moved(&self, guard: &ReservationGuard<'_>, old_place_idle: &Fence) {
        let _ = (guard, old_place_idle);
    }
}
