//! What the framework asks of soft exporters.

use std::ops::Range;

use wharf_core::dma::{Requirements, Storage};
use wharf_core::{
    AttachmentInfo, Backing, Coherency, CoherencyDeclaration, CpuBytes, DataDirection, DmaExporter,
    DynamicExporter, Exporter, ExporterControl, FaultTrackedExporter, Fence, MapOps, MapRequest, PAGE_BYTES,
    Refusal, ReservationGuard, SgTable, StaticExporter, UserMappingExporter, VmapExporter,
};

use super::exporter::{Mapped, SoftExporter};
use super::machine::SoftMachine;

impl Exporter for SoftExporter {
    fn name(&self) -> &str {
        "soft"
    }

    fn exported(&self, control: ExporterControl) {
        // The first export counts; a second one has memory of its own to lose.
        let _ = self.shared.control.set(control);
    }

    fn map_ops(&self) -> MapOps<'_> {
        if self.shared.is_dynamic {
            MapOps::Dynamic(self)
        } else {
            MapOps::Static(self)
        }
    }

    fn begin_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        let storage = self.settled()?;
        self.sync_for_cpu(&storage, range.clone(), direction);
        self.shared.machine.begin_cpu_access(&storage, range, direction);
        Ok(())
    }

    fn end_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        let storage = self.settled()?;
        self.shared
            .machine
            .end_cpu_access(&storage, range.clone(), direction);
        self.sync_for_device(range, direction);
        Ok(())
    }

    fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
        Some(self)
    }

    fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
        Some(self)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(self)
    }

    fn release(&mut self) {
        self.free_all();
    }
}

impl SoftExporter {
    /// Has devices give up what they have in their caches.
    fn sync_for_cpu(&self, storage: &Storage, range: Range<u64>, direction: DataDirection) {
        if direction.device_writes() {
            // Devices make the CPU forget what it has; another window may have been written through.
            self.shared
                .machine
                .clean_cpu(storage, range.clone(), "begin_cpu_access");
        }
        for Mapped { device, table, .. } in self.mapped() {
            device.ops().sync_for_cpu(&table, range.clone(), direction);
        }
    }

    /// Has devices read anew.
    fn sync_for_device(&self, range: Range<u64>, direction: DataDirection) {
        for Mapped { device, table, .. } in self.mapped() {
            device.ops().sync_for_device(&table, range.clone(), direction);
        }
    }

    fn map_for(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        let MapRequest {
            attachment,
            direction,
            ..
        } = *request;
        let table = attachment.map(&self.settled()?, direction)?;
        self.note_mapped(Mapped {
            attachment: attachment.id(),
            device: attachment.device().device().clone(),
            table: table.clone(),
            direction,
        });
        Ok(table)
    }

    fn unmap_for(&self, request: &MapRequest<'_>, table: &SgTable) {
        let MapRequest {
            attachment,
            direction,
            ..
        } = *request;
        self.forget_mapped(attachment.id(), table, direction);
        attachment.unmap(table, direction);
    }
}

impl DmaExporter for SoftExporter {
    fn backing(&self) -> Backing {
        self.storage().map_or(Backing::Deferred, Backing::At)
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        self.allocate_for(requirements)
    }
}

impl StaticExporter for SoftExporter {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.map_for(request)
    }

    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
        self.unmap_for(request, table);
    }
}

impl DynamicExporter for SoftExporter {
    /// The framework counts pins, and does not let a pinned buffer move.
    fn pin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        Ok(())
    }

    fn unpin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) {}

    fn map(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.map_for(request)
    }

    fn unmap(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable) {
        self.unmap_for(request, table);
    }

    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        self.relocate_for(guard, requirements)
    }

    fn moved(&self, _: &ReservationGuard<'_>, old_place_idle: &Fence) {
        self.free_old_when(old_place_idle);
    }
}

impl CpuBytes for SoftExporter {
    fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal> {
        self.shared.machine.cpu_read(&self.settled()?, offset_bytes, into)
    }

    fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal> {
        self.shared
            .machine
            .cpu_write(&self.settled()?, offset_bytes, from)
    }
}

/// A buffer in the address space of the CPU, which stays where it is meanwhile.
struct Vmapped {
    machine: SoftMachine,
    storage: Storage,
}

impl VmapExporter for SoftExporter {
    fn vmap(&self, _: &ReservationGuard<'_>) -> Result<Box<dyn CpuBytes>, Refusal> {
        let (machine, storage) = (self.shared.machine.clone(), self.settled()?);
        Ok(Box::new(Vmapped { machine, storage }))
    }
}

impl CpuBytes for Vmapped {
    fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal> {
        self.machine.cpu_read(&self.storage, offset_bytes, into)
    }

    fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal> {
        self.machine.cpu_write(&self.storage, offset_bytes, from)
    }
}

impl UserMappingExporter for SoftExporter {
    fn declare(&self) -> CoherencyDeclaration<'_> {
        match self.shared.coherency {
            Coherency::Coherent => CoherencyDeclaration::Coherent,
            Coherency::FaultTracked => CoherencyDeclaration::FaultTracked(self),
            Coherency::Explicit => CoherencyDeclaration::Explicit,
        }
    }
}

impl FaultTrackedExporter for SoftExporter {
    fn invalidate(&self, page: u64) -> Result<(), Refusal> {
        // Devices that are no longer mapped made the CPU forget the page when they were unmapped.
        let range = page * PAGE_BYTES..(page + 1) * PAGE_BYTES;
        self.sync_for_cpu(&self.settled()?, range, DataDirection::Bidirectional);
        Ok(())
    }

    fn flush(&self, pages: Range<u64>) -> Result<(), Refusal> {
        let range = pages.start * PAGE_BYTES..pages.end * PAGE_BYTES;
        self.shared
            .machine
            .clean_cpu(&self.settled()?, range.clone(), "a device's take-over");
        self.sync_for_device(range, DataDirection::Bidirectional);
        Ok(())
    }
}
