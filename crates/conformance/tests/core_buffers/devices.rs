//! Devices at buffers.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wharf_conformance::contract::{
    Call, Called, CoherencySut, Contract, DeferredSut, DeviceSut, ExporterSut, Fault, FencedDeviceSut, Kind,
    LockSut, MoveSut, PairingSut,
};
use wharf_core::dma::{DmaLimits, SgSegment, SgTable};
use wharf_core::{
    AccessMode, AcquireCtx, Attachment, DataDirection, DmaBuf, DynamicAttachment, DynamicMapping, Errno,
    Fence, Importer, Mapping, MismatchPolicy, Notice, Pin, RESERVATION_CLASS, Reservation, Revocable, Wait,
};
use wharf_testkit::soft::{Job, Placement, SoftDevice, Span, checksum};

use super::user::storage_of;
use super::{Core, lock, patiently, probe, within};

/// An importer that counts what it is told.
#[derive(Default)]
pub(crate) struct Told {
    is_revocable: bool,
    moves: AtomicUsize,
    revocations: AtomicUsize,
}

impl Importer for Told {
    fn move_notify(&self, notice: &Notice<'_>) {
        assert!(notice.guard.guards(notice.buffer.reservation()));
        self.moves.fetch_add(1, Ordering::SeqCst);
    }

    fn revocable(&self) -> Option<&dyn Revocable> {
        self.is_revocable.then_some(self as _)
    }
}

impl Revocable for Told {
    fn revoked(&self, notice: &Notice<'_>) {
        assert!(notice.guard.guards(notice.buffer.reservation()));
        self.revocations.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) enum Attached {
    Static(Attachment),
    Dynamic(DynamicAttachment, Arc<Told>),
}

pub(crate) enum Mapped {
    Static(Mapping),
    Dynamic(DynamicMapping),
}

impl Attached {
    fn told(&self) -> &Told {
        match self {
            Self::Static(_) => panic!("a static importer is told nothing"),
            Self::Dynamic(_, told) => told,
        }
    }

    fn map(&self, direction: DataDirection, wait: &Wait<'_>) -> Result<Mapped, Errno> {
        let mapped = match self {
            Self::Static(attachment) => attachment.map(direction, wait).map(Mapped::Static),
            Self::Dynamic(attachment, _) => attachment.map_unlocked(direction, wait).map(Mapped::Dynamic),
        };
        mapped.map_err(|error| error.errno())
    }
}

impl Mapped {
    fn table(&self) -> &SgTable {
        match self {
            Self::Static(mapping) => mapping.table(),
            Self::Dynamic(mapping) => mapping.table(),
        }
    }
}

/// Has a device do a job, and returns what came of it.
fn run(device: &SoftDevice, job: Job) -> Result<u64, Errno> {
    let job = device.submit(job);
    job.fence().wait(&patiently()).unwrap();
    job.outcome().unwrap().map_err(|_| Errno::EIO)
}

impl DeviceSut for Core {
    type Device = SoftDevice;
    type Attachment = Attached;
    type Mapping = Mapped;

    fn device(&self, functions: &[(&str, DmaLimits)]) -> SoftDevice {
        let begun = SoftDevice::builder(&self.machine, "device");
        let device = functions.iter().fold(begun, |device, (name, limits)| {
            device.function(name, limits.clone())
        });
        device.build().unwrap()
    }

    fn attach(
        &self,
        buffer: &DmaBuf,
        device: &SoftDevice,
        functions: &[&str],
        access: AccessMode,
        contract: Contract,
    ) -> Result<Attached, Errno> {
        let device = device.device().using(functions).unwrap();
        let attached = match contract {
            Contract::Static => buffer.attach(&device, access, &patiently()).map(Attached::Static),
            Contract::Dynamic | Contract::Revocable => {
                let told = Arc::new(Told {
                    is_revocable: contract == Contract::Revocable,
                    ..Told::default()
                });
                buffer
                    .attach_dynamic(&device, access, Arc::clone(&told) as _, &patiently())
                    .map(|attachment| Attached::Dynamic(attachment, told))
            }
        };
        attached.map_err(|error| error.errno())
    }

    fn detach(&self, attached: Attached) -> Result<(), (Errno, Attached)> {
        match attached {
            Attached::Static(attachment) => attachment
                .detach()
                .map_err(|error| (error.errno(), Attached::Static(error.into_attachment()))),
            Attached::Dynamic(attachment, told) => attachment
                .detach()
                .map_err(|error| (error.errno(), Attached::Dynamic(error.into_attachment(), told))),
        }
    }

    fn map(&self, attached: &Attached, direction: DataDirection) -> Result<Mapped, Errno> {
        attached.map(direction, &patiently())
    }

    fn unmap(&self, mapped: Mapped) {
        match mapped {
            Mapped::Static(mapping) => mapping.unmap(&patiently()).unwrap(),
            Mapped::Dynamic(mapping) => mapping.unmap_unlocked(&patiently()).unwrap(),
        }
    }

    fn segments(&self, mapped: &Mapped) -> Vec<SgSegment> {
        mapped.table().segments().into()
    }

    fn device_fill(
        &self,
        device: &SoftDevice,
        mapped: &Mapped,
        bytes: Range<u64>,
        value: u8,
    ) -> Result<(), Errno> {
        let asked = bytes.end - bytes.start;
        let to = Span::new(mapped.table(), bytes);
        let written = run(device, Job::Fill { to, value })?;
        assert_eq!(written, asked);
        Ok(())
    }

    fn device_sees(
        &self,
        device: &SoftDevice,
        mapped: &Mapped,
        offset_bytes: u64,
        expected: &[u8],
    ) -> Result<bool, Errno> {
        let of = Span::new(mapped.table(), offset_bytes..offset_bytes + expected.len() as u64);
        Ok(run(device, Job::Checksum { of })? == checksum(expected))
    }
}

impl DeferredSut for Core {
    fn create_deferred(&self, size_bytes: u64) -> Result<DmaBuf, Errno> {
        self.export(self.kind, self.policy, size_bytes, None)
    }

    fn has_memory(&self, buffer: &DmaBuf) -> bool {
        probe(buffer).soft().storage().is_some()
    }
}

impl FencedDeviceSut for Core {
    fn map_within(
        &self,
        attached: &Attached,
        direction: DataDirection,
        timeout: Duration,
    ) -> Result<Mapped, Errno> {
        attached.map(direction, &within(timeout))
    }
}

impl CoherencySut for Core {
    fn read_unbracketed(&self, buffer: &DmaBuf, offset_bytes: u64, into: &mut [u8]) {
        let storage = storage_of(buffer);
        self.machine.cpu_read(&storage, offset_bytes, into).unwrap();
    }

    fn write_unbracketed(&self, buffer: &DmaBuf, offset_bytes: u64, from: &[u8]) {
        let storage = storage_of(buffer);
        self.machine.cpu_write(&storage, offset_bytes, from).unwrap();
    }

    fn take_findings(&self) -> Vec<String> {
        let findings = self.machine.take_findings();
        findings.iter().map(ToString::to_string).collect()
    }
}

impl ExporterSut for Core {
    fn set_fault(&self, buffer: &DmaBuf, call: Call, fault: Option<Fault>) {
        probe(buffer).set_fault(call, fault);
    }

    fn take_calls(&self, buffer: &DmaBuf) -> Vec<Called> {
        probe(buffer).take_calls()
    }
}

impl PairingSut for Core {
    fn create_as(&self, kind: Kind, policy: MismatchPolicy, size_bytes: u64) -> Result<DmaBuf, Errno> {
        self.export_placed(kind, policy, size_bytes, None)
    }
}

impl MoveSut for Core {
    type Pin = Pin;
    type OldPlace = Fence;

    fn pin(&self, attached: &Attached) -> Result<Pin, Errno> {
        match attached {
            Attached::Static(_) => panic!("a static importer does not pin"),
            Attached::Dynamic(attachment, _) => {
                let guard = lock(attachment.buffer().reservation());
                attachment.pin(&guard).map_err(|error| error.errno())
            }
        }
    }

    fn move_buffer(&self, buffer: &DmaBuf) -> Result<Fence, Errno> {
        let guard = lock(buffer.reservation());
        let moved = probe(buffer)
            .soft()
            .move_to(&guard, &Placement::scattered(wharf_core::PAGE_BYTES));
        moved.map_err(|error| error.errno())
    }

    fn revoke(&self, buffer: &DmaBuf) -> Result<Fence, Errno> {
        let guard = lock(buffer.reservation());
        let revoked = probe(buffer).control().revoke(&guard);
        revoked.map_err(|error| error.errno())
    }

    fn is_idle(&self, old: &Fence) -> bool {
        old.is_signaled()
    }

    fn is_current(&self, mapped: &Mapped) -> bool {
        match mapped {
            Mapped::Static(_) => true,
            Mapped::Dynamic(mapping) => mapping.is_current(),
        }
    }

    fn moves_told(&self, attached: &Attached) -> usize {
        attached.told().moves.load(Ordering::SeqCst)
    }

    fn revocations_told(&self, attached: &Attached) -> usize {
        attached.told().revocations.load(Ordering::SeqCst)
    }

    fn holders(&self, buffer: &DmaBuf) -> usize {
        probe(buffer).control().holders().len()
    }
}

impl LockSut for Core {
    fn locked<T>(&self, buffer: &DmaBuf, what: impl FnOnce() -> T) -> T {
        let _guard = lock(buffer.reservation());
        what()
    }

    fn all_locked<T>(&self, buffers: &[&DmaBuf], what: impl FnOnce() -> T) -> T {
        let context = AcquireCtx::new(&RESERVATION_CLASS);
        let reservations: Vec<&Reservation> = buffers.iter().map(|buffer| &**buffer.reservation()).collect();
        let _set = Reservation::lock_all(&context, &reservations, &patiently()).unwrap();
        what()
    }

    fn is_locked(&self, buffer: &DmaBuf) -> bool {
        buffer.reservation().is_locked()
    }

    fn map_holding(
        &self,
        attached: &Attached,
        lock_of: &DmaBuf,
        direction: DataDirection,
    ) -> Result<Mapped, Errno> {
        let Attached::Dynamic(attachment, _) = attached else {
            panic!("a static importer holds no lock");
        };
        let guard = lock(lock_of.reservation());
        let mapped = attachment.map(&guard, direction);
        mapped.map(Mapped::Dynamic).map_err(|error| error.errno())
    }
}
