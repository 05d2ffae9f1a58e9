//! Every way to forget a bracket, and what the machine says about it.

use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::dma::{Coherency, DmaLimits};
use wharf_testkit::soft::{Bracket, Cause, Finding, Party, SoftDevice, StaleRead, checksum};

use crate::support::{PAGE, cpu_read, device, fill, frame, machine, map, sum, unmap, words};

const ZEROS: [u8; 64] = [0; 64];

#[test]
fn right_brackets_show_everything_to_everybody() {
    let machine = machine();
    let (camera, encoder) = (device(&machine, "camera"), device(&machine, "encoder"));
    let storage = frame(&machine);
    for round in 1..4_u8 {
        let table = map(&camera, &storage, FromDevice);
        fill(&camera, &table, 0..2 * PAGE, round);
        unmap(&camera, &table, FromDevice);
        machine.begin_cpu_access(&storage, 0..2 * PAGE, Bidirectional);
        assert_eq!(cpu_read(&machine, &storage, 0, 8192), [round; 8192]);
        machine.cpu_write(&storage, 0, &[round + 100; 10]).unwrap();
        machine.end_cpu_access(&storage, 0..2 * PAGE, Bidirectional);
        let table = map(&encoder, &storage, ToDevice);
        assert_eq!(
            sum(&encoder, &table, 0..64),
            checksum(&[[round + 100; 10].as_slice(), &[round; 54]].concat())
        );
        unmap(&encoder, &table, ToDevice);
    }
    machine.assert_clean();
}

#[test]
fn cpu_write_without_bracket_stays_in_its_cache() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&encoder, &storage, ToDevice);
    machine.cpu_write(&storage, PAGE - 4, &[1; 8]).unwrap();
    assert_eq!(sum(&encoder, &table, PAGE - 64..PAGE), checksum(&ZEROS));
    let stale = StaleRead {
        buffer: "frame".into(),
        bytes: PAGE - 4..PAGE,
        reader: Party::Device("encoder".into()),
        writer: Party::Cpu,
        cause: Cause::Missing(Bracket::EndCpuAccess),
    };
    assert_eq!(machine.take_findings(), [Finding::Stale(stale)]);
}

#[test]
fn bracket_that_has_not_ended_does_not_help() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&encoder, &storage, ToDevice);
    machine.begin_cpu_access(&storage, 0..PAGE, ToDevice);
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    sum(&encoder, &table, 0..64);
    let expected = "'frame', bytes 0..64: device 'encoder' read what was there before the CPU wrote: no end_cpu_access since \
                    the write";
    assert_eq!(words(&machine), [expected]);
    machine.end_cpu_access(&storage, 0..PAGE, ToDevice);
    // It has the old line now, until it is told.
    sum(&encoder, &table, 0..64);
    let expected = "'frame', bytes 0..64: device 'encoder' read what was there before the CPU wrote: no mapping for the device \
                    before the read";
    assert_eq!(words(&machine), [expected]);
    encoder.device().ops().sync_for_device(&table, 0..64, ToDevice);
    assert_eq!(sum(&encoder, &table, 0..64), checksum(&[1; 64]));
    machine.assert_clean();
}

#[test]
fn bracket_for_reading_does_not_cover_writing() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    machine.begin_cpu_access(&storage, 0..PAGE, FromDevice);
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    machine.end_cpu_access(&storage, 0..PAGE, FromDevice);
    let table = map(&encoder, &storage, FromDevice);
    sum(&encoder, &table, 0..64);
    let expected = "'frame', bytes 0..64: device 'encoder' read what was there before the CPU wrote: end_cpu_access was for \
                    FromDevice only";
    assert_eq!(words(&machine), [expected]);
}

#[test]
fn bracket_elsewhere_does_not_cover_this() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&encoder, &storage, ToDevice);
    machine.begin_cpu_access(&storage, 0..64, ToDevice);
    machine.cpu_write(&storage, 0, &[1; 128]).unwrap();
    machine.end_cpu_access(&storage, 0..64, ToDevice);
    sum(&encoder, &table, 0..128);
    let findings = machine.take_findings();
    let [Finding::Stale(stale)] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (stale.bytes.clone(), &stale.cause),
        (64..128, &Cause::Missing(Bracket::EndCpuAccess))
    );
}

#[test]
fn one_of_two_open_brackets_is_enough_if_it_is_the_right_one() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&encoder, &storage, ToDevice);
    machine.begin_cpu_access(&storage, 0..PAGE, FromDevice);
    machine.begin_cpu_access(&storage, 0..PAGE, ToDevice);
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    sum(&encoder, &table, 0..64);
    let findings = machine.take_findings();
    let [Finding::Stale(stale)] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(stale.cause, Cause::Missing(Bracket::EndCpuAccess));
}

#[test]
fn bracket_for_reading_keeps_what_the_cpu_wrote_before() {
    let machine = machine();
    let storage = frame(&machine);
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    machine.begin_cpu_access(&storage, 0..PAGE, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), [1; 64]);
    machine.assert_clean();
}

#[test]
fn mapping_for_reading_brings_along_what_the_cpu_wrote() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    let table = map(&encoder, &storage, ToDevice);
    assert_eq!(sum(&encoder, &table, 0..64), checksum(&[1; 64]));
    machine.assert_clean();
}

#[test]
fn sync_of_a_part_of_a_line_keeps_the_rest() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    machine.cpu_write(&storage, 32, &[1; 32]).unwrap();
    camera.device().ops().sync_for_cpu(&table, 0..32, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 32, 32), [1; 32]);
    machine.assert_clean();
}

#[test]
fn mappings_of_one_device_do_not_spoil_each_other() {
    let machine = machine();
    let (blitter, storage) = (device(&machine, "blitter"), frame(&machine));
    let from = map(&blitter, &storage, FromDevice);
    fill(&blitter, &from, 0..64, 5);
    let to = map(&blitter, &storage, ToDevice);
    assert_eq!(sum(&blitter, &to, 0..64), checksum(&[5; 64]));
    // Both tables are the same: which mapping ends is told by the direction.
    fill(&blitter, &from, 64..128, 6);
    unmap(&blitter, &to, ToDevice);
    fill(&blitter, &from, 128..192, 7);
    unmap(&blitter, &from, FromDevice);
    assert_eq!(
        cpu_read(&machine, &storage, 0, 192),
        [[5; 64], [6; 64], [7; 64]].concat()
    );
    machine.assert_clean();
}

#[test]
fn device_write_stays_in_its_cache_while_it_is_mapped() {
    let machine = machine();
    let (camera, encoder) = (device(&machine, "camera"), device(&machine, "encoder"));
    let storage = frame(&machine);
    let (from, to) = (
        map(&camera, &storage, FromDevice),
        map(&encoder, &storage, ToDevice),
    );
    fill(&camera, &from, 0..64, 5);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    assert_eq!(sum(&encoder, &to, 0..64), checksum(&ZEROS));
    let expected = |reader: &str| {
        format!(
            "'frame', bytes 0..64: {reader} read what was there before device 'camera' wrote: no unmapping from the device or \
             begin_cpu_access since the write"
        )
    };
    assert_eq!(
        words(&machine),
        [expected("the CPU"), expected("device 'encoder'")]
    );
}

#[test]
fn cpu_keeps_what_it_read_before() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    machine.speculate(&storage, 0..PAGE);
    fill(&camera, &table, 0..64, 5);
    // The device's side only, as if the CPU were to write.
    camera.device().ops().sync_for_cpu(&table, 0..PAGE, ToDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    let read = "'frame', bytes 0..64: the CPU read what was there before device 'camera' wrote";
    assert_eq!(
        words(&machine),
        [format!("{read}: no begin_cpu_access before the read")]
    );
    machine.begin_cpu_access(&storage, 0..PAGE, ToDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    assert_eq!(
        words(&machine),
        [format!("{read}: begin_cpu_access was for ToDevice only")]
    );
    machine.end_cpu_access(&storage, 0..PAGE, ToDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    assert_eq!(
        words(&machine),
        [format!("{read}: no begin_cpu_access before the read")]
    );
    machine.begin_cpu_access(&storage, 0..PAGE, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), [5; 64]);
    machine.assert_clean();
}

#[test]
fn speculation_before_the_unmap_does_no_harm() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    machine.speculate(&storage, 0..2 * PAGE);
    fill(&camera, &table, 0..2 * PAGE, 5);
    unmap(&camera, &table, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 8192), [5; 8192]);
    machine.assert_clean();
}

#[test]
fn device_keeps_what_it_read_before() {
    let machine = machine();
    let (camera, encoder) = (device(&machine, "camera"), device(&machine, "encoder"));
    let storage = frame(&machine);
    let to = map(&encoder, &storage, ToDevice);
    sum(&encoder, &to, 0..64);
    let from = map(&camera, &storage, FromDevice);
    fill(&camera, &from, 0..64, 5);
    unmap(&camera, &from, FromDevice);
    assert_eq!(sum(&encoder, &to, 0..64), checksum(&ZEROS));
    let expected = "'frame', bytes 0..64: device 'encoder' read what was there before device 'camera' wrote: no mapping for the \
                    device before the read";
    assert_eq!(words(&machine), [expected]);
    unmap(&encoder, &to, ToDevice);
    let to = map(&encoder, &storage, ToDevice);
    assert_eq!(sum(&encoder, &to, 0..64), checksum(&[5; 64]));
    machine.assert_clean();
}

#[test]
fn device_write_through_a_mapping_for_reading_goes_nowhere() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, ToDevice);
    fill(&camera, &table, 0..64, 5);
    camera.device().ops().sync_for_cpu(&table, 0..64, Bidirectional);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    unmap(&camera, &table, ToDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    let expected = "'frame', bytes 0..64: the CPU read what was there before device 'camera' wrote: unmapping from the device or \
                    begin_cpu_access was for ToDevice only";
    assert_eq!(words(&machine), [expected]);
}

#[test]
fn cpu_write_that_was_not_ended_is_thrown_away_when_the_device_takes_over() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    let table = map(&camera, &storage, FromDevice);
    fill(&camera, &table, 64..128, 5);
    unmap(&camera, &table, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), ZEROS);
    let expected = "'frame', bytes 0..64: the CPU read what was there before the CPU wrote: mapping for device 'camera' for \
                    FromDevice threw it away";
    assert_eq!(words(&machine), [expected]);
}

#[test]
fn write_that_nobody_reads_is_nobody_s_loss() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    let table = map(&camera, &storage, FromDevice);
    fill(&camera, &table, 0..64, 5);
    unmap(&camera, &table, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), [5; 64]);
    machine.assert_clean();
}

#[test]
fn two_who_write_to_one_line_lose_something() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    machine.begin_cpu_access(&storage, 0..32, ToDevice);
    machine.cpu_write(&storage, 0, &[1; 32]).unwrap();
    fill(&camera, &table, 32..64, 5);
    camera.device().ops().sync_for_cpu(&table, 32..64, ToDevice);
    machine.end_cpu_access(&storage, 0..32, ToDevice);
    machine.begin_cpu_access(&storage, 0..64, FromDevice);
    assert_eq!(cpu_read(&machine, &storage, 0, 64), [[1; 32], [0; 32]].concat());
    let expected = "'frame', bytes 32..64: the CPU read what was there before device 'camera' wrote: end_cpu_access wrote older \
                    bytes over it";
    assert_eq!(words(&machine), [expected]);
}

#[test]
fn device_that_snoops_needs_no_brackets() {
    let machine = machine();
    let snooping = DmaLimits::builder().coherency(Coherency::Snoops).build().unwrap();
    for limits in [snooping, DmaLimits::unconstrained()] {
        let gpu = SoftDevice::new(&machine, "gpu", limits).unwrap();
        let storage = frame(&machine);
        let table = map(&gpu, &storage, Bidirectional);
        machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
        assert_eq!(sum(&gpu, &table, 0..64), checksum(&[1; 64]));
        fill(&gpu, &table, 10..20, 5);
        assert_eq!(
            cpu_read(&machine, &storage, 0, 30),
            [[1; 10], [5; 10], [1; 10]].concat()
        );
        unmap(&gpu, &table, Bidirectional);
        assert_eq!(cpu_read(&machine, &storage, 10, 10), [5; 10]);
    }
    machine.assert_clean();
}

#[test]
fn snooping_device_does_not_see_the_cache_of_another_device() {
    let machine = machine();
    let gpu = SoftDevice::new(&machine, "gpu", DmaLimits::unconstrained()).unwrap();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let (from, both) = (
        map(&camera, &storage, FromDevice),
        map(&gpu, &storage, Bidirectional),
    );
    fill(&camera, &from, 0..64, 5);
    sum(&gpu, &both, 0..64);
    assert_eq!(machine.take_findings().len(), 1);
    unmap(&camera, &from, FromDevice);
    assert_eq!(sum(&gpu, &both, 0..64), checksum(&[5; 64]));
    machine.assert_clean();
}

#[test]
fn same_mistake_is_told_once() {
    let machine = machine();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&encoder, &storage, ToDevice);
    machine.cpu_write(&storage, 0, &[1; 64]).unwrap();
    for _ in 0..3 {
        sum(&encoder, &table, 0..64);
    }
    assert_eq!(machine.findings().len(), 1);
    assert_eq!(machine.take_findings().len(), 1);
    assert_eq!(machine.take_findings(), []);
}

#[test]
#[should_panic(expected = "the CPU read what was there before device 'camera' wrote")]
fn assertion_shows_the_findings() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    fill(&camera, &table, 0..64, 5);
    cpu_read(&machine, &storage, 0, 1);
    machine.assert_clean();
}

#[test]
fn snooping_device_that_writes_into_the_cpu_s_line_leaves_it_dirty() {
    let machine = machine();
    let gpu = SoftDevice::new(&machine, "gpu", DmaLimits::unconstrained()).unwrap();
    let (encoder, storage) = (device(&machine, "encoder"), frame(&machine));
    let table = map(&gpu, &storage, Bidirectional);
    machine.cpu_write(&storage, 0, &[1; 32]).unwrap();
    fill(&gpu, &table, 32..64, 5);
    let table = map(&encoder, &storage, ToDevice);
    assert_eq!(
        sum(&encoder, &table, 0..64),
        checksum(&[[1; 32], [5; 32]].concat())
    );
    machine.assert_clean();
}

#[test]
fn brackets_end_with_the_memory() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let storage = frame(&machine);
    machine.begin_cpu_access(&storage, 0..PAGE, ToDevice);
    machine.free(&storage);
    let again = frame(&machine);
    assert_eq!(again, storage);
    let table = map(&camera, &again, FromDevice);
    machine.speculate(&again, 0..PAGE);
    fill(&camera, &table, 0..64, 5);
    camera.device().ops().sync_for_cpu(&table, 0..PAGE, ToDevice);
    cpu_read(&machine, &again, 0, 64);
    let findings = machine.take_findings();
    let [Finding::Stale(stale)] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(stale.cause, Cause::Missing(Bracket::BeginCpuAccess));
}
