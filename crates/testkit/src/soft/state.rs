//! What a machine is made of, behind its lock.

use std::ops::Range;

use wharf_core::DataDirection;
use wharf_core::dma::{PhysicalRun, Storage};

use super::address_space::AddressSpace;
use super::cache::{Cache, Part};
use super::finding::{Bracket, Cause, Finding, StaleRead};
use super::memory::{Memory, runs_of};
use super::writes::{Party, Stamp, Writes};

pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) cpu: Cache,
    pub(super) devices: Vec<DeviceState>,
    pub(super) writes: Writes,
    pub(super) findings: Vec<Finding>,
    windows: Vec<CpuWindow>,
}

pub(super) struct DeviceState {
    pub(super) label: Box<str>,
    /// Nothing for a device that sees the CPU's caches.
    pub(super) cache: Option<Cache>,
    pub(super) space: AddressSpace,
}

/// An open window of CPU access.
struct CpuWindow {
    runs: Vec<PhysicalRun>,
    direction: DataDirection,
}

/// Who accesses memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    Cpu,
    /// A device, by its number, through a mapping for this direction.
    Device(usize, DataDirection),
}

/// There is no memory at an address.
pub(super) struct NoMemory;

impl State {
    pub(super) fn new(memory: Memory) -> Self {
        Self {
            memory,
            cpu: Cache::default(),
            devices: Vec::new(),
            writes: Writes::new(),
            findings: Vec::new(),
            windows: Vec::new(),
        }
    }

    pub(super) fn party(&self, agent: Agent) -> Party {
        match agent {
            Agent::Cpu => Party::Cpu,
            Agent::Device(number, _) => Party::Device(self.devices[number].label.clone()),
        }
    }

    /// Reads as the agent sees it, and notes what it should have seen instead.
    pub(super) fn load(&mut self, agent: Agent, run: PhysicalRun, into: &mut [u8]) -> Result<(), NoMemory> {
        let mut stale: Vec<StaleRead> = Vec::new();
        let mut done = 0;
        for part in Part::all_of(run) {
            let mut stamps = [Stamp::ZEROED; 64];
            let stamps = &mut stamps[..part.len];
            self.load_part(agent, part, &mut into[done..done + part.len], stamps)?;
            self.judge(agent, part, stamps, &mut stale)?;
            done += part.len;
        }
        for read in stale {
            self.note(Finding::Stale(read));
        }
        Ok(())
    }

    fn load_part(
        &mut self,
        agent: Agent,
        part: Part,
        into: &mut [u8],
        stamps: &mut [Stamp],
    ) -> Result<(), NoMemory> {
        if let Some(cache) = own_cache(&mut self.cpu, &mut self.devices, agent) {
            if !cache.fill(&mut self.memory, part.line) {
                return Err(NoMemory);
            }
            cache.read(part, into, stamps);
        } else if self.cpu.holds(part.line) {
            self.cpu.read(part, into, stamps);
        } else {
            let (frame, at) = self.memory.frame(part.line).ok_or(NoMemory)?;
            let bytes = at + part.first..at + part.first + part.len;
            into.copy_from_slice(&frame.bytes[bytes.clone()]);
            stamps.copy_from_slice(&frame.stamps[bytes]);
        }
        Ok(())
    }

    /// Compares what was read with what was written last.
    fn judge(
        &mut self,
        agent: Agent,
        part: Part,
        stamps: &[Stamp],
        stale: &mut Vec<StaleRead>,
    ) -> Result<(), NoMemory> {
        let (frame, at) = self.memory.frame(part.line).ok_or(NoMemory)?;
        let first = at + part.first;
        if frame.latest[first..first + part.len] == *stamps {
            return Ok(());
        }
        let seen: Vec<(usize, Stamp, Stamp)> = (0..part.len)
            .filter(|byte| frame.latest[first + byte] != stamps[*byte])
            .map(|byte| (byte, frame.latest[first + byte], frame.stamps[first + byte]))
            .collect();
        let (buffer, offset) = (frame.label.clone(), frame.offset + first as u64);
        let window = self.window(part, DataDirection::device_writes);
        for (byte, latest, in_memory) in seen {
            let at = offset + byte as u64;
            let read = StaleRead {
                buffer: buffer.clone(),
                bytes: at..at + 1,
                reader: self.party(agent),
                writer: self.writes.get(latest).by.clone(),
                cause: self.cause(agent, window, latest, in_memory),
            };
            extend(stale, read);
        }
        Ok(())
    }

    /// Why a read did not see the latest write of a byte.
    fn cause(&self, reader: Agent, window: Option<DataDirection>, latest: Stamp, in_memory: Stamp) -> Cause {
        if in_memory == latest {
            let (bracket, direction, reads): (_, _, fn(DataDirection) -> bool) = match reader {
                Agent::Cpu => (Bracket::BeginCpuAccess, window, DataDirection::device_writes),
                Agent::Device(_, direction) => (Bracket::Map, Some(direction), DataDirection::cpu_writes),
            };
            return match direction.filter(|direction| !reads(*direction)) {
                Some(direction) => Cause::WrongDirection { bracket, direction },
                None => Cause::Missing(bracket),
            };
        }
        let write = self.writes.get(latest);
        let (bracket, writes): (_, fn(DataDirection) -> bool) = match write.by {
            Party::Cpu => (Bracket::EndCpuAccess, DataDirection::cpu_writes),
            Party::Device(_) => (Bracket::Unmap, DataDirection::device_writes),
        };
        match (
            write.direction.filter(|direction| !writes(*direction)),
            &write.lost,
        ) {
            (Some(direction), _) => Cause::WrongDirection { bracket, direction },
            (None, Some(how)) => Cause::Lost { how: how.clone() },
            (None, None) => Cause::Missing(bracket),
        }
    }

    /// Writes as the agent does.
    pub(super) fn store(&mut self, agent: Agent, run: PhysicalRun, from: &[u8]) -> Result<(), NoMemory> {
        let mut done = 0;
        for part in Part::all_of(run) {
            let direction = match agent {
                Agent::Cpu => self.window(part, DataDirection::cpu_writes),
                Agent::Device(_, direction) => Some(direction),
            };
            let stamp = self.writes.add(self.party(agent), direction);
            self.store_part(agent, part, &from[done..done + part.len], stamp)?;
            done += part.len;
        }
        Ok(())
    }

    fn store_part(&mut self, agent: Agent, part: Part, from: &[u8], stamp: Stamp) -> Result<(), NoMemory> {
        let cache = own_cache(&mut self.cpu, &mut self.devices, agent);
        let is_private = cache.is_some();
        if let Some(cache) = cache {
            if !cache.fill(&mut self.memory, part.line) {
                return Err(NoMemory);
            }
            cache.write(part, from, stamp, true);
        } else {
            self.cpu.write(part, from, stamp, false);
        }
        let (frame, at) = self.memory.frame(part.line).ok_or(NoMemory)?;
        let bytes = at + part.first..at + part.first + part.len;
        frame.latest[bytes.clone()].fill(stamp);
        if !is_private {
            frame.bytes[bytes.clone()].copy_from_slice(from);
            frame.stamps[bytes].fill(stamp);
        }
        Ok(())
    }

    /// The direction of a window of CPU access at a place; one that fits, if there are several.
    fn window(&self, part: Part, fits: fn(DataDirection) -> bool) -> Option<DataDirection> {
        let address = part.line + part.first as u64;
        let holds = |run: &PhysicalRun| run.address <= address && address - run.address < run.length_bytes;
        let open = || self.windows.iter().filter(|window| window.runs.iter().any(holds));
        let fitting = open().find(|window| fits(window.direction));
        fitting.or_else(|| open().next()).map(|window| window.direction)
    }

    pub(super) fn open_window(&mut self, storage: &Storage, range: Range<u64>, direction: DataDirection) {
        let runs = runs_of(storage, range);
        self.windows.push(CpuWindow { runs, direction });
    }

    pub(super) fn close_window(&mut self, storage: &Storage, range: Range<u64>, direction: DataDirection) {
        let runs = runs_of(storage, range);
        let position = self
            .windows
            .iter()
            .position(|open| open.direction == direction && open.runs == runs);
        if let Some(position) = position {
            self.windows.remove(position);
        }
    }

    /// Brings what an agent wrote to memory.
    pub(super) fn clean(&mut self, agent: Agent, runs: &[PhysicalRun], how: &str) {
        if let Some(cache) = own_cache(&mut self.cpu, &mut self.devices, agent) {
            for run in runs {
                cache.clean(&mut self.memory, &mut self.writes, *run, how);
            }
        }
    }

    /// Has an agent forget what it has of memory.
    pub(super) fn invalidate(&mut self, agent: Agent, runs: &[PhysicalRun], how: &str) {
        if let Some(cache) = own_cache(&mut self.cpu, &mut self.devices, agent) {
            for run in runs {
                cache.invalidate(&mut self.memory, &mut self.writes, *run, how);
            }
        }
    }

    pub(super) fn free(&mut self, storage: &Storage) {
        self.memory.free(storage);
        self.windows
            .retain(|window| !window.runs.iter().any(|run| overlaps(storage, *run)));
        for run in storage.runs() {
            self.cpu.purge(*run);
            for cache in self.devices.iter_mut().filter_map(|device| device.cache.as_mut()) {
                cache.purge(*run);
            }
        }
    }

    /// Notes a finding, once.
    pub(super) fn note(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// The cache that only this agent sees, if it has one.
fn own_cache<'a>(cpu: &'a mut Cache, devices: &'a mut [DeviceState], agent: Agent) -> Option<&'a mut Cache> {
    match agent {
        Agent::Cpu => Some(cpu),
        Agent::Device(number, _) => devices[number].cache.as_mut(),
    }
}

fn overlaps(storage: &Storage, run: PhysicalRun) -> bool {
    let touches = |other: &PhysicalRun| {
        run.address < other.address + other.length_bytes && other.address < run.address + run.length_bytes
    };
    storage.runs().iter().any(touches)
}

/// Adds a byte to the findings, to the last one if it continues that.
fn extend(stale: &mut Vec<StaleRead>, read: StaleRead) {
    if let Some(last) = stale.last_mut() {
        let same = last.buffer == read.buffer && last.writer == read.writer && last.cause == read.cause;
        if same && last.bytes.end == read.bytes.start {
            last.bytes.end = read.bytes.end;
            return;
        }
    }
    stale.push(read);
}
