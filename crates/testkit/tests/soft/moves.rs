//! Soft exporters that move their memory.

use std::sync::Arc;

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::{Bidirectional, FromDevice};
use wharf_core::dma::DmaLimits;
use wharf_core::{DmaBuf, Errno, Importer, MismatchPolicy, MoveError, Notice, Usage};
use wharf_testkit::soft::{Job, Placement, SoftDevice, SoftExporter, SoftMachine, Span};

use crate::support::{PAGE, device, fill, machine, patiently};

const SIZE: u64 = 4 * PAGE;

fn high() -> Placement {
    Placement::contiguous().within([0x8000_0000..=0xffff_ffff])
}

struct Told;

impl Importer for Told {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn dynamic(machine: &SoftMachine) -> (SoftExporter, DmaBuf) {
    let exporter = SoftExporter::deferred(machine, "frame", SIZE).dynamic();
    let buffer = exporter.export(MismatchPolicy::default()).unwrap();
    (exporter, buffer)
}

fn assert_all(buffer: &DmaBuf, value: u8) {
    let access = buffer
        .begin_cpu_access_within(.., FromDevice, &patiently())
        .unwrap();
    let mut seen = vec![0; 4096];
    for page in access.pages() {
        access.page(page).unwrap().read_at(0, &mut seen).unwrap();
        assert_eq!(seen, [value; 4096]);
    }
}

#[test]
fn contents_move_and_the_old_place_is_given_back() {
    let machine = machine();
    let (exporter, buffer) = dynamic(&machine);
    let access = buffer.begin_cpu_access(.., Bidirectional).unwrap();
    for page in access.pages() {
        access.page_mut(page).unwrap().write_at(0, &[9; 4096]).unwrap();
    }
    drop(access);
    let old = exporter.storage().unwrap();
    let guard = buffer.reservation().lock(&patiently()).unwrap();
    let idle = exporter.move_to(&guard, &high()).unwrap();
    drop(guard);
    idle.wait(&patiently()).unwrap();
    let new = exporter.storage().unwrap();
    assert_ne!(new, old);
    assert!(new.runs()[0].address >= 0x8000_0000);
    assert_eq!(machine.allocated_bytes(), SIZE);
    assert_all(&buffer, 9);
    machine.assert_clean();
}

#[test]
fn window_that_is_open_during_a_move_loses_nothing() {
    let machine = machine();
    let (exporter, buffer) = dynamic(&machine);
    let access = buffer.begin_cpu_access(.., Bidirectional).unwrap();
    access.page_mut(0).unwrap().write_at(0, &[1; 8]).unwrap();
    let guard = buffer.reservation().lock(&patiently()).unwrap();
    exporter.move_to(&guard, &high()).unwrap();
    drop(guard);
    access.page_mut(0).unwrap().write_at(8, &[2; 8]).unwrap();
    access.end().unwrap();
    let access = buffer.begin_cpu_access(.., FromDevice).unwrap();
    let mut seen = [0; 16];
    access.page(0).unwrap().read_at(0, &mut seen).unwrap();
    assert_eq!(seen, *[[1; 8], [2; 8]].concat());
    machine.assert_clean();
}

#[test]
fn work_on_the_old_place_goes_on_and_is_moved_too() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let (exporter, buffer) = dynamic(&machine);
    let used = camera.device().using_all().unwrap();
    let attachment = buffer
        .attach_dynamic(&used, ReadWrite, Arc::new(Told), &patiently())
        .unwrap();
    let mapping = attachment.map_unlocked(Bidirectional, &patiently()).unwrap();

    let held = camera.hold();
    let job = camera.submit(Job::Fill {
        to: Span::all(mapping.table()),
        value: 7,
    });
    let guard = buffer.reservation().lock(&patiently()).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.add_fence(job.fence(), Usage::Write).unwrap();
    let idle = exporter.move_to(&guard, &high()).unwrap();
    assert!(!mapping.is_current());
    assert_eq!(machine.allocated_bytes(), 2 * SIZE);
    assert_eq!(
        guard
            .fences(Usage::Kernel)
            .filter(|(fence, _)| !fence.is_signaled())
            .count(),
        1
    );
    let after = attachment.map(&guard, Bidirectional);
    drop(guard);
    assert!(!idle.is_signaled());

    drop(held);
    job.fence().wait(&patiently()).unwrap();
    mapping.unmap_unlocked(&patiently()).unwrap();
    idle.wait(&patiently()).unwrap();
    assert_eq!(machine.allocated_bytes(), SIZE);
    assert_all(&buffer, 7);
    let after = after.unwrap();
    assert!(after.segments()[0].address >= 0x8000_0000);
    fill(&camera, after.table(), 0..SIZE, 8);
    assert_all(&buffer, 8);
    machine.assert_clean();
}

#[test]
fn late_device_has_the_buffer_moved_with_its_contents() {
    let machine = machine();
    let (exporter, buffer) = dynamic(&machine);
    let camera = device(&machine, "camera");
    let used = camera.device().using_all().unwrap();
    let attachment = buffer
        .attach_dynamic(&used, ReadWrite, Arc::new(Told), &patiently())
        .unwrap();
    let mapping = attachment.map_unlocked(FromDevice, &patiently()).unwrap();
    assert_eq!(mapping.segments().len(), 4);
    fill(&camera, mapping.table(), 0..SIZE, 5);
    drop(mapping);

    let strict = DmaLimits::builder()
        .windows([0x1000_0000..=0x1fff_ffff])
        .contiguous()
        .build()
        .unwrap();
    let encoder = SoftDevice::new(&machine, "encoder", strict).unwrap();
    let late = buffer
        .attach(&encoder.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    assert!(exporter.storage().unwrap().is_contiguous());
    assert_eq!(late.map(FromDevice, &patiently()).unwrap().segments().len(), 1);
    assert_all(&buffer, 5);

    let guard = buffer.reservation().lock(&patiently()).unwrap();
    let error = exporter.move_to(&guard, &high()).unwrap_err();
    assert!(matches!(error, MoveError::Held { .. }), "{error}");
    machine.assert_clean();
}

#[test]
fn move_without_memory_leaves_everything_as_it_was() {
    let machine = SoftMachine::new([0..=8 * PAGE - 1]);
    let (exporter, buffer) = dynamic(&machine);
    let access = buffer.begin_cpu_access(.., Bidirectional).unwrap();
    access.page_mut(0).unwrap().write_at(0, &[9; 4096]).unwrap();
    drop(access);
    let old = exporter.storage();
    let guard = buffer.reservation().lock(&patiently()).unwrap();
    let error = exporter.move_to(&guard, &high()).unwrap_err();
    assert_eq!(error.errno(), Errno::ENOMEM);
    drop(guard);
    assert_eq!(exporter.storage(), old);
    let (other, _) = dynamic(&machine);
    let guard = buffer.reservation().lock(&patiently()).unwrap();
    assert!(other.move_to(&guard, &high()).is_err());
    machine.assert_clean();
}
