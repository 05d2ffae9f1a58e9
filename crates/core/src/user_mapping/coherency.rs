//! What exporters declare about user mappings.

use std::fmt;
use std::ops::Range;

use crate::{AccessMode, Refusal};

/// How a user mapping stays coherent with devices. Contract: C2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coherency {
    /// CPU and devices always see the same bytes.
    Coherent,
    /// Pages are taken away when a device takes the buffer over, and made anew at the next touch: the user sees a coherent mapping.
    FaultTracked,
    /// The user brackets accesses with [`DmaBuf::begin_cpu_access`](crate::DmaBuf::begin_cpu_access).
    Explicit,
}

impl Coherency {
    /// Says whether the user must bracket accesses; brackets are never wrong.
    ///
    /// ```
    /// use wharf_core::Coherency;
    /// assert!(Coherency::Explicit.needs_brackets());
    /// assert!(!Coherency::FaultTracked.needs_brackets());
    /// assert!(!Coherency::Coherent.needs_brackets());
    /// ```
    pub fn needs_brackets(self) -> bool {
        self == Self::Explicit
    }
}

/// An exporter's declaration of how its user mappings stay coherent, with what the framework needs for it. Contract: C2.
#[derive(Clone, Copy)]
pub enum CoherencyDeclaration<'e> {
    /// The hardware keeps them so.
    Coherent,
    /// The framework tracks which pages the CPU has, with the exporter's help.
    FaultTracked(&'e dyn FaultTrackedExporter),
    /// The users do. That is today's kernel contract, weaker than that of 2012.
    Explicit,
}

impl CoherencyDeclaration<'_> {
    /// Returns what a user is told.
    pub fn coherency(&self) -> Coherency {
        match self {
            Self::Coherent => Coherency::Coherent,
            Self::FaultTracked(_) => Coherency::FaultTracked,
            Self::Explicit => Coherency::Explicit,
        }
    }
}

impl fmt::Debug for CoherencyDeclaration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.coherency(), f)
    }
}

/// What a mapping of the second range, from one size of the buffer to twice that, gets. Contract: C4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SecondRange {
    /// The same as one of the first range.
    #[default]
    SameAsFirst,
    /// [`Coherency::Explicit`].
    Explicit,
    /// [`Coherency::Explicit`] while the first range is not mapped: for machines that cannot mix caching policies. Once
    /// somebody maps the first range, all mappings are as those of the first range, for as long as they live.
    ExplicitUnlessMixed,
}

/// Rules of a buffer's user mappings.
///
/// Implementing it is safe, and nothing it does is trusted: its panics are contained, and bounds and access are checked before it
/// is asked.
///
/// # Locking
/// No lock of the framework is held during any method.
///
/// # Examples
/// See [`DmaBuf::map_user`](crate::DmaBuf::map_user).
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf_ops`, `mmap` (v6.12); "dma-buf: mmap support" (2012).
pub trait UserMappingExporter: Send + Sync {
    /// Declares how mappings stay coherent; the same at all times.
    fn declare(&self) -> CoherencyDeclaration<'_>;

    /// Declares what the second range is; the same at all times. The default has no explicit access to offer.
    fn second_range(&self) -> SecondRange {
        SecondRange::default()
    }

    /// Agrees to a mapping of `pages` (numbers of the buffer's pages, within it, not empty) or refuses it.
    ///
    /// # Errors
    /// Any [`Refusal`]; it reaches the caller of [`DmaBuf::map_user`](crate::DmaBuf::map_user).
    fn allow(&self, pages: Range<u64>, access: AccessMode) -> Result<(), Refusal> {
        let _ = (pages, access);
        Ok(())
    }
}

/// Makes single pages right for the CPU and for devices, for [`CoherencyDeclaration::FaultTracked`].
///
/// Each mapping for a device takes the buffer over, a kept one too. A page that is touched while a device has the buffer shows
/// whatever is there and stays present; an exporter whose devices write, and whose users touch meanwhile, takes the buffer over once more in
/// its unmap, with [`DmaBuf::shoot_down_user_mappings`](crate::DmaBuf::shoot_down_user_mappings).
///
/// Between two take-overs each page is invalidated at most once, before its first touch, and flushed if it may have been written.
///
/// # Blocking
/// A touch waits for `invalidate`, a take-over for `flush`. Neither should wait for device work: access of CPU and
/// device at the same time gives undefined content, and that is all (2012).
///
/// # Locking
/// No lock of the framework is held, except that `flush` may run under the buffer's reservation. `invalidate` may take it, and may call
/// [`DmaBuf::shoot_down_user_mappings`](crate::DmaBuf::shoot_down_user_mappings), for an exporter that moves the buffer
/// to make it reachable; the page is then invalidated again. All other calls on user mappings of the same buffer from within
/// these two are refused with EDEADLK.
///
/// # Examples
/// One page of memory behind a cache that devices do not see:
/// ```
/// use std::ops::Range;
/// use std::sync::{Arc, Mutex, PoisonError};
/// use wharf_core::{
///     AccessMode, Coherency, CoherencyDeclaration, DmaBuf, ExportInfo, Exporter, FaultKind, FaultTrackedExporter,
///     MappingBackend, PageRun, Refusal, UserArea, UserMappingExporter,
/// };
///
/// #[derive(Default)]
/// struct State {
///     memory: u8,
///     cache: Option<u8>,
///     is_present: bool,
/// }
///
/// #[derive(Clone, Default)]
/// struct Machine(Arc<Mutex<State>>);
///
/// impl Machine {
///     fn with<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
///         then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
///     }
/// }
///
/// impl FaultTrackedExporter for Machine {
///     fn invalidate(&self, _page: u64) -> Result<(), Refusal> {
///         self.with(|state| state.cache = None);
///         Ok(())
///     }
///     fn flush(&self, _pages: Range<u64>) -> Result<(), Refusal> {
///         self.with(|state| state.memory = state.cache.unwrap_or(state.memory));
///         Ok(())
///     }
/// }
/// impl UserMappingExporter for Machine {
///     fn declare(&self) -> CoherencyDeclaration<'_> {
///         CoherencyDeclaration::FaultTracked(self)
///     }
/// }
/// impl Exporter for Machine {
///     fn name(&self) -> &str {
///         "machine"
///     }
///     fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
///         Some(self)
///     }
/// }
/// impl MappingBackend for Machine {
///     fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
///         self.with(|state| state.is_present = true);
///         Ok(())
///     }
///     fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
///         self.with(|state| state.is_present = false);
///         Ok(())
///     }
/// }
///
/// let machine = Machine::default();
/// let buffer = DmaBuf::export(ExportInfo::new(machine.clone(), 4096))?;
/// let area = UserArea {
///     first_page: 0,
///     page_count: 1,
///     access: AccessMode::ReadWrite,
///     backend: Box::new(machine.clone()),
/// };
/// let mapping = buffer.map_user(area)?;
/// assert!(!machine.with(|state| state.is_present));
///
/// // The user writes: a fault, then the cache.
/// mapping.fault(0, FaultKind::Write)?;
/// machine.with(|state| state.cache = Some(7));
///
/// // A device takes over and sees it; the user's next touch faults again.
/// buffer.shoot_down_user_mappings(..)?;
/// assert_eq!(machine.with(|state| (state.memory, state.is_present)), (7, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FaultTrackedExporter: Send + Sync {
    /// Makes the buffer's page number `page` right for the CPU: what it cached of it before is forgotten.
    ///
    /// # Errors
    /// Any [`Refusal`]; the touch fails with it.
    fn invalidate(&self, page: u64) -> Result<(), Refusal>;

    /// Makes what the CPU wrote to `pages` (numbers of the buffer's pages) visible to devices. The CPU cannot reach them meanwhile.
    ///
    /// # Errors
    /// Any [`Refusal`]; the take-over fails with it, and the pages stay dirty.
    fn flush(&self, pages: Range<u64>) -> Result<(), Refusal>;
}
