//! The DMA API of a device.

use std::ops::Range;

use crate::{DataDirection, Errno, Refusal};

use super::{DmaLimits, SgTable, Storage, Translation};

/// Makes memory reachable for a device: the kernel's `struct dma_map_ops`.
///
/// Implementing it is safe, and nothing it does is trusted: tables are checked against the limits of the device again, its
/// panics are contained, and a wrong device fails its own attachments only. All methods may be called from several threads at once.
/// No lock of the framework is held, but the reservation of the buffer may be. Contract: B5.
///
/// # Blocking
/// The methods may block, but not for fences of buffers.
///
/// # References
/// include/linux/dma-map-ops.h `struct dma_map_ops`; Documentation/core-api/dma-api.rst.
pub trait DmaOps: Send + Sync {
    /// Maps memory for transfers in `direction`, as a table that keeps `limits`, and makes what the CPU has written visible to
    /// the device.
    ///
    /// `limits` are those of the functions in use together. Memory that the device cannot reach is refused, never copied.
    ///
    /// # Errors
    /// Any [`Refusal`]; it reaches who maps the attachment.
    fn map(
        &self,
        storage: &Storage,
        limits: &DmaLimits,
        direction: DataDirection,
    ) -> Result<SgTable, Refusal>;

    /// Undoes [`DmaOps::map`], with its answer and its direction, and makes what the device has written visible to the CPU.
    fn unmap(&self, table: &SgTable, direction: DataDirection);

    /// Makes what the device wrote to the bytes `range` of the buffer visible to the CPU, while they stay mapped. The default
    /// does nothing, which is right for devices that snoop.
    fn sync_for_cpu(&self, table: &SgTable, range: Range<u64>, direction: DataDirection) {
        let _ = (table, range, direction);
    }

    /// Makes what the CPU wrote to the bytes `range` of the buffer visible to the device, while they stay mapped. The default
    /// does nothing.
    fn sync_for_device(&self, table: &SgTable, range: Range<u64>, direction: DataDirection) {
        let _ = (table, range, direction);
    }
}

/// The DMA API of a device that addresses memory directly and sees the CPU's caches: mapping is arithmetic.
///
/// ```
/// use wharf_core::DataDirection;
/// use wharf_core::dma::{DirectDma, DmaLimits, DmaOps, PhysicalRun, SgSegment, Storage, Translation};
///
/// let limits = DmaLimits::builder()
///     .translation(Translation::Direct { offset_bytes: 0xc000_0000 })
///     .max_segment_bytes(0x2000)
///     .build()?;
/// let storage = Storage::new([PhysicalRun { address: 0x1000, length_bytes: 0x3000 }])?;
/// let table = DirectDma.map(&storage, &limits, DataDirection::ToDevice)?;
/// assert_eq!(table.segments(), [
///     SgSegment { address: 0xc000_1000, length_bytes: 0x2000 },
///     SgSegment { address: 0xc000_3000, length_bytes: 0x1000 },
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// kernel/dma/direct.c `dma_direct_map_sg`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DirectDma;

impl DmaOps for DirectDma {
    fn map(&self, storage: &Storage, limits: &DmaLimits, _: DataDirection) -> Result<SgTable, Refusal> {
        let Translation::Direct { offset_bytes } = limits.translation_or_physical() else {
            return Err(Refusal::new(
                Errno::EOPNOTSUPP,
                "device behind an IOMMU needs its own way to map",
            ));
        };
        let outcome = limits.check_storage(storage);
        outcome.map_err(|violation| Refusal::new(violation.errno(), violation.to_string()))?;
        Ok(SgTable::new(limits.split(storage, offset_bytes)))
    }

    fn unmap(&self, _: &SgTable, _: DataDirection) {}
}
