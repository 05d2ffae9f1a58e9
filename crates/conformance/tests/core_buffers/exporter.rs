//! An exporter that writes down what it is asked and fails when told to; the memory is a soft exporter's.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wharf_conformance::contract::{Call, Called, Fault, Kind};
use wharf_core::dma::Requirements;
use wharf_core::{
    AttachmentInfo, Backing, CoherencyDeclaration, CpuBytes, DataDirection, DmaExporter, DynamicExporter,
    Errno, Exporter, ExporterControl, Fence, MapOps, MapRequest, PAGE_BYTES, Refusal, ReservationGuard,
    SecondRange, SgSegment, SgTable, StaticExporter, UserMappingExporter, VmapExporter,
};
use wharf_testkit::soft::SoftExporter;

/// How often a buffer was released.
pub(crate) type Releases = Arc<AtomicUsize>;

/// Cloning gives the same exporter.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Shared>);

struct Shared {
    soft: SoftExporter,
    kind: Kind,
    second: SecondRange,
    size_bytes: u64,
    control: OnceLock<ExporterControl>,
    releases: Releases,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: HashMap<Call, Fault>,
    calls: Vec<Called>,
    /// Tables that nothing was mapped for.
    lies: Vec<SgTable>,
}

impl Probe {
    pub(crate) fn new(soft: SoftExporter, kind: Kind, second: SecondRange, size_bytes: u64) -> Self {
        Self(Arc::new(Shared {
            soft,
            kind,
            second,
            size_bytes,
            control: OnceLock::new(),
            releases: Releases::default(),
            state: Mutex::default(),
        }))
    }

    pub(crate) fn soft(&self) -> &SoftExporter {
        &self.0.soft
    }

    pub(crate) fn control(&self) -> &ExporterControl {
        self.0.control.get().unwrap()
    }

    pub(crate) fn releases(&self) -> &Releases {
        &self.0.releases
    }

    pub(crate) fn set_fault(&self, call: Call, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.faults.insert(call, fault),
            None => state.faults.remove(&call),
        };
    }

    pub(crate) fn take_calls(&self) -> Vec<Called> {
        std::mem::take(&mut self.state().calls)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and fails it if told so.
    fn enter(&self, call: Call) -> Result<(), Refusal> {
        let is_locked = self.control().reservation().is_locked();
        self.state().calls.push(Called { call, is_locked });
        self.fail(call)
    }

    fn fail(&self, call: Call) -> Result<(), Refusal> {
        let fault = self.state().faults.get(&call).copied();
        match fault {
            Some(Fault::Refuse(errno)) => Err(Refusal::new(errno, "told to refuse")),
            Some(Fault::Panic) => panic!("told to panic in {call:?}"),
            _ => Ok(()),
        }
    }

    fn map_with(
        &self,
        map: impl FnOnce(&SoftExporter) -> Result<SgTable, Refusal>,
    ) -> Result<SgTable, Refusal> {
        self.enter(Call::Map)?;
        let fault = self.state().faults.get(&Call::Map).copied();
        let segments = match fault {
            Some(Fault::ShortTable) => vec![SgSegment {
                address: 0x1000,
                length_bytes: self.0.size_bytes - PAGE_BYTES,
            }],
            Some(Fault::WrongTable) => {
                let last_page = SgSegment {
                    address: u64::MAX - (PAGE_BYTES - 1),
                    length_bytes: PAGE_BYTES,
                };
                (0..self.0.size_bytes / PAGE_BYTES).map(|_| last_page).collect()
            }
            _ => return map(self.soft()),
        };
        let lie = SgTable::new(segments);
        self.state().lies.push(lie.clone());
        Ok(lie)
    }

    fn unmap_with(&self, table: &SgTable, unmap: impl FnOnce(&SoftExporter)) {
        if !self.state().lies.contains(table) {
            unmap(self.soft());
        }
        // It has been undone; a failure comes on top.
        let _ = self.enter(Call::Unmap);
    }
}

impl Exporter for Probe {
    fn name(&self) -> &str {
        "probe"
    }

    fn exported(&self, control: ExporterControl) {
        self.0.soft.exported(control.clone());
        assert!(self.0.control.set(control).is_ok(), "exported twice");
    }

    fn map_ops(&self) -> MapOps<'_> {
        match self.0.kind {
            Kind::Static | Kind::Caching => MapOps::Static(self),
            Kind::Dynamic => MapOps::Dynamic(self),
        }
    }

    fn begin_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.fail(Call::BeginCpuAccess)?;
        self.0.soft.begin_cpu_access(range, direction)
    }

    fn end_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.0.soft.end_cpu_access(range, direction)?;
        self.fail(Call::EndCpuAccess)
    }

    fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
        Some(&self.0.soft)
    }

    fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
        Some(&self.0.soft)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(self)
    }

    fn release(&mut self) {
        self.0.releases.fetch_add(1, Ordering::SeqCst);
        self.0.soft.clone().release();
        assert!(self.fail(Call::Release).is_ok());
    }
}

impl UserMappingExporter for Probe {
    fn declare(&self) -> CoherencyDeclaration<'_> {
        self.0.soft.declare()
    }

    fn second_range(&self) -> SecondRange {
        self.0.second
    }
}

impl DmaExporter for Probe {
    fn attach(&self, _: &AttachmentInfo) -> Result<(), Refusal> {
        self.enter(Call::Attach)
    }

    fn detach(&self, _: &AttachmentInfo) {
        // Nobody waits for an answer; a panic is what it may come to.
        let _ = self.enter(Call::Detach);
    }

    fn backing(&self) -> Backing {
        self.0.soft.backing()
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        self.enter(Call::Allocate)?;
        self.0.soft.allocate(requirements)
    }
}

impl StaticExporter for Probe {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.map_with(|soft| StaticExporter::map(soft, request))
    }

    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
        self.unmap_with(table, |soft| StaticExporter::unmap(soft, request, table));
    }

    fn caches_mappings(&self) -> bool {
        self.0.kind == Kind::Caching
    }
}

impl DynamicExporter for Probe {
    fn pin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.enter(Call::Pin)?;
        self.0.soft.pin(guard, attachment)
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) {
        self.0.soft.unpin(guard, attachment);
        // As for detach.
        let _ = self.enter(Call::Unpin);
    }

    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.map_with(|soft| DynamicExporter::map(soft, guard, request))
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable) {
        self.unmap_with(table, |soft| DynamicExporter::unmap(soft, guard, request, table));
    }

    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        self.0.soft.relocate(guard, requirements)
    }

    fn moved(&self, guard: &ReservationGuard<'_>, old_place_idle: &Fence) {
        self.0.soft.moved(guard, old_place_idle);
    }
}

/// Has a buffer's memory allocated, as scattered as can be.
pub(crate) fn allocate(soft: &SoftExporter) -> Result<(), Errno> {
    soft.read_at(0, &mut []).map_err(|refusal| refusal.errno)
}
