//! Touches of fault-tracked mappings, and take-overs by devices: coherency faked by faults.
//!
//! | Page | Left by | Exporter | Backend |
//! |---|---|---|---|
//! | not ready: absent everywhere | first touch, in any mapping | `invalidate` | `insert_pages` |
//! | ready | touch in another mapping | – | `insert_pages` |
//! | ready | take-over | `flush`, if dirty | `remove_pages`, in every mapping |

use std::ops::Range;
use std::sync::Arc;

use super::backend::Owned;
use super::state::{Claim, Number, Purpose, State, UserMappings};
use super::{CoherencyDeclaration, FaultTrackedExporter, PageRun, UserMappingError};
use crate::exporter::call;
use crate::{AccessMode, Coherency, DmaBuf, Errno, Refusal};

/// What a touch of a page wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// To read it.
    Read,
    /// To write it.
    Write,
}

/// A touch on its way.
pub(super) struct Touch<'a> {
    pub(super) buffer: &'a DmaBuf,
    pub(super) mapping: Number,
    /// Page of the buffer.
    pub(super) page: u64,
    /// The same page, counted from the start of the mapping.
    pub(super) mapping_page: u64,
    pub(super) kind: FaultKind,
}

/// What a touch has to do next.
enum Step {
    Validate,
    Insert(Arc<Owned>, PageRun, AccessMode),
    Nothing,
}

impl Touch<'_> {
    /// Makes the page right for the CPU and present.
    #[track_caller]
    pub(super) fn resolve(&self) -> Result<(), UserMappingError> {
        let mappings = self.buffer.user_mappings();
        let _entered = mappings.enter(self.buffer)?;
        let claim = mappings.claim_touch(self.page);
        let mut validated = false;
        loop {
            match self.step(&claim, validated)? {
                Step::Validate => self.invalidate()?,
                Step::Insert(backend, run, access) => {
                    let inserted = backend.insert(run, access, Coherency::FaultTracked);
                    return inserted.map_err(|fault| UserMappingError::backend(self.buffer, fault));
                }
                Step::Nothing => return Ok(()),
            }
            validated = true;
        }
    }

    fn step(&self, claim: &Claim<'_>, validated: bool) -> Result<Step, UserMappingError> {
        let (mut guard, spoiled) = claim.settle(self.page);
        let State {
            entries,
            ready,
            dirty,
            ..
        } = &mut *guard;
        let Some(entry) = entries.get_mut(&self.mapping) else {
            return Ok(Step::Nothing);
        };
        if self.kind == FaultKind::Write && entry.access == AccessMode::ReadOnly {
            return Err(UserMappingError::NotWritable {
                buffer: self.buffer.id(),
                page: self.mapping_page,
            });
        }
        if entry.coherency != Coherency::FaultTracked {
            return Ok(Step::Nothing);
        }
        if self.buffer.devices().is_revoked() {
            return Err(UserMappingError::Revoked {
                buffer: self.buffer.id(),
            });
        }
        // Another mapping's user may have written to a ready page, so that invalidating it would lose bytes.
        if !ready.contains(self.page) && (spoiled || !validated) {
            return Ok(Step::Validate);
        }
        // Noted before it is so: whatever the backend answers, the page may be present.
        ready.insert(self.page);
        entry.present.insert(self.page);
        if self.kind == FaultKind::Write {
            entry.writable.insert(self.page);
            dirty.insert(self.page);
        }
        let access = match entry.writable.contains(self.page) {
            true => AccessMode::ReadWrite,
            false => AccessMode::ReadOnly,
        };
        let step = Step::Insert(
            Arc::clone(&entry.backend),
            entry.run(&(self.page..self.page + 1)),
            access,
        );
        claim.start_inserting(&mut guard);
        Ok(step)
    }

    fn invalidate(&self) -> Result<(), UserMappingError> {
        with_tracking(self.buffer, |exporter| exporter.invalidate(self.page))
    }
}

impl UserMappings {
    /// Takes `pages` (numbers of the buffer's pages) away from all fault-tracked mappings, for a device.
    ///
    /// At one moment during the call none of the pages is present in any mapping, and all that the CPU wrote has been flushed. Every
    /// page that is present later was invalidated after that moment. When it fails the device must not have the buffer; the
    /// pages that could not be removed or flushed are tried again by the next call.
    ///
    /// # Locking
    /// May be called with the reservation held. Waits for backends that are inserting, never for exporters that are invalidating.
    pub(crate) fn shoot_down(&self, buffer: &DmaBuf, pages: Range<u64>) -> Result<(), UserMappingError> {
        if !self.state().is_tracking() {
            return Ok(());
        }
        self.take_over(buffer, pages).map(drop)
    }

    /// Does what [`UserMappings::shoot_down`] does, and keeps all touches of `pages` waiting until the claim is dropped.
    ///
    /// # Locking
    /// As there; while the claim is kept, this thread makes, changes and touches no mapping of the buffer.
    pub(crate) fn take_over(
        &self,
        buffer: &DmaBuf,
        pages: Range<u64>,
    ) -> Result<Claim<'_>, UserMappingError> {
        let claim = self.take(buffer, &pages, Purpose::TakeOver)?;
        self.remove_present(buffer, &pages)?;
        self.flush_dirty(buffer, &pages)?;
        self.state().ready.remove(&pages);
        tracing::debug!(target: "wharf_core::user_mapping", buffer = buffer.id().get(), ?pages, "taken over");
        Ok(claim)
    }

    /// Says how many mappings there are.
    pub(crate) fn count(&self) -> usize {
        self.state().entries.len()
    }

    /// Says how many mappings show the memory where it is, and cannot be made to look elsewhere.
    pub(crate) fn untracked_count(&self) -> usize {
        let state = self.state();
        let kinds = state.entries.values().map(|entry| entry.coherency);
        kinds.filter(|&kind| kind != Coherency::FaultTracked).count()
    }

    /// Removes what is present of taken pages. Goes on after a failure, and reports the first.
    fn remove_present(&self, buffer: &DmaBuf, pages: &Range<u64>) -> Result<(), UserMappingError> {
        let runs = self.state().present_runs(pages);
        let mut outcome = Ok(());
        for (mapping, backend, run) in runs {
            match backend.remove(run) {
                Ok(()) => self.state().forget_present(mapping, run),
                Err(fault) => outcome = outcome.and(Err(UserMappingError::backend(buffer, fault))),
            }
        }
        outcome
    }

    /// Flushes what is dirty of taken pages. Goes on after a failure, and reports the first.
    fn flush_dirty(&self, buffer: &DmaBuf, pages: &Range<u64>) -> Result<(), UserMappingError> {
        let runs = self.state().dirty.runs(pages);
        let mut outcome = Ok(());
        for run in runs {
            match with_tracking(buffer, |exporter| exporter.flush(run.clone())) {
                Ok(()) => self.state().dirty.remove(&run),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

impl State {
    /// Says whether there is anything that a take-over would have to care for.
    fn is_tracking(&self) -> bool {
        let mut entries = self.entries.values();
        !self.ready.is_empty() || entries.any(|entry| entry.coherency == Coherency::FaultTracked)
    }

    fn present_runs(&self, pages: &Range<u64>) -> Vec<(Number, Arc<Owned>, PageRun)> {
        let runs_of = |(number, entry): (&Number, &super::state::Entry)| {
            let runs = entry.present.runs(pages).into_iter();
            let run = |pages: Range<u64>| (*number, Arc::clone(&entry.backend), entry.run(&pages));
            runs.map(run).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(runs_of).collect()
    }

    pub(super) fn forget_present(&mut self, mapping: Number, run: PageRun) {
        let pages = run.buffer_page..run.buffer_page + run.page_count;
        if let Some(entry) = self.entries.get_mut(&mapping) {
            entry.present.remove(&pages);
            entry.writable.remove(&pages);
        }
    }
}

/// Calls the exporter's fault tracking.
fn with_tracking(
    buffer: &DmaBuf,
    method: impl FnOnce(&dyn FaultTrackedExporter) -> Result<(), Refusal>,
) -> Result<(), UserMappingError> {
    let exporter = buffer.exporter_dyn();
    call(|| match exporter.user_mapping_ops().map(|ops| ops.declare()) {
        Some(CoherencyDeclaration::FaultTracked(tracking)) => method(tracking),
        _ => Err(Refusal::new(Errno::EIO, "no longer declares FaultTracked")),
    })
    .map_err(|fault| UserMappingError::exporter(buffer, fault))
}
