//! A machine whose CPU and devices do not see each other's caches.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use wharf_core::dma::{PhysicalRun, Requirements, Storage};
use wharf_core::order::{LockClass, OrderedMutex, OrderedMutexGuard};
use wharf_core::{DataDirection, Errno, Refusal};

use super::finding::Finding;
use super::memory::{Memory, OutOfMemory, Placement, runs_of};
use super::state::{Agent, State};

static MACHINE: LockClass = LockClass::new("soft machine");

/// Memory, a CPU with a cache of its own, and devices, some of which have one too. Cloning gives the same machine.
///
/// Nothing is coherent by itself: what the CPU wrote stays in its cache until it is cleaned, and what it has in its cache stays as
/// it is until it is invalidated. Every byte knows who wrote it last, so that a read of something older is noticed, and
/// named, the moment it happens, on every run. See [`SoftMachine::findings`].
///
/// # Examples
/// ```
/// use wharf_testkit::soft::{Placement, SoftMachine};
///
/// let machine = SoftMachine::new([0..=0xffff_ffff]);
/// let storage = machine.allocate("frame", 0x4000, &Placement::scattered(0x1000))?;
/// assert_eq!(storage.runs().len(), 4);
/// machine.cpu_write(&storage, 100, b"hello")?;
/// let mut seen = [0; 5];
/// machine.cpu_read(&storage, 100, &mut seen)?;
/// assert_eq!(&seen, b"hello");
/// machine.assert_clean();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SoftMachine {
    state: Arc<OrderedMutex<State>>,
}

impl SoftMachine {
    /// Makes a machine with memory at these addresses. It costs nothing until it is allocated.
    pub fn new(banks: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        let memory = Memory::new(banks.into_iter().collect());
        Self {
            state: Arc::new(OrderedMutex::new(&MACHINE, State::new(memory))),
        }
    }

    /// Allocates zeroed memory, which findings call `label`.
    ///
    /// # Errors
    /// [`OutOfMemory`]: ENOMEM.
    pub fn allocate(
        &self,
        label: &str,
        size_bytes: u64,
        placement: &Placement,
    ) -> Result<Storage, OutOfMemory> {
        self.lock().memory.allocate(label, size_bytes, placement)
    }

    /// Allocates zeroed memory that suits everybody, as scattered as they allow.
    ///
    /// # Errors
    /// [`OutOfMemory`]: ENOMEM.
    pub fn allocate_for(&self, label: &str, needs: &Requirements) -> Result<Storage, OutOfMemory> {
        self.allocate(label, needs.size_bytes(), &Placement::for_requirements(needs))
    }

    /// Gives memory back. Devices that still use it will be found out, unless it has been allocated to somebody else.
    pub fn free(&self, storage: &Storage) {
        self.lock().free(storage);
    }

    /// Returns how much is allocated, in bytes.
    pub fn allocated_bytes(&self) -> u64 {
        self.lock().memory.allocated_bytes()
    }

    /// Reads as the CPU does, through its cache.
    ///
    /// # Errors
    /// [`Refusal`]: EINVAL past the end, EIO when the memory has been given back.
    pub fn cpu_read(&self, storage: &Storage, offset: u64, into: &mut [u8]) -> Result<(), Refusal> {
        let runs = bytes_of(storage, offset, into.len())?;
        let mut state = self.lock();
        let mut done = 0;
        for run in runs {
            let len = length(run);
            let outcome = state.load(Agent::Cpu, run, &mut into[done..done + len]);
            outcome.map_err(|_| gone(run))?;
            done += len;
        }
        Ok(())
    }

    /// Writes as the CPU does, into its cache.
    ///
    /// # Errors
    /// As [`SoftMachine::cpu_read`].
    pub fn cpu_write(&self, storage: &Storage, offset: u64, from: &[u8]) -> Result<(), Refusal> {
        let runs = bytes_of(storage, offset, from.len())?;
        let mut state = self.lock();
        let mut done = 0;
        for run in runs {
            let len = length(run);
            let outcome = state.store(Agent::Cpu, run, &from[done..done + len]);
            outcome.map_err(|_| gone(run))?;
            done += len;
        }
        Ok(())
    }

    /// Makes `range` of the memory right for the CPU: what it wrote earlier goes to memory, and, unless it will only write, what it has
    /// in its cache is forgotten. Devices have to be done by then: see [`DmaOps::sync_for_cpu`](wharf_core::DmaOps::sync_for_cpu).
    pub fn begin_cpu_access(&self, storage: &Storage, range: Range<u64>, direction: DataDirection) {
        let runs = runs_of(storage, range.clone());
        let mut state = self.lock();
        if direction.device_writes() {
            state.clean(Agent::Cpu, &runs, "begin_cpu_access");
            state.invalidate(Agent::Cpu, &runs, "begin_cpu_access");
        }
        state.open_window(storage, range, direction);
    }

    /// Ends what [`SoftMachine::begin_cpu_access`] began, with the same arguments: what the CPU wrote goes to memory.
    pub fn end_cpu_access(&self, storage: &Storage, range: Range<u64>, direction: DataDirection) {
        let mut state = self.lock();
        if direction.cpu_writes() {
            state.clean(Agent::Cpu, &runs_of(storage, range.clone()), "end_cpu_access");
        }
        state.close_window(storage, range, direction);
    }

    /// Brings what the CPU wrote to memory, as a device's take-over of a page does.
    pub(super) fn clean_cpu(&self, storage: &Storage, range: Range<u64>, how: &str) {
        self.lock().clean(Agent::Cpu, &runs_of(storage, range), how);
    }

    /// Has the CPU load lines that nobody asked for, as real ones do: an invalidate that comes too early no longer helps.
    pub fn speculate(&self, storage: &Storage, range: Range<u64>) {
        let mut state = self.lock();
        let State { cpu, memory, .. } = &mut *state;
        for part in runs_of(storage, range)
            .into_iter()
            .flat_map(super::cache::Part::all_of)
        {
            cpu.fill(memory, part.line);
        }
    }

    /// Copies all contents to a new place, as a blitter behind all caches would, with who wrote what.
    pub(super) fn relocate(&self, from: &Storage, to: &Storage) {
        let mut state = self.lock();
        state.clean(Agent::Cpu, from.runs(), "moving the memory");
        for number in 0..state.devices.len() {
            let device = Agent::Device(number, DataDirection::Bidirectional);
            state.clean(device, from.runs(), "moving the memory");
        }
        state.memory.copy(from, to);
    }

    /// Returns what was noticed so far.
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.clone()
    }

    /// Returns what was noticed since the last time, and forgets it.
    pub fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut self.lock().findings)
    }

    /// Checks that nothing was noticed.
    ///
    /// # Panics
    /// With all findings, if there are any.
    #[track_caller]
    pub fn assert_clean(&self) {
        let findings: Vec<String> = self.findings().iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    pub(super) fn lock(&self) -> OrderedMutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Where bytes of a buffer are.
fn bytes_of(storage: &Storage, offset: u64, len: usize) -> Result<Vec<PhysicalRun>, Refusal> {
    let end = offset
        .checked_add(len as u64)
        .filter(|end| *end <= storage.size_bytes());
    let Some(end) = end else {
        let reason = format!(
            "{len} bytes at {offset} end behind the memory of {} bytes",
            storage.size_bytes()
        );
        return Err(Refusal::new(Errno::EINVAL, reason));
    };
    Ok(runs_of(storage, offset..end))
}

/// The length of a part of what fits in a slice.
pub(super) fn length(run: PhysicalRun) -> usize {
    usize::try_from(run.length_bytes).unwrap_or(usize::MAX)
}

fn gone(run: PhysicalRun) -> Refusal {
    Refusal::new(
        Errno::EIO,
        format!("memory at {:#x} has been given back", run.address),
    )
}

impl fmt::Debug for SoftMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftMachine")
            .field("allocated_bytes", &self.allocated_bytes())
            .field("findings", &self.findings())
            .finish_non_exhaustive()
    }
}
