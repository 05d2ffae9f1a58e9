//! Exporters of a soft machine's memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wharf_core::dma::{Requirements, Storage};
use wharf_core::{
    AttachmentId, CallbackOutcome, Coherency, DataDirection, Device, DmaBuf, Errno, ExportError, ExportInfo,
    ExporterControl, Fence, FenceArray, FenceContext, MismatchPolicy, MoveError, Refusal, ReservationGuard,
    SgTable, Usage,
};

use super::machine::SoftMachine;
use super::memory::{OutOfMemory, Placement};

/// The exporter of one buffer in a soft machine's memory: a family, from the simplest to the most capable. Cloning gives the
/// same exporter, so that a test keeps one while the framework has the other.
///
/// | Made with | Memory | Moves |
/// |---|---|---|
/// | [`SoftExporter::placed`] | allocated at once: worst case for those who cannot wait | never |
/// | [`SoftExporter::deferred`] | allocated at the first mapping, as scattered as all attachments allow | never |
/// | the same, then [`SoftExporter::dynamic`] | the same | on command, and for devices that come late |
///
/// Brackets of CPU access make caches right on both sides, and nothing else does: see [`SoftMachine::findings`].
///
/// # Examples
/// ```
/// use wharf_core::dma::{Coherency, DmaLimits};
/// use wharf_core::{AccessMode, DataDirection, MismatchPolicy, Wait};
/// use wharf_testkit::soft::{Job, SoftDevice, SoftExporter, SoftMachine, Span, checksum};
///
/// let machine = SoftMachine::new([0..=0xffff_ffff]);
/// let limits = DmaLimits::builder().coherency(Coherency::NeedsSync).max_segments(2).build()?;
/// let camera = SoftDevice::new(&machine, "camera", limits)?;
/// let wait = Wait::forever();
///
/// let exporter = SoftExporter::deferred(&machine, "frame", 0x4000);
/// let buffer = exporter.export(MismatchPolicy::default())?;
/// let attachment = buffer.attach(&camera.device().using_all()?, AccessMode::ReadWrite, &wait)?;
/// assert!(exporter.storage().is_none());
/// let mapping = attachment.map(DataDirection::FromDevice, &wait)?;
/// assert_eq!(exporter.storage().map(|storage| storage.runs().len()), Some(2));
///
/// camera.submit(Job::Fill { to: Span::all(mapping.table()), value: 7 }).fence().wait(&wait)?;
/// let access = buffer.begin_cpu_access(.., DataDirection::FromDevice)?;
/// let mut seen = vec![0; 0x1000];
/// access.page(3)?.read_at(0, &mut seen)?;
/// assert_eq!(checksum(&seen), checksum(&[7; 0x1000]));
/// machine.assert_clean();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SoftExporter {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) machine: SoftMachine,
    label: Box<str>,
    size_bytes: u64,
    placement: Option<Placement>,
    pub(super) is_dynamic: bool,
    pub(super) coherency: Coherency,
    /// Given by the framework at export.
    pub(super) control: OnceLock<ExporterControl>,
    state: Mutex<ExporterState>,
}

#[derive(Default)]
struct ExporterState {
    storage: Option<Storage>,
    /// The places it moved away from, until they are idle.
    old: Vec<Storage>,
    mapped: Vec<Mapped>,
}

/// A mapping there is.
#[derive(Clone)]
pub(super) struct Mapped {
    pub(super) attachment: AttachmentId,
    pub(super) device: Device,
    pub(super) table: SgTable,
    pub(super) direction: DataDirection,
}

impl SoftExporter {
    /// Makes an exporter that allocates its memory at once, and there.
    pub fn placed(machine: &SoftMachine, label: &str, size_bytes: u64, placement: Placement) -> Self {
        Self::new(machine, label, size_bytes, Some(placement))
    }

    /// Makes an exporter that allocates its memory when all attachments are known.
    pub fn deferred(machine: &SoftMachine, label: &str, size_bytes: u64) -> Self {
        Self::new(machine, label, size_bytes, None)
    }

    fn new(machine: &SoftMachine, label: &str, size_bytes: u64, placement: Option<Placement>) -> Self {
        let shared = Shared {
            machine: machine.clone(),
            label: label.into(),
            size_bytes,
            placement,
            is_dynamic: false,
            coherency: Coherency::Explicit,
            control: OnceLock::new(),
            state: Mutex::new(ExporterState::default()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Lets the memory move while nothing pins it.
    pub fn dynamic(self) -> Self {
        self.changed(|shared| shared.is_dynamic = true)
    }

    /// Declares how user mappings stay coherent; [`Coherency::Explicit`] if nothing is said.
    pub fn user_mappings(self, coherency: Coherency) -> Self {
        self.changed(|shared| shared.coherency = coherency)
    }

    /// Changes an exporter that is not exported yet, and has not been cloned.
    fn changed(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            change(shared);
        }
        self
    }

    /// Exports the buffer; once.
    ///
    /// # Errors
    /// [`SoftExportError`]: ENOMEM when the memory is not to be had, or what the framework answers.
    pub fn export(&self, mismatch: MismatchPolicy) -> Result<DmaBuf, SoftExportError> {
        if let Some(placement) = &self.shared.placement {
            self.allocate_at(placement)?;
        }
        let info = ExportInfo::new(self.clone(), self.shared.size_bytes);
        Ok(DmaBuf::export(ExportInfo { mismatch, ..info })?)
    }

    /// Returns where the memory is now, if it is anywhere.
    pub fn storage(&self) -> Option<Storage> {
        self.state().storage.clone()
    }

    /// Moves the buffer to another place, with its contents. They arrive when the fences that were on the reservation are
    /// signaled; until then there is a fence of [`Usage::Kernel`] on it. The fence that is returned signals when the old place
    /// has been given back.
    ///
    /// # Locking
    /// `guard` holds the buffer's reservation.
    ///
    /// # Errors
    /// See [`MoveError`]; before the export, [`MoveError::Released`].
    pub fn move_to(&self, guard: &ReservationGuard<'_>, placement: &Placement) -> Result<Fence, MoveError> {
        let control = self.shared.control.get().ok_or(MoveError::Released)?;
        control.move_buffer(guard, || {
            self.relocate_to(guard, |machine, label, size_bytes| {
                machine.allocate(label, size_bytes, placement)
            })
        })
    }

    pub(super) fn allocate_for(&self, needs: &Requirements) -> Result<(), Refusal> {
        if self.state().storage.is_some() {
            // Somebody's CPU access came first; the framework checks whether it suits.
            return Ok(());
        }
        let storage = self
            .shared
            .machine
            .allocate_for(&self.shared.label, needs)
            .map_err(refuse)?;
        self.state().storage = Some(storage);
        Ok(())
    }

    pub(super) fn relocate_for(
        &self,
        guard: &ReservationGuard<'_>,
        needs: &Requirements,
    ) -> Result<(), Refusal> {
        self.relocate_to(guard, |machine, label, _| machine.allocate_for(label, needs))
    }

    /// Has the contents copied to a new place, once everybody is done with the old one.
    fn relocate_to(
        &self,
        guard: &ReservationGuard<'_>,
        allocate: impl FnOnce(&SoftMachine, &str, u64) -> Result<Storage, OutOfMemory>,
    ) -> Result<(), Refusal> {
        let machine = &self.shared.machine;
        let new = allocate(machine, &self.shared.label, self.shared.size_bytes).map_err(refuse)?;
        let Some(old) = self.state().storage.replace(new.clone()) else {
            return Ok(());
        };
        self.state().old.push(old.clone());
        if guard.reserve_fences(1).is_err() {
            return Err(Refusal::new(Errno::ENOMEM, "no room for the fence of the move"));
        }
        let before = guard.fences(Usage::Bookkeep).map(|(fence, _)| fence);
        let done = FenceContext::new("soft", "move").fence(1);
        // Neither can fail: the slot is reserved, and fences on reservations are no containers.
        let _ = guard.add_fence(&done.fence(), Usage::Kernel);
        let machine = machine.clone();
        after_all(before, move || {
            machine.relocate(&old, &new);
            done.signal();
        });
        Ok(())
    }

    /// Gives the places it moved away from back, once they are idle.
    pub(super) fn free_old_when(&self, idle: &Fence) {
        let old = std::mem::take(&mut self.state().old);
        let machine = self.shared.machine.clone();
        after_all([idle.clone()], move || {
            old.iter().for_each(|storage| machine.free(storage))
        });
    }

    /// Returns the memory; allocates it anywhere if there is none.
    pub(super) fn settled(&self) -> Result<Storage, Refusal> {
        if let Some(storage) = self.storage() {
            return Ok(storage);
        }
        self.allocate_at(&Placement::scattered(wharf_core::PAGE_BYTES))
            .map_err(refuse)
    }

    fn allocate_at(&self, placement: &Placement) -> Result<Storage, OutOfMemory> {
        let Shared {
            machine,
            label,
            size_bytes,
            ..
        } = &*self.shared;
        let storage = machine.allocate(label, *size_bytes, placement)?;
        self.state().storage = Some(storage.clone());
        Ok(storage)
    }

    pub(super) fn note_mapped(&self, mapped: Mapped) {
        self.state().mapped.push(mapped);
    }

    pub(super) fn forget_mapped(&self, attachment: AttachmentId, table: &SgTable, direction: DataDirection) {
        let mut state = self.state();
        let position = state.mapped.iter().position(|mapped| {
            mapped.attachment == attachment && mapped.table == *table && mapped.direction == direction
        });
        if let Some(position) = position {
            state.mapped.remove(position);
        }
    }

    /// The mappings there are. Devices are called without the exporter's own lock.
    pub(super) fn mapped(&self) -> Vec<Mapped> {
        self.state().mapped.clone()
    }

    /// Gives all memory back.
    pub(super) fn free_all(&self) {
        let ExporterState { storage, old, .. } = std::mem::take(&mut *self.state());
        for storage in storage.iter().chain(&old) {
            self.shared.machine.free(storage);
        }
    }

    fn state(&self) -> MutexGuard<'_, ExporterState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a soft buffer could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoftExportError {
    /// The memory is not to be had.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The framework refused.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl SoftExportError {
    /// Returns the number of what failed.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Memory(error) => error.errno(),
            Self::Export(error) => error.errno(),
        }
    }
}

fn refuse(error: OutOfMemory) -> Refusal {
    Refusal::new(error.errno(), error.to_string())
}

/// Runs something once all fences are signaled, on the thread that signals the last one.
fn after_all(fences: impl IntoIterator<Item = Fence>, then: impl FnOnce() + Send + 'static) {
    let pending: Vec<Fence> = fences.into_iter().filter(|fence| !fence.is_signaled()).collect();
    // Fences on reservations are no containers, so that the array takes them.
    let all = FenceArray::new(pending).map_or_else(|_| Fence::stub(), Fence::from);
    if let CallbackOutcome::AlreadySignaled(then) = all.add_callback(move |_| then()) {
        then(&all);
    }
}

impl fmt::Debug for SoftExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftExporter")
            .field("label", &self.shared.label)
            .field("size_bytes", &self.shared.size_bytes)
            .field("storage", &self.storage())
            .finish_non_exhaustive()
    }
}
