use wharf_core::Errno;
use wharf_core::dma::{self, DmaLimits};
use wharf_testkit::soft::{Placement, SoftMachine};

use crate::support::{PAGE, cpu_read, machine};

#[test]
fn contiguous_memory_is_one_run_where_asked_for() {
    let machine = SoftMachine::new([0x1000..=0xf_ffff, 0x100_0000..=0x1ff_ffff]);
    let first = machine.allocate("a", 4 * PAGE, &Placement::contiguous()).unwrap();
    assert!(first.is_contiguous());
    assert_eq!(first.runs()[0].address, 0x1000);
    let high = Placement::contiguous()
        .within([0x180_0000..=u64::MAX])
        .aligned(0x8_0000);
    let second = machine.allocate("b", 4 * PAGE, &high).unwrap();
    assert_eq!(second.runs()[0].address, 0x180_0000);
    let third = machine.allocate("c", 4 * PAGE, &high).unwrap();
    assert_eq!(third.runs()[0].address, 0x188_0000);
}

#[test]
fn scattered_memory_has_gaps_and_aligned_chunks() {
    let storage = machine()
        .allocate("a", 10 * PAGE, &Placement::scattered(4 * PAGE))
        .unwrap();
    let lengths: Vec<u64> = storage.runs().iter().map(|run| run.length_bytes / PAGE).collect();
    assert_eq!(lengths, [4, 4, 2]);
    assert!(
        storage
            .runs()
            .iter()
            .all(|run| run.address.is_multiple_of(4 * PAGE))
    );
}

#[test]
fn memory_runs_out_and_comes_back() {
    let machine = SoftMachine::new([0..=4 * PAGE - 1]);
    let all = machine
        .allocate("all", 4 * PAGE, &Placement::contiguous())
        .unwrap();
    assert_eq!(machine.allocated_bytes(), 4 * PAGE);
    let error = machine
        .allocate("more", PAGE, &Placement::contiguous())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::ENOMEM);
    machine.free(&all);
    assert_eq!(machine.allocated_bytes(), 0);
    assert!(machine.allocate("more", PAGE, &Placement::contiguous()).is_ok());
}

#[test]
fn memory_is_zero_even_if_it_was_somebody_s() {
    let machine = SoftMachine::new([0..=PAGE - 1]);
    for _ in 0..3 {
        let storage = machine.allocate("a", PAGE, &Placement::contiguous()).unwrap();
        assert_eq!(cpu_read(&machine, &storage, 0, 4096), [0; 4096]);
        machine.cpu_write(&storage, 0, &[9; 4096]).unwrap();
        machine.free(&storage);
    }
    machine.assert_clean();
}

#[test]
fn cpu_reads_back_what_it_wrote_across_runs() {
    let machine = machine();
    let storage = machine
        .allocate("a", 3 * PAGE, &Placement::scattered(PAGE))
        .unwrap();
    let bytes: Vec<u8> = (0..3 * PAGE).map(|byte| (byte % 251) as u8).collect();
    machine.cpu_write(&storage, 0, &bytes).unwrap();
    assert_eq!(cpu_read(&machine, &storage, 0, 3 * 4096), bytes);
    assert_eq!(cpu_read(&machine, &storage, 4090, 12), bytes[4090..4102]);
    machine.assert_clean();
}

#[test]
fn cpu_cannot_leave_the_memory_or_use_it_when_it_is_gone() {
    let machine = machine();
    let storage = machine.allocate("a", PAGE, &Placement::contiguous()).unwrap();
    let errno = |offset, len| {
        machine
            .cpu_read(&storage, offset, &mut vec![0; len])
            .map_err(|refusal| refusal.errno)
    };
    assert_eq!(errno(4095, 1), Ok(()));
    assert_eq!(errno(4095, 2), Err(Errno::EINVAL));
    assert_eq!(errno(u64::MAX, 1), Err(Errno::EINVAL));
    machine.free(&storage);
    assert_eq!(errno(0, 1), Err(Errno::EIO));
    assert_eq!(
        machine
            .cpu_write(&storage, 0, &[1])
            .map_err(|refusal| refusal.errno),
        Err(Errno::EIO)
    );
}

#[test]
fn memory_for_everybody_suits_everybody() {
    let camera = DmaLimits::builder()
        .max_segments(4)
        .base_align_bytes(0x8000)
        .build()
        .unwrap();
    let display = DmaLimits::builder()
        .address_mask(0xfff_ffff)
        .length_granule_bytes(0x2000)
        .build()
        .unwrap();
    let needs = dma::collate([("camera", &camera), ("display", &display)], 0x1_2000).unwrap();
    let storage = machine().allocate_for("frame", &needs).unwrap();
    assert_eq!(needs.allows(&storage), Ok(()));
    assert_eq!(storage.runs().len(), 3);
}
