//! Where the pages of user mappings are put.

use crate::contain::contain;
use crate::{AccessMode, Coherency, Errno, Refusal};

/// Puts pages of a buffer into a piece of somebody's address space, and takes them out: what the kernel's page tables do.
///
/// There is one for each mapping. Implementing it is safe, and nothing it does is trusted: its answers are not believed beyond
/// their effect on the mapping, and its panics are contained. Dropping it ends the mapping: whatever is still present goes.
/// Its methods are not called for the same pages at the same time.
///
/// # Blocking
/// Touches and take-overs wait for each other's calls; they must end in bounded time, without waiting for devices.
///
/// # Locking
/// No lock of the framework is held, except that `remove_pages` may run under the buffer's reservation. Neither method
/// may wait for a reservation, nor call back into user mappings of the same buffer (refused with EDEADLK).
///
/// # Examples
/// See [`FaultTrackedExporter`](crate::FaultTrackedExporter).
pub trait MappingBackend: Send + Sync {
    /// Makes pages present, replacing what was there. With [`AccessMode::ReadOnly`], a later write must come as a fault.
    ///
    /// # Errors
    /// Any [`Refusal`]; the pages count as possibly present until they are removed.
    fn insert_pages(&self, pages: PageRun, access: AccessMode, coherency: Coherency) -> Result<(), Refusal>;

    /// Makes pages absent: once it returns no CPU can reach them through this mapping. Pages that are not present are not an error.
    ///
    /// # Errors
    /// Any [`Refusal`]; the pages count as possibly present.
    fn remove_pages(&self, pages: PageRun) -> Result<(), Refusal>;
}

/// Consecutive pages of a mapping, and which pages of the buffer they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRun {
    /// First page, counted from the start of the mapping.
    pub mapping_page: u64,
    /// First page, counted from the start of the buffer; never in the second range.
    pub buffer_page: u64,
    /// How many pages; at least one.
    pub page_count: u64,
}

/// How a mapping backend failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendFault {
    /// It said no.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It panicked.
    #[error("panicked: {message}; this is a bug of the backend")]
    Panicked {
        /// What the panic said.
        message: String,
    },
}

impl BackendFault {
    /// Returns the backend's own error number, or EIO when it panicked.
    ///
    /// ```
    /// use wharf_core::{BackendFault, Errno, Refusal};
    /// let full = BackendFault::Refused(Refusal::new(Errno::ENOMEM, "no room for page tables"));
    /// assert_eq!(full.errno(), Errno::ENOMEM);
    /// let panicked = BackendFault::Panicked { message: "oops".to_owned() };
    /// assert_eq!(panicked.errno(), Errno::EIO);
    /// ```
    pub fn errno(&self) -> Errno {
        match self {
            Self::Refused(refusal) => refusal.errno,
            Self::Panicked { .. } => Errno::EIO,
        }
    }
}

/// Calls a backend and checks its answer.
fn call(method: impl FnOnce() -> Result<(), Refusal>) -> Result<(), BackendFault> {
    match contain(method) {
        Ok(answer) => answer.map_err(|refusal| BackendFault::Refused(refusal.checked())),
        Err(message) => Err(BackendFault::Panicked { message }),
    }
}

/// See [`MappingBackend::insert_pages`]; panics are contained.
pub(super) fn insert(
    backend: &dyn MappingBackend,
    pages: PageRun,
    access: AccessMode,
    coherency: Coherency,
) -> Result<(), BackendFault> {
    call(|| backend.insert_pages(pages, access, coherency))
}

/// See [`MappingBackend::remove_pages`]; panics are contained.
pub(super) fn remove(backend: &dyn MappingBackend, pages: PageRun) -> Result<(), BackendFault> {
    call(|| backend.remove_pages(pages))
}

/// Owns a backend and contains what happens when it is dropped.
pub(super) struct Owned(Option<Box<dyn MappingBackend>>);

impl Owned {
    pub(super) fn new(backend: Box<dyn MappingBackend>) -> Self {
        Self(Some(backend))
    }

    pub(super) fn insert(
        &self,
        pages: PageRun,
        access: AccessMode,
        coherency: Coherency,
    ) -> Result<(), BackendFault> {
        // It is only taken out by the drop.
        self.0
            .as_deref()
            .map_or(Ok(()), |backend| insert(backend, pages, access, coherency))
    }

    pub(super) fn remove(&self, pages: PageRun) -> Result<(), BackendFault> {
        self.0.as_deref().map_or(Ok(()), |backend| remove(backend, pages))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // The panic hook has already reported a panic here, and there is nobody left to tell.
        let _ = contain(|| drop(self.0.take()));
    }
}
