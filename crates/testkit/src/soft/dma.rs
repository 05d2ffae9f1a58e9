//! The DMA API of soft devices: mappings, and the caches on both sides.

use std::ops::Range;

use wharf_core::dma::{DmaLimits, DmaOps, PhysicalRun, SgSegment, SgTable, Storage};
use wharf_core::{DataDirection, Refusal};

use super::finding::{DeviceAccess, DeviceFault, FaultReason, Finding};
use super::machine::{SoftMachine, length};
use super::state::{Agent, State};

/// One device of a machine, as seen by those who map for it and by its engine.
pub(super) struct SoftDma {
    machine: SoftMachine,
    number: usize,
}

impl SoftDma {
    pub(super) fn new(machine: &SoftMachine, number: usize) -> Self {
        Self {
            machine: machine.clone(),
            number,
        }
    }

    /// Reads as the device does.
    pub(super) fn read(&self, from: SgSegment, into: &mut [u8]) -> Result<(), DeviceFault> {
        let mut done = 0;
        self.access(from, DeviceAccess::Read, |state, agent, run| {
            let part = &mut into[done..done + length(run)];
            done += length(run);
            state.load(agent, run, part).is_ok()
        })
    }

    /// Writes as the device does.
    pub(super) fn write(&self, to: SgSegment, from: &[u8]) -> Result<(), DeviceFault> {
        let mut done = 0;
        self.access(to, DeviceAccess::Write, |state, agent, run| {
            let part = &from[done..done + length(run)];
            done += length(run);
            state.store(agent, run, part).is_ok()
        })
    }

    fn access(
        &self,
        at: SgSegment,
        access: DeviceAccess,
        mut each: impl FnMut(&mut State, Agent, PhysicalRun) -> bool,
    ) -> Result<(), DeviceFault> {
        let mut state = self.machine.lock();
        let mut rest = at;
        while rest.length_bytes > 0 {
            let translated = state.devices[self.number].space.translate(rest, access);
            let outcome = translated.and_then(|translated| {
                let agent = Agent::Device(self.number, translated.direction);
                let done = each(&mut state, agent, translated.run);
                done.then_some(translated.run.length_bytes)
                    .ok_or(FaultReason::Freed)
            });
            match outcome {
                Ok(length_bytes) => {
                    rest.address = rest.address.wrapping_add(length_bytes);
                    rest.length_bytes -= length_bytes;
                }
                Err(reason) => {
                    let device = state.devices[self.number].label.clone();
                    let fault = DeviceFault {
                        device,
                        address: rest.address,
                        access,
                        reason,
                    };
                    state.note(Finding::Fault(fault.clone()));
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// What the CPU wrote goes to memory if the device is to read it, and the device reads anew.
    fn for_device(&self, state: &mut State, runs: &[PhysicalRun], direction: DataDirection, how: &str) {
        if direction.cpu_writes() {
            let device = Agent::Device(self.number, direction);
            state.clean(Agent::Cpu, runs, how);
            // Another mapping of the same memory may have been written through.
            state.clean(device, runs, how);
            state.invalidate(device, runs, how);
        }
    }

    /// What the device wrote goes to memory, and the CPU reads anew if it is to read.
    fn for_cpu(&self, state: &mut State, runs: &[PhysicalRun], direction: DataDirection, how: &str) {
        state.clean(Agent::Device(self.number, direction), runs, how);
        if direction.device_writes() {
            state.invalidate(Agent::Cpu, runs, how);
        }
    }

    /// A device without a cache of its own sees the CPU's, and nothing has to be done.
    fn has_cache(&self, state: &State) -> bool {
        state.devices[self.number].cache.is_some()
    }

    fn describe(&self, state: &State, what: &str, direction: DataDirection) -> String {
        format!(
            "{what} device '{}' for {direction:?}",
            state.devices[self.number].label
        )
    }
}

impl DmaOps for SoftDma {
    fn map(
        &self,
        storage: &Storage,
        limits: &DmaLimits,
        direction: DataDirection,
    ) -> Result<SgTable, Refusal> {
        let suits = limits.check_storage(storage);
        suits.map_err(|violation| Refusal::new(violation.errno(), violation.to_string()))?;
        let mut state = self.machine.lock();
        let table = state.devices[self.number].space.map(storage, limits, direction)?;
        if self.has_cache(&state) {
            let how = self.describe(&state, "mapping for", direction);
            self.for_device(&mut state, storage.runs(), direction, &how);
            if !direction.cpu_writes() {
                // The device will write all of it; what the CPU wrote before would come over that later.
                state.invalidate(Agent::Cpu, storage.runs(), &how);
            }
        }
        Ok(table)
    }

    fn unmap(&self, table: &SgTable, direction: DataDirection) {
        let mut state = self.machine.lock();
        let space = &mut state.devices[self.number].space;
        let runs = space.memory_of(table.segments().iter().copied());
        if !space.unmap(table, direction) || !self.has_cache(&state) {
            return;
        }
        let how = self.describe(&state, "unmapping from", direction);
        if direction.device_writes() || state.devices[self.number].space.is_writable() {
            self.for_cpu(&mut state, &runs, direction, &how);
        }
        // What was written through a mapping that is for reading only goes nowhere.
        state.invalidate(Agent::Device(self.number, direction), &runs, &how);
    }

    fn sync_for_cpu(&self, table: &SgTable, range: Range<u64>, direction: DataDirection) {
        let mut state = self.machine.lock();
        let space = &state.devices[self.number].space;
        if self.has_cache(&state) && space.allows_writing(table) {
            let runs = space.memory_of(table.pieces(range));
            let how = self.describe(&state, "sync_for_cpu of", direction);
            self.for_cpu(&mut state, &runs, direction, &how);
        }
    }

    fn sync_for_device(&self, table: &SgTable, range: Range<u64>, direction: DataDirection) {
        let mut state = self.machine.lock();
        if self.has_cache(&state) {
            let runs = state.devices[self.number].space.memory_of(table.pieces(range));
            let how = self.describe(&state, "sync_for_device of", direction);
            self.for_device(&mut state, &runs, direction, &how);
        }
    }
}
