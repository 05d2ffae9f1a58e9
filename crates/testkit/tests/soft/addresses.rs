//! What devices reach, directly and through an IOMMU.

use wharf_core::DataDirection::{self, Bidirectional, FromDevice, ToDevice};
use wharf_core::dma::{self, DmaLimits, DmaLimitsBuilder, SgSegment, SgTable, Translation, Window};
use wharf_core::{Errno, FenceStatus};
use wharf_testkit::Rng;
use wharf_testkit::soft::{FaultReason, Job, Placement, SoftDevice, SoftMachine, Span, checksum};

use crate::support::{PAGE, done, fill, machine, map, patiently, sum, unmap};

fn iommu(last: u64, coalesce: bool) -> Translation {
    let aperture = Window {
        first: 0x10_0000,
        last,
    };
    Translation::Iommu {
        aperture,
        page_bytes: 4096,
        coalesce,
    }
}

/// An IOMMU whose first address is a multiple of nothing.
fn unaligned_iommu(coalesce: bool) -> Translation {
    let aperture = Window {
        first: 0x10_1000,
        last: 0x1ff_ffff,
    };
    Translation::Iommu {
        aperture,
        page_bytes: 4096,
        coalesce,
    }
}

fn translated(machine: &SoftMachine, set: impl FnOnce(DmaLimitsBuilder) -> DmaLimitsBuilder) -> SoftDevice {
    let limits = set(DmaLimits::builder().translation(iommu(0x7f_ffff, true)))
        .build()
        .unwrap();
    SoftDevice::new(machine, "gpu", limits).unwrap()
}

/// Why a job failed.
fn fault(device: &SoftDevice, job: Job) -> FaultReason {
    let job = device.submit(job);
    job.fence().wait(&patiently()).unwrap();
    assert_eq!(job.fence().status(), FenceStatus::Failed(Errno::EIO));
    job.outcome().unwrap().unwrap_err().reason
}

fn all(table: &SgTable, value: u8) -> Job {
    Job::Fill {
        to: Span::all(table),
        value,
    }
}

#[test]
fn scattered_memory_is_one_segment_behind_an_iommu_that_joins() {
    let machine = machine();
    let gpu = translated(&machine, DmaLimitsBuilder::contiguous);
    let storage = machine
        .allocate("frame", 8 * PAGE, &Placement::scattered(PAGE))
        .unwrap();
    assert_eq!(storage.runs().len(), 8);
    let table = map(&gpu, &storage, Bidirectional);
    assert_eq!(
        table.segments(),
        [SgSegment {
            address: 0x10_0000,
            length_bytes: 8 * PAGE
        }]
    );
    fill(&gpu, &table, 3 * PAGE - 1..3 * PAGE + 1, 7);
    let mut seen = [0; 4];
    machine.cpu_read(&storage, 3 * PAGE - 2, &mut seen).unwrap();
    assert_eq!(seen, [0, 7, 7, 0]);
}

#[test]
fn iommu_that_does_not_join_keeps_runs_apart() {
    let machine = machine();
    let limits = DmaLimits::builder()
        .translation(iommu(0x7f_ffff, false))
        .build()
        .unwrap();
    let gpu = SoftDevice::new(&machine, "gpu", limits).unwrap();
    let storage = machine
        .allocate("frame", 4 * PAGE, &Placement::scattered(PAGE))
        .unwrap();
    assert_eq!(map(&gpu, &storage, ToDevice).segments().len(), 4);
}

#[test]
fn what_is_behind_the_end_of_a_mapping_is_not_mapped() {
    let machine = machine();
    let gpu = translated(&machine, |limits| limits);
    let storages = [0, 1].map(|_| machine.allocate("frame", PAGE, &Placement::contiguous()).unwrap());
    let tables = storages
        .each_ref()
        .map(|storage| map(&gpu, storage, Bidirectional));
    for table in &tables {
        let SgSegment {
            address,
            length_bytes,
        } = table.segments()[0];
        let over = SgTable::new([SgSegment {
            address,
            length_bytes: length_bytes + 1,
        }]);
        assert_eq!(fault(&gpu, all(&over, 1)), FaultReason::NotMapped);
        let under = SgTable::new([SgSegment {
            address: address - 1,
            length_bytes,
        }]);
        assert_eq!(fault(&gpu, all(&under, 1)), FaultReason::NotMapped);
    }
}

#[test]
fn iommu_watches_the_direction() {
    let machine = machine();
    let gpu = translated(&machine, |limits| limits);
    let storage = machine.allocate("frame", PAGE, &Placement::contiguous()).unwrap();
    let table = map(&gpu, &storage, ToDevice);
    assert_eq!(fault(&gpu, all(&table, 1)), FaultReason::Direction(ToDevice));
    unmap(&gpu, &table, ToDevice);
    let table = map(&gpu, &storage, FromDevice);
    assert_eq!(
        fault(
            &gpu,
            Job::Checksum {
                of: Span::all(&table)
            }
        ),
        FaultReason::Direction(FromDevice)
    );
    assert_eq!(
        machine.take_findings()[1].to_string(),
        format!(
            "device 'gpu' cannot read {:#x}: it is mapped for FromDevice only",
            table.segments()[0].address
        )
    );
}

#[test]
fn addresses_of_ended_mappings_are_not_used_again_at_once() {
    let machine = machine();
    let gpu = translated(&machine, |limits| limits);
    let storage = machine.allocate("frame", PAGE, &Placement::contiguous()).unwrap();
    let old = map(&gpu, &storage, Bidirectional);
    unmap(&gpu, &old, Bidirectional);
    let new = map(&gpu, &storage, Bidirectional);
    assert_ne!(old, new);
    assert_eq!(fault(&gpu, all(&old, 1)), FaultReason::NotMapped);
    done(&gpu.submit(all(&new, 1)));
}

#[test]
fn addresses_run_out_and_come_back() {
    let machine = machine();
    let limits = DmaLimits::builder()
        .translation(iommu(0x10_7fff, true))
        .build()
        .unwrap();
    let gpu = SoftDevice::new(&machine, "gpu", limits.clone()).unwrap();
    let storage = machine
        .allocate("frame", 4 * PAGE, &Placement::contiguous())
        .unwrap();
    let ops = gpu.device().ops();
    for _ in 0..10 {
        let table = map(&gpu, &storage, ToDevice);
        let refusal = ops.map(&storage, &limits, ToDevice).unwrap_err();
        assert_eq!(refusal.errno, Errno::ENOMEM);
        assert_eq!(sum(&gpu, &table, 0..PAGE), checksum(&[0; 4096]));
        unmap(&gpu, &table, ToDevice);
    }
}

#[test]
fn there_is_a_gap_before_a_mapping_too() {
    let machine = machine();
    let limits = DmaLimits::builder()
        .translation(iommu(0x10_7fff, true))
        .build()
        .unwrap();
    let gpu = SoftDevice::new(&machine, "gpu", limits.clone()).unwrap();
    let allocate = |pages| {
        machine
            .allocate("frame", pages * PAGE, &Placement::contiguous())
            .unwrap()
    };
    let (two, three) = (allocate(2), allocate(3));
    let (first, second) = (map(&gpu, &two, ToDevice), map(&gpu, &two, ToDevice));
    assert_eq!(second.segments()[0].address, 0x10_3000);
    unmap(&gpu, &first, ToDevice);
    let refusal = gpu.device().ops().map(&three, &limits, ToDevice).unwrap_err();
    assert_eq!(refusal.errno, Errno::ENOMEM);
}

#[test]
fn direct_addresses_are_moved_by_the_offset() {
    let machine = machine();
    let limits = DmaLimits::builder()
        .windows([0xc000_0000..=0xffff_ffff])
        .translation(Translation::Direct {
            offset_bytes: 0xc000_0000,
        })
        .build()
        .unwrap();
    let display = SoftDevice::new(&machine, "display", limits.clone()).unwrap();
    let low = machine.allocate("frame", PAGE, &Placement::contiguous()).unwrap();
    let table = map(&display, &low, ToDevice);
    assert_eq!(table.segments()[0].address, 0xc000_0000 + low.runs()[0].address);
    assert_eq!(sum(&display, &table, 0..PAGE), checksum(&[0; 4096]));
    let high = Placement::contiguous().within([0x4000_0000..=0x7fff_ffff]);
    let high = machine.allocate("frame", PAGE, &high).unwrap();
    let refusal = display.device().ops().map(&high, &limits, ToDevice).unwrap_err();
    assert_eq!(refusal.errno, Errno::EBUSY);
}

/// Limits of all kinds; `None` if they are impossible.
fn random_limits(rng: &mut Rng) -> Option<DmaLimits> {
    let mut limits = DmaLimits::builder();
    let sometimes = |rng: &mut Rng| rng.below(3) == 0;
    if sometimes(rng) {
        limits = limits.address_mask((1 << (22 + rng.below(10))) - 1);
    }
    match rng.below(4) {
        0 => {
            limits = limits.translation(Translation::Direct {
                offset_bytes: 0x1_0000,
            })
        }
        1 => limits = limits.translation(unaligned_iommu(true)),
        2 => limits = limits.translation(unaligned_iommu(false)),
        _ => {}
    }
    if sometimes(rng) {
        limits = limits.max_segments(u32::try_from(1 + rng.below(12)).unwrap());
    }
    if sometimes(rng) {
        limits = limits.max_segment_bytes(PAGE + rng.below(10 * PAGE));
    }
    if sometimes(rng) {
        limits = limits.boundary_mask((1 << (13 + rng.below(6))) - 1);
    }
    if sometimes(rng) {
        limits = limits.base_align_bytes(1 << rng.below(16));
    }
    if sometimes(rng) {
        limits = limits.segment_align_bytes(1 << (10 + rng.below(5)));
    }
    if sometimes(rng) {
        limits = limits.length_granule_bytes(1 << (10 + rng.below(5)));
    }
    limits.build().ok()
}

#[test]
fn what_suits_everybody_can_be_mapped_by_everybody() {
    let mut rng = Rng::from_env("soft devices with random limits");
    let (mut mapped, mut conflicts) = (0, 0);
    while mapped < 300 {
        let all: Vec<DmaLimits> = (0..1 + rng.below(3))
            .filter_map(|_| random_limits(&mut rng))
            .collect();
        let machine = machine();
        let size_bytes = PAGE * (1 + rng.below(24));
        let Ok(needs) = dma::collate(all.iter().map(|limits| ("device", limits)), size_bytes) else {
            conflicts += 1;
            continue;
        };
        let Ok(storage) = machine.allocate_for("frame", &needs) else {
            continue;
        };
        if needs.allows(&storage).is_err() {
            // Chunks of a power of two are not enough for everybody, and one run was not either.
            assert_eq!(needs.min_chunk_bytes(), None, "{needs}");
            continue;
        }
        for limits in &all {
            let direction = [ToDevice, FromDevice, Bidirectional][usize::try_from(rng.below(3)).unwrap()];
            check_mapping(&machine, limits, &storage, direction);
            mapped += 1;
        }
    }
    assert!(conflicts > 0, "nothing was impossible");
}

fn check_mapping(
    machine: &SoftMachine,
    limits: &DmaLimits,
    storage: &dma::Storage,
    direction: DataDirection,
) {
    let device = SoftDevice::new(machine, "device", limits.clone()).unwrap();
    let table = map(&device, storage, direction);
    assert_eq!(
        limits.check_table(&table, storage.size_bytes()),
        Ok(()),
        "{limits:?} {storage:?}"
    );
    if direction != FromDevice {
        let zeros = vec![0; usize::try_from(storage.size_bytes()).unwrap()];
        assert_eq!(sum(&device, &table, 0..storage.size_bytes()), checksum(&zeros));
    }
    unmap(&device, &table, direction);
}
