//! Random programs on a soft machine, against one array of bytes that everybody sees.

use wharf_core::DataDirection::{self, Bidirectional, FromDevice, ToDevice};
use wharf_core::SgTable;
use wharf_core::dma::{DmaLimits, Storage};
use wharf_testkit::Rng;
use wharf_testkit::soft::{Placement, SoftDevice, SoftMachine, checksum};

use crate::support::{apart, fill, map, sum, unmap};

const SIZE: u64 = 4096;
const DIRECTIONS: [DataDirection; 3] = [Bidirectional, ToDevice, FromDevice];

struct World {
    rng: Rng,
    machine: SoftMachine,
    storage: Storage,
    devices: Vec<SoftDevice>,
    mapped: Vec<Option<(SgTable, DataDirection)>>,
    /// What a machine without caches would have.
    model: Vec<u8>,
    /// Reads that did not return what the model has.
    wrong: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let machine = SoftMachine::new([0..=0xffff_ffff]);
        let storage = machine.allocate("frame", SIZE, &Placement::contiguous()).unwrap();
        let limits = [apart(), apart(), DmaLimits::unconstrained()];
        let label = ["camera", "encoder", "gpu"];
        let devices = limits.into_iter().zip(label);
        let devices: Vec<_> = devices
            .map(|(limits, label)| SoftDevice::new(&machine, label, limits).unwrap())
            .collect();
        Self {
            rng: Rng::new(seed),
            mapped: vec![None; devices.len()],
            model: vec![0; usize::try_from(SIZE).unwrap()],
            wrong: 0,
            machine,
            storage,
            devices,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap()
    }

    /// A few bytes near the beginning, so that the same ones come again.
    fn range(&mut self) -> std::ops::Range<usize> {
        let start = self.below(300);
        start..start + 1 + self.below(200)
    }

    fn cpu_write(&mut self) {
        let (range, value) = (self.range(), self.below(256) as u8);
        let bytes = vec![value; range.len()];
        self.machine
            .cpu_write(&self.storage, range.start as u64, &bytes)
            .unwrap();
        self.model[range].fill(value);
    }

    fn cpu_read(&mut self) {
        let range = self.range();
        let mut seen = vec![0; range.len()];
        self.machine
            .cpu_read(&self.storage, range.start as u64, &mut seen)
            .unwrap();
        self.wrong += usize::from(seen != self.model[range]);
    }

    fn device_write(&mut self, number: usize, table: &SgTable) {
        let (range, value) = (self.range(), self.below(256) as u8);
        fill(
            &self.devices[number],
            table,
            range.start as u64..range.end as u64,
            value,
        );
        self.model[range].fill(value);
    }

    fn device_read(&mut self, number: usize, table: &SgTable) {
        let range = self.range();
        let seen = sum(&self.devices[number], table, range.start as u64..range.end as u64);
        self.wrong += usize::from(seen != checksum(&self.model[range]));
    }

    /// One turn of somebody who does everything right.
    fn disciplined_turn(&mut self) {
        let direction = DIRECTIONS[self.below(3)];
        let turns = 1 + self.below(3);
        let number = self.below(4);
        let Some(device) = self.devices.get(number) else {
            self.machine.begin_cpu_access(&self.storage, 0..SIZE, direction);
            for _ in 0..turns {
                if direction == FromDevice || (direction == Bidirectional && self.below(2) == 0) {
                    self.cpu_read();
                } else {
                    self.cpu_write();
                }
            }
            self.machine.end_cpu_access(&self.storage, 0..SIZE, direction);
            return;
        };
        let table = map(device, &self.storage, direction);
        for _ in 0..turns {
            if direction == ToDevice || (direction == Bidirectional && self.below(2) == 0) {
                self.device_read(number, &table);
            } else {
                self.device_write(number, &table);
            }
        }
        unmap(&self.devices[number], &table, direction);
    }

    /// Anything at all.
    fn wild_step(&mut self) {
        let direction = DIRECTIONS[self.below(3)];
        let range = self.range();
        let range = range.start as u64..range.end as u64;
        let number = self.below(self.devices.len());
        match (self.below(9), self.mapped[number].clone()) {
            (0, _) => self.cpu_write(),
            (1, _) => self.cpu_read(),
            (2, _) => self.machine.begin_cpu_access(&self.storage, range, direction),
            (3, _) => self.machine.end_cpu_access(&self.storage, range, direction),
            (4, _) => self.machine.speculate(&self.storage, range),
            (5, Some((table, _))) => self.device_write(number, &table),
            (6, Some((table, _))) => self.device_read(number, &table),
            (7, Some((table, _))) => {
                let ops = self.devices[number].device().ops();
                ops.sync_for_cpu(&table, range.clone(), direction);
                ops.sync_for_device(&table, range, direction);
            }
            (_, Some((table, direction))) => {
                unmap(&self.devices[number], &table, direction);
                self.mapped[number] = None;
            }
            (_, None) => {
                let table = map(&self.devices[number], &self.storage, direction);
                self.mapped[number] = Some((table, direction));
            }
        }
    }
}

#[test]
fn disciplined_programs_see_everything_and_nothing_is_found() {
    let mut seeds = Rng::from_env("disciplined programs");
    for _ in 0..40 {
        let mut world = World::new(seeds.next_u64());
        for _ in 0..40 {
            world.disciplined_turn();
        }
        world.machine.assert_clean();
        assert_eq!(world.wrong, 0);
    }
}

#[test]
fn wild_programs_never_see_anything_wrong_that_is_not_found() {
    let mut seeds = Rng::from_env("wild programs");
    let (mut found, mut wrong) = (0, 0);
    for _ in 0..60 {
        let mut world = World::new(seeds.next_u64());
        for step in 0..120 {
            world.wild_step();
            let findings = world.machine.take_findings().len();
            assert!(
                findings > 0 || world.wrong == 0,
                "step {step}: wrong bytes that were not found"
            );
            found += findings;
            wrong += world.wrong;
            world.wrong = 0;
        }
    }
    assert!(
        wrong > 0 && found >= wrong,
        "{wrong} wrong reads, {found} findings"
    );
}
