//! Exporters and importers that write down what they are asked, and with which lock.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use wharf_core::dma::{DeviceUse, PhysicalRun, Requirements};
use wharf_core::{
    AttachmentInfo, Backing, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits, DynamicExporter, Errno,
    ExportInfo, Exporter, ExporterControl, Fence, Importer, MapOps, MapRequest, MismatchPolicy, Notice,
    Refusal, ReservationGuard, Revocable, SgTable, StaticExporter, Storage, Wait,
};

pub(crate) const SIZE: u64 = 0x4000;
pub(crate) const LOW: u64 = 0x10_0000;
pub(crate) const HIGH: u64 = 0x1_0000_0000;

pub(crate) fn forever() -> Wait<'static> {
    Wait::forever()
}

/// What happened, in order. Cloning gives the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    /// Returns what happened since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

pub(crate) fn contiguous(address: u64) -> Storage {
    Storage::new([PhysicalRun {
        address,
        length_bytes: SIZE,
    }])
    .unwrap()
}

/// How an exporter is to misbehave.
#[derive(Default, Clone)]
pub(crate) struct Faults {
    pub(crate) attach: Option<Errno>,
    pub(crate) map: Option<Errno>,
    pub(crate) pin: Option<Errno>,
    pub(crate) allocate: Option<Errno>,
    pub(crate) panic_in: Option<&'static str>,
    pub(crate) wrong_table: Option<SgTable>,
    pub(crate) wrong_place: Option<u64>,
}

/// A heap with one buffer, of either kind. Cloning gives the same heap.
#[derive(Clone)]
pub(crate) struct Heap {
    shared: Arc<Shared>,
}

struct Shared {
    is_dynamic: bool,
    caches: bool,
    log: Log,
    backing: Mutex<Backing>,
    faults: Mutex<Faults>,
    control: OnceLock<ExporterControl>,
    old_places: Mutex<Vec<Fence>>,
    on_attach: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Heap {
    pub(crate) fn new_static(backing: Backing) -> Self {
        Self::new(false, false, backing)
    }

    pub(crate) fn caching(backing: Backing) -> Self {
        Self::new(false, true, backing)
    }

    pub(crate) fn dynamic(backing: Backing) -> Self {
        Self::new(true, false, backing)
    }

    fn new(is_dynamic: bool, caches: bool, backing: Backing) -> Self {
        Self {
            shared: Arc::new(Shared {
                is_dynamic,
                caches,
                log: Log::default(),
                backing: Mutex::new(backing),
                faults: Mutex::new(Faults::default()),
                control: OnceLock::new(),
                old_places: Mutex::new(Vec::new()),
                on_attach: OnceLock::new(),
            }),
        }
    }

    pub(crate) fn export(&self, mismatch: MismatchPolicy) -> DmaBuf {
        DmaBuf::export(ExportInfo {
            mismatch,
            ..ExportInfo::new(self.clone(), SIZE)
        })
        .unwrap()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.shared.log
    }

    pub(crate) fn control(&self) -> &ExporterControl {
        self.shared.control.get().unwrap()
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap()
    }

    /// Has something done whenever a device is being attached.
    pub(crate) fn on_attach(&self, what: impl Fn() + Send + Sync + 'static) {
        assert!(self.shared.on_attach.set(Box::new(what)).is_ok());
    }

    pub(crate) fn backing_now(&self) -> Backing {
        self.shared.backing.lock().unwrap().clone()
    }

    pub(crate) fn set_place(&self, address: u64) {
        *self.shared.backing.lock().unwrap() = Backing::At(contiguous(address));
    }

    pub(crate) fn old_places(&self) -> Vec<Fence> {
        self.shared.old_places.lock().unwrap().clone()
    }

    fn enter(&self, call: &'static str, detail: &str) {
        let held = self
            .shared
            .control
            .get()
            .map(|control| control.reservation().is_locked());
        let lock = if held == Some(true) { "locked" } else { "unlocked" };
        self.shared.log.add(format!("{call}{detail} {lock}"));
        let panic_in = self.faults().panic_in;
        assert!(panic_in != Some(call), "told to panic in {call}");
    }

    fn fail(&self, choose: impl FnOnce(&Faults) -> Option<Errno>) -> Result<(), Refusal> {
        match choose(&self.faults()) {
            Some(errno) => Err(Refusal::new(errno, "told to fail")),
            None => Ok(()),
        }
    }

    fn make_table(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.enter("map", &format!(" {:?}", request.direction));
        self.fail(|faults| faults.map)?;
        if let Some(table) = self.faults().wrong_table.clone() {
            return Ok(table);
        }
        match self.backing_now() {
            Backing::At(storage) => request.attachment.map(&storage, request.direction),
            _ => Err(Refusal::new(Errno::ENOMEM, "nothing is allocated")),
        }
    }
}

impl Exporter for Heap {
    fn name(&self) -> &str {
        "heap"
    }

    fn exported(&self, control: ExporterControl) {
        assert!(self.shared.control.set(control).is_ok(), "told twice");
    }

    fn map_ops(&self) -> MapOps<'_> {
        if self.shared.is_dynamic {
            MapOps::Dynamic(self)
        } else {
            MapOps::Static(self)
        }
    }

    fn release(&mut self) {
        self.shared.log.add("release");
    }
}

impl DmaExporter for Heap {
    fn attach(&self, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.enter("attach", &format!(" {}", attachment.label()));
        if let Some(what) = self.shared.on_attach.get() {
            what();
        }
        self.fail(|faults| faults.attach)
    }

    fn detach(&self, attachment: &AttachmentInfo) {
        self.enter("detach", &format!(" {}", attachment.label()));
    }

    fn backing(&self) -> Backing {
        self.backing_now()
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        self.enter("allocate", "");
        self.fail(|faults| faults.allocate)?;
        let wrong = self.faults().wrong_place;
        let place = wrong.or_else(|| {
            let places = [HIGH, LOW];
            places
                .into_iter()
                .find(|&place| requirements.allows(&contiguous(place)).is_ok())
        });
        match place {
            Some(place) => {
                self.set_place(place);
                Ok(())
            }
            None => Err(Refusal::new(Errno::ENOMEM, "neither low nor high memory does")),
        }
    }
}

impl StaticExporter for Heap {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.make_table(request)
    }

    fn unmap(&self, request: &MapRequest<'_>, _: &SgTable) {
        self.enter("unmap", &format!(" {:?}", request.direction));
    }

    fn caches_mappings(&self) -> bool {
        self.shared.caches
    }
}

impl DynamicExporter for Heap {
    fn pin(&self, guard: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        assert!(guard.guards(self.control().reservation()));
        self.enter("pin", "");
        self.fail(|faults| faults.pin)
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, _: &AttachmentInfo) {
        assert!(guard.guards(self.control().reservation()));
        self.enter("unpin", "");
    }

    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        assert!(guard.guards(self.control().reservation()));
        self.make_table(request)
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable) {
        assert!(guard.guards(self.control().reservation()));
        let at = table.segments().first().map_or(0, |segment| segment.address);
        self.enter("unmap", &format!(" {:?} at {at:#x}", request.direction));
    }

    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        assert!(guard.guards(self.control().reservation()));
        self.enter("relocate", "");
        DmaExporter::allocate(self, requirements)
    }

    fn moved(&self, _: &ReservationGuard<'_>, old_place_idle: &Fence) {
        self.enter("moved", "");
        self.shared
            .old_places
            .lock()
            .unwrap()
            .push(old_place_idle.clone());
    }
}

/// A device that reaches everything, or only the low 4 GiB.
pub(crate) fn device(label: &str, limits: DmaLimits) -> DeviceUse {
    Device::new(label, limits).unwrap().using_all().unwrap()
}

pub(crate) fn any(label: &str) -> DeviceUse {
    device(label, DmaLimits::unconstrained())
}

pub(crate) fn low_only(label: &str) -> DeviceUse {
    device(
        label,
        DmaLimits::builder().address_mask(HIGH - 1).build().unwrap(),
    )
}

pub(crate) fn high_only(label: &str) -> DeviceUse {
    device(
        label,
        DmaLimits::builder().windows([HIGH..=u64::MAX]).build().unwrap(),
    )
}

/// An importer that writes down what it is told.
pub(crate) struct Told {
    pub(crate) log: Log,
    is_revocable: bool,
    pub(crate) panics: bool,
}

impl Told {
    pub(crate) fn new(log: &Log) -> Arc<Self> {
        Arc::new(Self {
            log: log.clone(),
            is_revocable: false,
            panics: false,
        })
    }

    pub(crate) fn revocable(log: &Log) -> Arc<Self> {
        Arc::new(Self {
            log: log.clone(),
            is_revocable: true,
            panics: false,
        })
    }

    pub(crate) fn panicking(log: &Log) -> Arc<Self> {
        Arc::new(Self {
            log: log.clone(),
            is_revocable: true,
            panics: true,
        })
    }

    fn told(&self, what: &str, notice: &Notice<'_>) {
        assert!(notice.guard.guards(notice.buffer.reservation()));
        self.log.add(format!("{what} {}", notice.attachment.label()));
        assert!(!self.panics, "told to panic");
    }
}

impl Importer for Told {
    fn move_notify(&self, notice: &Notice<'_>) {
        self.told("move_notify", notice);
    }

    fn revocable(&self) -> Option<&dyn Revocable> {
        self.is_revocable.then_some(self as _)
    }
}

impl Revocable for Told {
    fn revoked(&self, notice: &Notice<'_>) {
        self.told("revoked", notice);
    }
}

pub(crate) const ALL_DIRECTIONS: [DataDirection; 3] = [
    DataDirection::Bidirectional,
    DataDirection::ToDevice,
    DataDirection::FromDevice,
];
