//! Making user mappings.

use std::sync::Arc;

use super::agree::{Agreed, agree};
use super::area::Placement;
use super::backend::{self, Owned};
use super::page_set::PageSet;
use super::state::Entry;
use super::{Coherency, MapUserError, PageRun, UserArea, UserMapping, UserMappingError};
use crate::DmaBuf;

impl DmaBuf {
    /// Maps a piece of the buffer into the address space behind `area`. Contracts: C1, C2, C4.
    ///
    /// Mappings may be partial, several and overlapping. A coherent or explicit one is inserted as a whole now, a fault-tracked
    /// one page by page when touched. Pages from the size of the buffer up to twice that are the second range: the same
    /// pages, with explicitly managed access where the exporter supports it; [`UserMapping::coherency`] tells.
    ///
    /// # Blocking
    /// As long as exporter and backend take, and for calls in progress on the same pages. A buffer that has no memory yet gets it
    /// now, under its reservation if the exporter is dynamic.
    ///
    /// # Locking
    /// The reservation must not be held: the exporter may take it when it is asked.
    ///
    /// # Errors
    /// The area comes back inside the error, with nothing mapped. [`UserMappingError::ReadOnly`]: EACCES when a read-only handle
    /// is to be mapped for writing. [`UserMappingError::Unsupported`]: EINVAL when the exporter has no
    /// [`UserMappingExporter`](crate::UserMappingExporter). [`UserMappingError::Empty`], [`UserMappingError::PastEnd`]: EINVAL.
    /// [`UserMappingError::Overflow`]: EOVERFLOW. [`UserMappingError::Recursive`]: EDEADLK from within an exporter's or
    /// backend's method. [`UserMappingError::Exporter`], [`UserMappingError::Backend`]: their own number, or EIO when they panic.
    ///
    /// # Examples
    /// ```
    /// use wharf_core::{
    ///     AccessMode, Coherency, CoherencyDeclaration, DmaBuf, ExportInfo, Exporter, MappingBackend, PageRun, Refusal,
    ///     SecondRange, UserArea, UserMappingExporter,
    /// };
    ///
    /// struct Heap;
    /// impl UserMappingExporter for Heap {
    ///     fn declare(&self) -> CoherencyDeclaration<'_> {
    ///         CoherencyDeclaration::Coherent
    ///     }
    ///     fn second_range(&self) -> SecondRange {
    ///         SecondRange::Explicit
    ///     }
    /// }
    /// impl Exporter for Heap {
    ///     fn name(&self) -> &str {
    ///         "heap"
    ///     }
    ///     fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
    ///         Some(self)
    ///     }
    /// }
    ///
    /// /// An address space without memory.
    /// struct Nowhere;
    /// impl MappingBackend for Nowhere {
    ///     fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
    ///         Ok(())
    ///     }
    ///     fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
    ///         Ok(())
    ///     }
    /// }
    /// let area = |first_page, page_count| UserArea {
    ///     first_page,
    ///     page_count,
    ///     access: AccessMode::ReadOnly,
    ///     backend: Box::new(Nowhere),
    /// };
    ///
    /// # let info = ExportInfo::new(Heap, 16384);
    /// # let buffer = DmaBuf::export(info)?;
    /// // The last two of four pages, which is as far as it goes.
    /// let mapping = buffer.map_user(area(2, 2))?;
    /// assert!(!mapping.coherency().needs_brackets());
    /// assert!(buffer.map_user(area(2, 3)).is_err());
    /// // The same pages in the second range.
    /// let explicit = buffer.map_user(area(4 + 2, 2))?;
    /// assert_eq!(explicit.pages(), mapping.pages());
    /// assert!(explicit.coherency().needs_brackets());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// `dma_buf_mmap_internal` (drivers/dma-buf/dma-buf.c, v6.12).
    #[track_caller]
    pub fn map_user(&self, area: UserArea) -> Result<UserMapping, MapUserError> {
        match agree(self, &area, area.first_page) {
            Ok(agreed) => make(self, area, agreed),
            Err(error) => Err(MapUserError { error, area }),
        }
    }

    /// Maps a piece of the buffer where a user asked an importer for a mapping of the importer's own object. Contract: C6.
    ///
    /// `first_page` replaces the area's, which was the importer's. From then on the mapping is the buffer's alone: it keeps the
    /// buffer alive and not the importer's object, the exporter's declaration holds for it, and the importer does not see its faults.
    ///
    /// # Blocking
    /// As [`DmaBuf::map_user`].
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// As [`DmaBuf::map_user`]. The area comes back with the importer's own first page.
    ///
    /// # Examples
    /// ```
    /// # use wharf_core::{
    /// #     AccessMode, Coherency, CoherencyDeclaration, DmaBuf, ExportInfo, Exporter, MappingBackend, PageRun, Refusal, UserArea,
    /// #     UserMappingExporter,
    /// # };
    /// # struct Heap;
    /// # impl UserMappingExporter for Heap {
    /// #     fn declare(&self) -> CoherencyDeclaration<'_> {
    /// #         CoherencyDeclaration::Coherent
    /// #     }
    /// # }
    /// # impl Exporter for Heap {
    /// #     fn name(&self) -> &str {
    /// #         "heap"
    /// #     }
    /// #     fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
    /// #         Some(self)
    /// #     }
    /// # }
    /// # struct Nowhere;
    /// # impl MappingBackend for Nowhere {
    /// #     fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
    /// #         Ok(())
    /// #     }
    /// #     fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let info = ExportInfo::new(Heap, 16384);
    /// # let buffer = DmaBuf::export(info)?;
    /// // A driver tells its objects apart by page offsets; this one is at 0x10000 and shows the imported buffer from page 1 on.
    /// let area = UserArea {
    ///     first_page: 0x10000,
    ///     page_count: 3,
    ///     access: AccessMode::ReadWrite,
    ///     backend: Box::new(Nowhere),
    /// };
    /// let mapping = buffer.redirect_user_mapping(area, 1)?;
    /// assert_eq!(mapping.pages(), 1..4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// `dma_buf_mmap` (drivers/dma-buf/dma-buf.c, v6.12).
    //
    // DIFFERENCE: a redirected mapping obeys the access of the importer's handle. In the kernel only the mode of the
    // importer's own file limits it.
    #[track_caller]
    pub fn redirect_user_mapping(
        &self,
        area: UserArea,
        first_page: u64,
    ) -> Result<UserMapping, MapUserError> {
        match agree(self, &area, first_page) {
            Ok(agreed) => make(self, area, agreed),
            Err(error) => Err(MapUserError { error, area }),
        }
    }
}

/// Makes the mapping that was agreed on.
fn make(buffer: &DmaBuf, area: UserArea, agreed: Agreed<'_>) -> Result<UserMapping, MapUserError> {
    let Agreed {
        placement,
        coherency,
        claim,
    } = agreed;
    if coherency != Coherency::FaultTracked
        && let Err(error) = insert_all(buffer, &area, &placement, coherency)
    {
        return Err(MapUserError { error, area });
    }
    let entry = Entry {
        pages: placement.pages.clone(),
        access: area.access,
        coherency,
        backend: Arc::new(Owned::new(area.backend)),
        present: PageSet::default(),
        writable: PageSet::default(),
    };
    let mut state = buffer.user_mappings().state();
    let number = state.next_number();
    state.entries.insert(number, entry);
    drop(state);
    drop(claim);
    tracing::debug!(target: "wharf_core::user_mapping", buffer = buffer.id().get(), mapping = number,
        pages = ?placement.pages, ?coherency, "made");
    Ok(UserMapping {
        buffer: buffer.clone(),
        number,
        placement,
        allowed: buffer.access(),
    })
}

fn insert_all(
    buffer: &DmaBuf,
    area: &UserArea,
    placement: &Placement,
    coherency: Coherency,
) -> Result<(), UserMappingError> {
    let run = PageRun {
        mapping_page: 0,
        buffer_page: placement.pages.start,
        page_count: area.page_count,
    };
    let backend = area.backend.as_ref();
    backend::insert(backend, run, area.access, coherency).map_err(|fault| {
        // Part of it may be present, and the area goes back as it came.
        let _ = backend::remove(backend, run);
        UserMappingError::backend(buffer, fault)
    })
}
