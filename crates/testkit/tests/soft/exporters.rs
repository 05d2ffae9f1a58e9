//! Soft exporters behind the framework.

use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::dma::DmaLimits;
use wharf_core::{AccessMode, Coherency, DmaBuf, Errno, ExportInfo, FaultKind, MismatchPolicy};
use wharf_core::{AccessMode::ReadWrite, MappingBackend, PageRun, Refusal, UserArea};
use wharf_testkit::soft::{Job, Placement, SoftDevice, SoftExporter, SoftMachine, Span, checksum};

use crate::support::{PAGE, apart, device, done, fill, machine, patiently, sum, words};

const SIZE: u64 = 4 * PAGE;

fn export(exporter: &SoftExporter) -> DmaBuf {
    exporter.export(MismatchPolicy::default()).unwrap()
}

/// A buffer at once, of a static exporter.
fn placed(machine: &SoftMachine) -> (SoftExporter, DmaBuf) {
    let exporter = SoftExporter::placed(machine, "frame", SIZE, Placement::scattered(PAGE));
    let buffer = export(&exporter);
    (exporter, buffer)
}

#[test]
fn memory_is_given_back_with_the_buffer() {
    let machine = machine();
    for exporter in [
        SoftExporter::placed(&machine, "frame", SIZE, Placement::contiguous()),
        SoftExporter::deferred(&machine, "frame", SIZE).dynamic(),
    ] {
        let buffer = export(&exporter);
        let camera = device(&machine, "camera");
        let attachment = buffer
            .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
            .unwrap();
        drop(attachment.map(FromDevice, &patiently()).unwrap());
        assert_eq!(machine.allocated_bytes(), SIZE);
        drop((attachment, buffer));
        assert_eq!(machine.allocated_bytes(), 0);
        assert_eq!(exporter.storage(), None);
    }
}

#[test]
fn export_without_memory_is_refused() {
    let machine = SoftMachine::new([0..=PAGE - 1]);
    let exporter = SoftExporter::placed(&machine, "frame", SIZE, Placement::contiguous());
    let error = exporter.export(MismatchPolicy::default()).unwrap_err();
    assert_eq!(error.errno(), Errno::ENOMEM);
    assert_eq!(ExportInfo::new(exporter, SIZE).exporter.name(), "soft");
}

#[test]
fn deferred_memory_suits_all_that_were_attached_by_then() {
    let machine = machine();
    let few = DmaLimits::builder().max_segments(2).build().unwrap();
    let low = DmaLimits::builder().address_mask(0xff_ffff).build().unwrap();
    let (gpu, display) = (
        SoftDevice::new(&machine, "gpu", few).unwrap(),
        SoftDevice::new(&machine, "display", low).unwrap(),
    );
    let exporter = SoftExporter::deferred(&machine, "frame", SIZE);
    let buffer = export(&exporter);
    let attachments = [&gpu, &display].map(|device| {
        buffer
            .attach(&device.device().using_all().unwrap(), ReadWrite, &patiently())
            .unwrap()
    });
    assert_eq!(machine.allocated_bytes(), 0);
    let tables = attachments
        .each_ref()
        .map(|attachment| attachment.map(Bidirectional, &patiently()).unwrap());
    assert_eq!(tables[0].segments().len(), 2);
    assert!(
        tables[1]
            .segments()
            .iter()
            .all(|segment| segment.address < 0x100_0000)
    );
}

#[test]
fn worst_case_memory_takes_everybody_late() {
    let machine = machine();
    let worst = Placement::contiguous().within([0..=0xff_ffff]).aligned(0x10_0000);
    let buffer = export(&SoftExporter::placed(&machine, "frame", SIZE, worst));
    let strict = DmaLimits::builder()
        .address_mask(0xff_ffff)
        .contiguous()
        .base_align_bytes(0x10_0000);
    let npu = SoftDevice::new(&machine, "npu", strict.build().unwrap()).unwrap();
    assert!(
        buffer
            .attach(&npu.device().using_all().unwrap(), ReadWrite, &patiently())
            .is_ok()
    );
    let (_, scattered) = placed(&machine);
    let error = scattered
        .attach(&npu.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
}

#[test]
fn cpu_access_allocates_when_nothing_else_has() {
    let machine = machine();
    let exporter = SoftExporter::deferred(&machine, "frame", SIZE);
    let buffer = export(&exporter);
    let access = buffer.begin_cpu_access(.., Bidirectional).unwrap();
    access.page_mut(1).unwrap().write_at(0, b"early").unwrap();
    access.end().unwrap();
    let camera = device(&machine, "camera");
    let attachment = buffer
        .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    let mapping = attachment.map(ToDevice, &patiently()).unwrap();
    assert_eq!(sum(&camera, mapping.table(), PAGE..PAGE + 5), checksum(b"early"));
    machine.assert_clean();
}

#[test]
fn brackets_work_while_devices_have_the_buffer_mapped() {
    let machine = machine();
    let (camera, encoder) = (device(&machine, "camera"), device(&machine, "encoder"));
    let (_, buffer) = placed(&machine);
    let attach = |device: &SoftDevice| {
        buffer
            .attach(&device.device().using_all().unwrap(), ReadWrite, &patiently())
            .unwrap()
    };
    let (from, to) = (attach(&camera), attach(&encoder));
    let (from, to) = (
        from.map(FromDevice, &patiently()).unwrap(),
        to.map(ToDevice, &patiently()).unwrap(),
    );
    for round in 1..4_u8 {
        fill(&camera, from.table(), 0..SIZE, round);
        let access = buffer.begin_cpu_access(.., Bidirectional).unwrap();
        let mut seen = [0; 8];
        access.page(3).unwrap().read_at(4088, &mut seen).unwrap();
        assert_eq!(seen, [round; 8]);
        access.page_mut(0).unwrap().write_at(0, &[round + 50; 8]).unwrap();
        access.end().unwrap();
        let expected = [[round + 50; 8], [round; 8]].concat();
        assert_eq!(sum(&encoder, to.table(), 0..16), checksum(&expected));
    }
    machine.assert_clean();
}

#[test]
fn missing_brackets_are_named_behind_the_framework_too() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let (_, buffer) = placed(&machine);
    let attachment = buffer
        .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    let mapping = attachment.map(Bidirectional, &patiently()).unwrap();
    let vmap = buffer.vmap_unlocked(&patiently()).unwrap();

    vmap.write_at(0, &[1; 64]).unwrap();
    sum(&camera, mapping.table(), 0..64);
    let told = words(&machine);
    assert!(
        told[0].ends_with("before the CPU wrote: no end_cpu_access since the write"),
        "{told:?}"
    );

    fill(&camera, mapping.table(), 64..128, 2);
    let mut seen = [0; 64];
    vmap.read_at(64, &mut seen).unwrap();
    let told = words(&machine);
    assert!(
        told[0].starts_with("'frame', bytes 64..128: the CPU read"),
        "{told:?}"
    );

    let access = buffer.begin_cpu_access(.., ToDevice).unwrap();
    vmap.read_at(64, &mut seen).unwrap();
    assert_eq!(seen, [0; 64]);
    let told = words(&machine);
    assert!(
        told[0].ends_with("begin_cpu_access was for ToDevice only"),
        "{told:?}"
    );
    access.end().unwrap();

    let access = buffer.begin_cpu_access(.., FromDevice).unwrap();
    vmap.read_at(64, &mut seen).unwrap();
    assert_eq!(seen, [2; 64]);
    access.end().unwrap();
    machine.assert_clean();
}

#[test]
fn window_that_begins_does_not_spoil_one_that_is_open() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let (_, buffer) = placed(&machine);
    let attachment = buffer
        .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    let mapping = attachment.map(Bidirectional, &patiently()).unwrap();
    let writing = buffer.begin_cpu_access(0..PAGE, ToDevice).unwrap();
    writing.page_mut(0).unwrap().write_at(0, &[3; 32]).unwrap();
    let reading = buffer.begin_cpu_access(.., FromDevice).unwrap();
    let mut seen = [0; 32];
    reading.page(0).unwrap().read_at(0, &mut seen).unwrap();
    assert_eq!(seen, [3; 32]);
    drop((reading, writing));
    assert_eq!(sum(&camera, mapping.table(), 0..32), checksum(&[3; 32]));
    machine.assert_clean();
}

#[test]
fn all_pairings_show_the_same_bytes() {
    let machine = machine();
    for policy in [MismatchPolicy::MapAtAttach, MismatchPolicy::PinOnMap] {
        for exporter in [
            SoftExporter::deferred(&machine, "static", SIZE),
            SoftExporter::deferred(&machine, "dynamic", SIZE).dynamic(),
        ] {
            let camera = SoftDevice::new(&machine, "camera", apart()).unwrap();
            let buffer = exporter.export(policy).unwrap();
            let attachment = buffer
                .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
                .unwrap();
            for round in 1..3_u8 {
                let mapping = attachment.map(FromDevice, &patiently()).unwrap();
                done(&camera.submit(Job::Fill {
                    to: Span::all(mapping.table()),
                    value: round,
                }));
                drop(mapping);
                let access = buffer.begin_cpu_access(.., FromDevice).unwrap();
                let mut seen = vec![0; 4096];
                access.page(2).unwrap().read_at(0, &mut seen).unwrap();
                assert_eq!(seen, [round; 4096]);
            }
        }
    }
    machine.assert_clean();
}

/// Page tables of nobody: what user mappings show is read with `cpu_read`.
struct Nowhere;

impl MappingBackend for Nowhere {
    fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
        Ok(())
    }

    fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
        Ok(())
    }
}

#[test]
fn coherency_is_faked_by_faults() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let exporter = SoftExporter::placed(&machine, "frame", SIZE, Placement::scattered(PAGE))
        .user_mappings(Coherency::FaultTracked);
    let buffer = export(&exporter);
    let storage = exporter.storage().unwrap();
    let area = UserArea {
        first_page: 0,
        page_count: 4,
        access: ReadWrite,
        backend: Box::new(Nowhere),
    };
    let user = buffer.map_user(area).unwrap();
    let attachment = buffer
        .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    for round in 1..4_u8 {
        user.fault(1, FaultKind::Write).unwrap();
        machine.cpu_write(&storage, PAGE, &[round; 64]).unwrap();
        // The device's mapping takes the page away, which flushes it.
        let mapping = attachment.map(Bidirectional, &patiently()).unwrap();
        assert_eq!(
            sum(&camera, mapping.table(), PAGE..PAGE + 64),
            checksum(&[round; 64])
        );
        fill(&camera, mapping.table(), PAGE..PAGE + 64, round + 100);
        drop(mapping);
        user.fault(1, FaultKind::Read).unwrap();
        let mut seen = [0; 64];
        machine.cpu_read(&storage, PAGE, &mut seen).unwrap();
        assert_eq!(seen, [round + 100; 64]);
    }
    machine.assert_clean();
}

#[test]
fn faults_make_devices_right_that_stay_mapped() {
    let machine = machine();
    let (camera, gpu) = (device(&machine, "camera"), device(&machine, "gpu"));
    let exporter = SoftExporter::placed(&machine, "frame", SIZE, Placement::scattered(PAGE))
        .user_mappings(Coherency::FaultTracked);
    let buffer = export(&exporter);
    let storage = exporter.storage().unwrap();
    let attach = |device: &SoftDevice| {
        buffer
            .attach(&device.device().using_all().unwrap(), ReadWrite, &patiently())
            .unwrap()
    };
    let (camera_attachment, gpu_attachment) = (attach(&camera), attach(&gpu));
    let stays = camera_attachment.map(Bidirectional, &patiently()).unwrap();
    let area = UserArea {
        first_page: 0,
        page_count: 4,
        access: ReadWrite,
        backend: Box::new(Nowhere),
    };
    let user = buffer.map_user(area).unwrap();
    for round in 1..4_u8 {
        sum(&camera, stays.table(), PAGE..PAGE + 64);
        fill(&camera, stays.table(), PAGE..PAGE + 32, round);
        user.fault(1, FaultKind::Write).unwrap();
        let mut seen = [0; 32];
        machine.cpu_read(&storage, PAGE, &mut seen).unwrap();
        assert_eq!(seen, [round; 32]);
        machine
            .cpu_write(&storage, PAGE + 32, &[round + 100; 32])
            .unwrap();
        // Another device takes the page over.
        drop(gpu_attachment.map(ToDevice, &patiently()).unwrap());
        let expected = [[round; 32], [round + 100; 32]].concat();
        assert_eq!(sum(&camera, stays.table(), PAGE..PAGE + 64), checksum(&expected));
    }
    machine.assert_clean();
}

#[test]
fn take_over_by_a_device_that_only_writes_keeps_what_it_does_not_write() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let exporter = SoftExporter::placed(&machine, "frame", SIZE, Placement::scattered(PAGE))
        .user_mappings(Coherency::FaultTracked);
    let buffer = export(&exporter);
    let storage = exporter.storage().unwrap();
    let area = UserArea {
        first_page: 0,
        page_count: 4,
        access: ReadWrite,
        backend: Box::new(Nowhere),
    };
    let user = buffer.map_user(area).unwrap();
    user.fault(1, FaultKind::Write).unwrap();
    machine.cpu_write(&storage, PAGE, &[3; 64]).unwrap();
    let attachment = buffer
        .attach(&camera.device().using_all().unwrap(), ReadWrite, &patiently())
        .unwrap();
    let mapping = attachment.map(FromDevice, &patiently()).unwrap();
    fill(&camera, mapping.table(), PAGE + 64..PAGE + 128, 4);
    drop(mapping);
    user.fault(1, FaultKind::Read).unwrap();
    let mut seen = [0; 128];
    machine.cpu_read(&storage, PAGE, &mut seen).unwrap();
    assert_eq!(seen, *[[3; 64], [4; 64]].concat());
    machine.assert_clean();
}
