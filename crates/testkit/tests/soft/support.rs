//! Short words for the tests.

use std::time::{Duration, Instant};

use wharf_core::dma::{Coherency, DmaLimits, Storage};
use wharf_core::{DataDirection, Deadline, SgTable, Wait};
use wharf_testkit::soft::{Finding, Job, Placement, SoftDevice, SoftJob, SoftMachine, Span};

pub(crate) const PAGE: u64 = 4096;

pub(crate) fn machine() -> SoftMachine {
    SoftMachine::new([0..=0xffff_ffff])
}

/// A wait that ends a test which hangs.
pub(crate) fn patiently() -> Wait<'static> {
    Wait::until(Deadline::At(Instant::now() + Duration::from_secs(30)))
}

/// Limits of a device that does not see the CPU's caches.
pub(crate) fn apart() -> DmaLimits {
    DmaLimits::builder()
        .coherency(Coherency::NeedsSync)
        .build()
        .unwrap()
}

pub(crate) fn device(machine: &SoftMachine, label: &str) -> SoftDevice {
    SoftDevice::new(machine, label, apart()).unwrap()
}

pub(crate) fn frame(machine: &SoftMachine) -> Storage {
    machine
        .allocate("frame", 2 * PAGE, &Placement::scattered(PAGE))
        .unwrap()
}

pub(crate) fn map(device: &SoftDevice, storage: &Storage, direction: DataDirection) -> SgTable {
    let limits = device.device().using_all().unwrap();
    device
        .device()
        .ops()
        .map(storage, limits.limits(), direction)
        .unwrap()
}

pub(crate) fn unmap(device: &SoftDevice, table: &SgTable, direction: DataDirection) {
    device.device().ops().unmap(table, direction);
}

pub(crate) fn done(job: &SoftJob) -> u64 {
    job.fence().wait(&patiently()).unwrap();
    job.outcome().unwrap().unwrap()
}

pub(crate) fn fill(device: &SoftDevice, table: &SgTable, range: std::ops::Range<u64>, value: u8) {
    done(&device.submit(Job::Fill {
        to: Span::new(table, range),
        value,
    }));
}

pub(crate) fn sum(device: &SoftDevice, table: &SgTable, range: std::ops::Range<u64>) -> u64 {
    done(&device.submit(Job::Checksum {
        of: Span::new(table, range),
    }))
}

pub(crate) fn cpu_read(machine: &SoftMachine, storage: &Storage, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    machine.cpu_read(storage, offset, &mut bytes).unwrap();
    bytes
}

/// The words of all findings since the last time.
pub(crate) fn words(machine: &SoftMachine) -> Vec<String> {
    machine.take_findings().iter().map(Finding::to_string).collect()
}
