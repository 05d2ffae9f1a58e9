//! One user mapping, from the user's side.

use std::fmt;
use std::ops::{Range, RangeBounds};

use super::area::{Placement, size_pages};
use super::state::{Entry, Number, Purpose};
use super::touch::{FaultKind, Touch};
use super::{Coherency, UserMappingError};
use crate::{AccessMode, DmaBuf, range};

/// A mapping of a buffer, or of a part of it, in somebody's address space.
///
/// It keeps the buffer alive and ends when dropped; prefer [`UserMapping::unmap`], which says whether that worked.
///
/// What the user must do depends on [`UserMapping::coherency`], and the answer may only change from explicit to one that demands
/// less: see [`SecondRange::ExplicitUnlessMixed`](crate::SecondRange::ExplicitUnlessMixed). Contracts: C1, C2, C4.
#[must_use = "the mapping ends when it is dropped"]
pub struct UserMapping {
    pub(super) buffer: DmaBuf,
    pub(super) number: Number,
    pub(super) placement: Placement,
    /// What the handle allows that the mapping was made from.
    pub(super) allowed: AccessMode,
}

impl UserMapping {
    /// Returns the buffer that is mapped.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buffer
    }

    /// Returns the pages of the buffer that are mapped; a mapping in the second range shows the same pages as one in the first.
    pub fn pages(&self) -> Range<u64> {
        self.placement.pages.clone()
    }

    /// Says whether the mapping was made in the second range.
    pub fn is_in_second_range(&self) -> bool {
        self.placement.second
    }

    /// Returns how the mapping stays coherent, as the exporter granted it: asking for the second range need not give
    /// [`Coherency::Explicit`]. Contract: C4.
    pub fn coherency(&self) -> Coherency {
        self.look(|entry| entry.coherency).unwrap_or(Coherency::Explicit)
    }

    /// Returns what the user may do now; [`UserMapping::protect`] changes it.
    pub fn access(&self) -> AccessMode {
        self.look(|entry| entry.access).unwrap_or(AccessMode::ReadOnly)
    }

    fn look<T>(&self, at: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.buffer
            .user_mappings()
            .state()
            .entries
            .get(&self.number)
            .map(at)
    }

    /// Resolves a touch of an absent or write-protected page: whoever takes the page faults of the address space calls this.
    ///
    /// `page` counts from the start of the mapping. After success the touch can be repeated; a take-over in between makes it
    /// come back as another fault. A touch of a mapping that is not fault-tracked only has its bounds and access checked.
    ///
    /// # Blocking
    /// For the exporter's `invalidate` and the backend, and for take-overs in progress. Never for device work: access of CPU
    /// and device at the same time gives undefined content, as the 2012 document has it.
    ///
    /// # Locking
    /// The reservation must not be held, nor a lock that is taken with it: the exporter may take it to invalidate. The framework takes none.
    ///
    /// # Errors
    /// [`UserMappingError::NoSuchPage`]: EINVAL outside the mapping. [`UserMappingError::NotWritable`]: EACCES.
    /// [`UserMappingError::Recursive`]: EDEADLK from within an exporter's or backend's method. [`UserMappingError::Exporter`],
    /// [`UserMappingError::Backend`]: their own number, or EIO when they panic.
    ///
    /// # References
    /// `struct vm_operations_struct`, `fault` and `page_mkwrite` (include/linux/mm.h, v6.12).
    #[track_caller]
    pub fn fault(&self, page: u64, kind: FaultKind) -> Result<(), UserMappingError> {
        let pages = &self.placement.pages;
        let page_count = pages.end - pages.start;
        if page >= page_count {
            return Err(UserMappingError::NoSuchPage {
                buffer: self.buffer.id(),
                page,
                page_count,
            });
        }
        Touch {
            buffer: &self.buffer,
            mapping: self.number,
            page: pages.start + page,
            mapping_page: page,
            kind,
        }
        .resolve()
    }

    /// Changes what the user may do, as `mprotect` does.
    ///
    /// # Blocking
    /// As long as the backend takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// The access stays as it was. [`UserMappingError::ReadOnly`]: EACCES when the mapping was made from a read-only handle
    /// and would become writable. [`UserMappingError::Recursive`]: EDEADLK. [`UserMappingError::Backend`]: its own number, or EIO.
    pub fn protect(&self, access: AccessMode) -> Result<(), UserMappingError> {
        if access == AccessMode::ReadWrite && self.allowed == AccessMode::ReadOnly {
            let buffer = self.buffer.id();
            return Err(UserMappingError::ReadOnly { buffer });
        }
        let mappings = self.buffer.user_mappings();
        let pages = &self.placement.pages;
        let _claim = mappings.take(&self.buffer, pages, Purpose::Change)?;
        if self.coherency() == Coherency::FaultTracked {
            if access == AccessMode::ReadOnly {
                self.remove_runs(|entry| entry.writable.runs(pages))?;
            }
        } else {
            self.insert_all(access)?;
        }
        if let Some(entry) = mappings.state().entries.get_mut(&self.number) {
            entry.access = access;
        }
        Ok(())
    }

    /// Ends the mapping and says whether its pages could be removed; it is gone in any case.
    ///
    /// What the user wrote is flushed when the next device takes the buffer over.
    ///
    /// # Blocking
    /// As long as the backend takes.
    ///
    /// # Locking
    /// None is held or taken.
    ///
    /// # Errors
    /// [`UserMappingError::Backend`]: the backend's own number, or EIO when it panics.
    pub fn unmap(self) -> Result<(), UserMappingError> {
        self.end()
    }

    fn end(&self) -> Result<(), UserMappingError> {
        let mappings = self.buffer.user_mappings();
        let pages = &self.placement.pages;
        // A backend that drops a mapping from within one of its methods would wait for itself: its call goes on without the claim,
        // and finds the mapping gone.
        let claim = mappings.take(&self.buffer, pages, Purpose::Change).ok();
        let outcome = match self.look(|entry| entry.coherency) {
            None => Ok(()),
            Some(Coherency::FaultTracked) => self.remove_runs(|entry| entry.present.runs(pages)),
            Some(Coherency::Coherent | Coherency::Explicit) => self.remove_runs(|_| vec![pages.clone()]),
        };
        let entry = mappings.state().entries.remove(&self.number);
        drop(claim);
        drop(entry);
        tracing::debug!(target: "wharf_core::user_mapping", buffer = self.buffer.id().get(), mapping = self.number,
            "ended");
        outcome
    }

    /// Removes pages of this mapping. Goes on after a failure, and reports the first.
    fn remove_runs(&self, runs: impl FnOnce(&Entry) -> Vec<Range<u64>>) -> Result<(), UserMappingError> {
        let mappings = self.buffer.user_mappings();
        let found = self.look(|entry| {
            let runs: Vec<_> = runs(entry).iter().map(|pages| entry.run(pages)).collect();
            (entry.backend.clone(), runs)
        });
        let mut outcome = Ok(());
        for (backend, run) in found
            .into_iter()
            .flat_map(|(backend, runs)| runs.into_iter().map(move |run| (backend.clone(), run)))
        {
            match backend.remove(run) {
                Ok(()) => mappings.state().forget_present(self.number, run),
                Err(fault) => outcome = outcome.and(Err(UserMappingError::backend(&self.buffer, fault))),
            }
        }
        outcome
    }

    fn insert_all(&self, access: AccessMode) -> Result<(), UserMappingError> {
        let found = self.look(|entry| (entry.backend.clone(), entry.run(&entry.pages), entry.coherency));
        let Some((backend, run, coherency)) = found else {
            return Ok(());
        };
        let inserted = backend.insert(run, access, coherency);
        inserted.map_err(|fault| UserMappingError::backend(&self.buffer, fault))
    }
}

impl Drop for UserMapping {
    fn drop(&mut self) {
        // Whoever wants to know calls unmap(); the mapping is gone either way.
        let _ = self.end();
    }
}

impl fmt::Debug for UserMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserMapping")
            .field("buffer", &self.buffer)
            .field("pages", &self.placement.pages)
            .field("coherency", &self.coherency())
            .field("access", &self.access())
            .finish_non_exhaustive()
    }
}

impl DmaBuf {
    /// Takes the pages with `range` (in bytes) away from all fault-tracked user mappings, for a device: what the kernel's exporters
    /// do with `unmap_mapping_range`.
    ///
    /// Mapping for a device and moving do this by themselves. An exporter does it before its own device gets the buffer.
    ///
    /// At one moment during the call none of the pages is present in any mapping, and all that the CPU wrote has been flushed.
    /// Every page that is present later was invalidated after that moment, because somebody touched it. Mappings that are not
    /// fault-tracked stay as they are.
    ///
    /// # Blocking
    /// For the exporter's `flush` and for backends; never for touches that wait for the exporter.
    ///
    /// # Locking
    /// The reservation may be held: whoever takes pages away does not wait for those who may be waiting for it.
    ///
    /// # Errors
    /// The device must not have the buffer: pages may still be present or dirty, and the next call tries again.
    /// [`UserMappingError::Range`]: EINVAL, EOVERFLOW. [`UserMappingError::Recursive`]: EDEADLK from within a backend's methods
    /// or the exporter's `flush`. [`UserMappingError::Exporter`], [`UserMappingError::Backend`]: their own number, or EIO
    /// when they panic.
    pub fn shoot_down_user_mappings(&self, range: impl RangeBounds<u64>) -> Result<(), UserMappingError> {
        let bytes = range::resolve(range, self.size_bytes()).map_err(|source| UserMappingError::Range {
            buffer: self.id(),
            source,
        })?;
        let pages = bytes.start / crate::PAGE_BYTES..bytes.end.div_ceil(crate::PAGE_BYTES);
        debug_assert!(pages.end <= size_pages(self));
        self.user_mappings().shoot_down(self, pages)
    }
}
