//! `wharf-core` with soft machines as the system that the suites of the contract are run against.

mod cpu;
mod devices;
mod exporter;
mod user;

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wharf_conformance::PATIENCE;
use wharf_conformance::contract::{BufferSut, Kind, LifetimeSut};
use wharf_core::{
    BufferName, Coherency, Deadline, DmaBuf, Errno, ExportInfo, MismatchPolicy, Reservation, SecondRange,
    Wait,
};
use wharf_testkit::soft::{SoftExporter, SoftMachine};

pub(crate) use exporter::Probe;
use exporter::{Releases, allocate};

/// A machine with exporters of one kind.
pub(crate) struct Core {
    machine: SoftMachine,
    kind: Kind,
    policy: MismatchPolicy,
    declared: Coherency,
    second: SecondRange,
    exported: Mutex<Vec<(u64, Releases)>>,
}

impl Core {
    pub(crate) fn new(kind: Kind, policy: MismatchPolicy) -> Self {
        Self {
            machine: SoftMachine::new([0..=0xffff_ffff]),
            kind,
            policy,
            declared: Coherency::Explicit,
            second: SecondRange::SameAsFirst,
            exported: Mutex::default(),
        }
    }

    /// Says what exporters declare of user mappings.
    pub(crate) fn declaring(self, declared: Coherency, second: SecondRange) -> Self {
        Self {
            declared,
            second,
            ..self
        }
    }

    fn export(
        &self,
        kind: Kind,
        policy: MismatchPolicy,
        size_bytes: u64,
        share: Option<&DmaBuf>,
    ) -> Result<DmaBuf, Errno> {
        let soft = SoftExporter::deferred(&self.machine, "buffer", size_bytes).user_mappings(self.declared);
        let probe = Probe::new(soft, kind, self.second, size_bytes);
        let info = ExportInfo {
            mismatch: policy,
            reservation: share.map(|buffer| buffer.reservation().clone()),
            ..ExportInfo::new(probe.clone(), size_bytes)
        };
        let buffer = DmaBuf::export(info).map_err(|error| error.errno())?;
        let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        exported.push((buffer.id().get(), probe.releases().clone()));
        Ok(buffer)
    }

    /// Exports a buffer that has its memory from the beginning.
    fn export_placed(
        &self,
        kind: Kind,
        policy: MismatchPolicy,
        size_bytes: u64,
        share: Option<&DmaBuf>,
    ) -> Result<DmaBuf, Errno> {
        let buffer = self.export(kind, policy, size_bytes, share)?;
        allocate(probe(&buffer).soft())?;
        Ok(buffer)
    }
}

fn probe(buffer: &DmaBuf) -> &Probe {
    buffer.exporter().unwrap()
}

fn within(timeout: Duration) -> Wait<'static> {
    Wait::until(Deadline::after(timeout))
}

/// A wait that ends a case which hangs.
fn patiently() -> Wait<'static> {
    within(PATIENCE)
}

fn lock(reservation: &Reservation) -> wharf_core::ReservationGuard<'_> {
    reservation.lock(&patiently()).unwrap()
}

impl BufferSut for Core {
    type Buffer = DmaBuf;

    fn create(&self, size_bytes: u64) -> Result<DmaBuf, Errno> {
        self.export_placed(self.kind, self.policy, size_bytes, None)
    }

    fn another_handle(&self, buffer: &DmaBuf) -> DmaBuf {
        buffer.clone()
    }

    fn read_only(&self, buffer: &DmaBuf) -> Result<DmaBuf, Errno> {
        Ok(buffer.to_read_only())
    }

    fn id(&self, buffer: &DmaBuf) -> u64 {
        buffer.id().get()
    }

    fn size_bytes(&self, buffer: &DmaBuf) -> u64 {
        buffer.size_bytes()
    }

    fn exporter_name(&self, buffer: &DmaBuf) -> String {
        buffer.exporter_name().into()
    }

    fn name(&self, buffer: &DmaBuf) -> Option<String> {
        buffer.name().map(|name| name.as_str().into())
    }

    fn set_name(&self, buffer: &DmaBuf, name: &str) -> Result<(), Errno> {
        let name = BufferName::new(name).map_err(|error| error.errno())?;
        buffer.set_name(Some(name));
        Ok(())
    }

    fn is_same(&self, left: &DmaBuf, right: &DmaBuf) -> bool {
        left == right
    }
}

impl LifetimeSut for Core {
    fn is_alive(&self, id: u64) -> bool {
        let exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        let found = exported.iter().find(|(number, _)| *number == id);
        let releases = found.unwrap().1.load(Ordering::SeqCst);
        assert!(releases <= 1, "released {releases} times");
        releases == 0
    }
}
