//! Mapping for a device takes pages away from users. Contract: C2.

use std::error::Error;
use std::sync::Arc;

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::{Bidirectional, ToDevice};
use wharf_core::dma::{DeviceUse, PhysicalRun};
use wharf_core::{
    Coherency, Device, DmaBuf, DmaExporter, DmaLimits, Errno, ExportInfo, Exporter, Importer, MapOps,
    MapRequest, MismatchPolicy, Notice, PAGE_BYTES, Refusal, SgTable, StaticExporter, Storage,
    UserMappingExporter, Wait,
};

use crate::machine::{Act, Call, Kind, Machine, Place};

type TestResult = Result<(), Box<dyn Error>>;

/// The machine, with devices beside its CPU.
struct Board {
    machine: Machine,
    storage: Storage,
}

impl Exporter for Board {
    fn name(&self) -> &str {
        "board"
    }

    fn map_ops(&self) -> MapOps<'_> {
        MapOps::Static(self)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(&self.machine)
    }
}

impl DmaExporter for Board {}

impl StaticExporter for Board {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.machine.state().calls.push(Call::MapForDevice);
        request.attachment.map(&self.storage, request.direction)
    }

    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
        request.attachment.unmap(table, request.direction);
    }
}

struct Told;

impl Importer for Told {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn board(mismatch: MismatchPolicy) -> Result<(Machine, DmaBuf, DeviceUse), Box<dyn Error>> {
    let machine = Machine::new(Kind::of(Coherency::FaultTracked), 2);
    let run = PhysicalRun {
        address: 0x10_0000,
        length_bytes: 2 * PAGE_BYTES,
    };
    let board = Board {
        machine: machine.clone(),
        storage: Storage::new([run])?,
    };
    let size_bytes = 2 * PAGE_BYTES;
    let buffer = DmaBuf::export(ExportInfo {
        mismatch,
        ..ExportInfo::new(board, size_bytes)
    })?;
    let limits = DmaLimits::builder().build()?;
    let device = Device::new("engine", limits)?.using_all()?;
    Ok((machine, buffer, device))
}

#[test]
fn a_mapping_is_made_after_pages_are_removed_and_flushed() -> TestResult {
    let (machine, buffer, device) = board(MismatchPolicy::MapAtAttach)?;
    let mapping = machine.map(&buffer, 0, 2)?;
    machine.write(&mapping, 0, 1, 7)?;
    let engine = buffer.attach(&device, ReadWrite, &Wait::forever())?;
    machine.take_calls();
    let mapped = engine.map(ToDevice, &Wait::forever())?;
    assert!(matches!(
        machine.take_calls()[..],
        [Call::Remove(..), Call::Flush(_), Call::MapForDevice]
    ));
    assert_eq!(machine.state().memory, [0, 7]);
    machine.state().memory[1] = 8;
    mapped.unmap(&Wait::forever())?;
    assert_eq!(machine.read(&mapping, 0, 1)?, 8);
    Ok(())
}

#[test]
fn a_mapping_that_is_kept_takes_over_each_time_it_is_given_out() -> TestResult {
    let (machine, buffer, device) = board(MismatchPolicy::MapAtAttach)?;
    let mapping = machine.map(&buffer, 0, 2)?;
    let engine = buffer.attach_dynamic(&device, ReadWrite, Arc::new(Told), &Wait::forever())?;
    for value in [7, 8] {
        machine.write(&mapping, 0, 0, value)?;
        machine.take_calls();
        let mapped = engine.map_unlocked(Bidirectional, &Wait::forever())?;
        assert!(
            matches!(machine.take_calls()[..], [Call::Remove(..), Call::Flush(_)]),
            "mapped when attached"
        );
        assert_eq!(machine.state().memory[0], value);
        mapped.unmap_unlocked(&Wait::forever())?;
    }
    Ok(())
}

#[test]
fn pages_that_stay_keep_the_device_away() -> TestResult {
    let (machine, buffer, device) = board(MismatchPolicy::MapAtAttach)?;
    let mapping = machine.map(&buffer, 0, 2)?;
    machine.write(&mapping, 0, 0, 7)?;
    let engine = buffer.attach(&device, ReadWrite, &Wait::forever())?;
    for (place, act, errno) in [
        (Place::Remove, Act::Refuse(Errno::EAGAIN), Errno::EAGAIN),
        (Place::Flush, Act::Panic, Errno::EIO),
    ] {
        machine.on(place, act);
        machine.take_calls();
        let error = engine
            .map(ToDevice, &Wait::forever())
            .map(drop)
            .expect_err("pages stay");
        assert_eq!(error.errno(), errno);
        assert!(!machine.take_calls().contains(&Call::MapForDevice));
        machine.obey(place);
    }
    engine.map(ToDevice, &Wait::forever())?.unmap(&Wait::forever())?;
    assert_eq!(machine.state().memory, [7, 0]);
    Ok(())
}
