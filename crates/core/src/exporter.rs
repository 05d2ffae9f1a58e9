//! Who provides the memory of a buffer.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;

use crate::contain::contain;
use crate::{
    CpuBytes, DataDirection, Errno, ExporterControl, Fence, Usage, UserMappingExporter, VmapExporter,
};

mod dma;

pub use dma::{Backing, DmaExporter, DynamicExporter, MapOps, MapRequest, StaticExporter};

/// Provides a buffer's memory and keeps CPU access to it coherent: the kernel's `struct dma_buf_ops`.
///
/// Implementing it is safe, and nothing it does is trusted: its answers are checked again, its panics are contained,
/// and a wrong exporter may fail its own buffers only. All methods may be called from several threads at once, except
/// [`Exporter::release`]. An exporter that needs its own buffer keeps a [`WeakDmaBuf`](crate::WeakDmaBuf); with a strong handle the
/// buffer would never be released. Contract: B5.
///
/// What it can do for devices is behind [`Exporter::map_ops`].
///
/// # Locking
/// No lock of the framework is held during any method here.
///
/// # Blocking
/// The methods may block; the caller of the framework waits meanwhile.
///
/// # Examples
/// An exporter of ordinary memory, found again from the buffer as the kernel does with `dmabuf->ops == &my_ops`:
/// ```
/// use wharf_core::{DmaBuf, Exporter, ExportInfo};
///
/// struct Heap {
///     base: u64,
/// }
/// impl Exporter for Heap {
///     fn name(&self) -> &str {
///         "example-heap"
///     }
/// }
///
/// let buffer = DmaBuf::export(ExportInfo::new(Heap { base: 0x1000 }, 4096))?;
/// assert_eq!(buffer.exporter::<Heap>().map(|heap| heap.base), Some(0x1000));
/// # Ok::<(), wharf_core::ExportError>(())
/// ```
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf_ops`.
pub trait Exporter: Any + Send + Sync {
    /// Returns the exporter's name: 1 to 31 bytes without control characters, equal for all its buffers.
    ///
    /// Asked once, at export. Contract: B2.
    fn name(&self) -> &str;

    /// Gets the handle with which it moves the buffer or takes it away; called once, right after the export.
    ///
    /// Most exporters have no use for it.
    fn exported(&self, control: ExporterControl) {
        drop(control);
    }

    /// Returns what it does for devices: nothing, by default.
    ///
    /// Whether this is nothing, static or dynamic is fixed at export; another answer later fails the call it was asked for. Contract: L1.
    fn map_ops(&self) -> MapOps<'_> {
        MapOps::None
    }

    /// Returns the fences that others have put on the buffer where this process does not see it: those of a kernel's drivers on a buffer of the
    /// kernel.
    ///
    /// Asked before every wait for CPU access and by [`DmaBuf::refresh_fences`](crate::DmaBuf::refresh_fences); the answer is added to the
    /// reservation. So that asking often adds little, an exporter numbers what it returns upwards in one context for each usage. The
    /// default has none. Contract: R.
    ///
    /// # Errors
    /// Any [`Refusal`]; it reaches whoever wanted to wait.
    fn outside_fences(&self) -> Result<Vec<(Fence, Usage)>, Refusal> {
        Ok(Vec::new())
    }

    /// Makes `range` (in bytes, within the buffer, not empty) right for CPU access in `direction`.
    ///
    /// When it fails there is no access, and `end_cpu_access` is not called. The default does nothing, which is
    /// right for memory that is always coherent. Contract: C3.
    ///
    /// # Errors
    /// Any [`Refusal`]; it reaches the caller of [`DmaBuf::begin_cpu_access`](crate::DmaBuf::begin_cpu_access).
    fn begin_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        let _ = (range, direction);
        Ok(())
    }

    /// Makes what the CPU did in `range` visible to devices; called once for each successful begin, with its arguments.
    ///
    /// # Errors
    /// Any [`Refusal`]; the access is over all the same.
    fn end_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        let _ = (range, direction);
        Ok(())
    }

    /// Returns the exporter's byte access, if it has any; without it, [`CpuAccess::page`](crate::CpuAccess::page) is refused.
    fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
        None
    }

    /// Returns how to map the whole buffer for the CPU, if the exporter can: the kernel's `vmap` and `vunmap`.
    fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
        None
    }

    /// Returns the rules of user mappings, if the exporter allows any: the kernel's `mmap`.
    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        None
    }

    /// Lets go of the buffer: called exactly once, when the last strong handle and the last guard are gone, whatever their
    /// order; the exporter is dropped right after. The default leaves everything to that drop.
    fn release(&mut self) {}
}

/// The answer of an exporter that cannot or will not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({errno})")]
pub struct Refusal {
    /// The error number; one that is no error (see [`Errno::is_error`]) is replaced by EIO.
    pub errno: Errno,
    /// Why, in words: lower case, with the numbers that matter.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(errno: Errno, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errno,
            reason: reason.into(),
        }
    }

    /// The same refusal, with EIO for a number that is no error.
    pub(crate) fn checked(mut self) -> Self {
        if !self.errno.is_error() {
            self.errno = Errno::EIO;
        }
        self
    }
}

/// How a call of an exporter went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExporterFault {
    /// It said no.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It panicked.
    #[error("panicked: {message}; this is a bug of the exporter")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// Its answers contradict each other.
    #[error("{what}; this is a bug of the exporter")]
    Inconsistent {
        /// What it does.
        what: &'static str,
    },
}

impl ExporterFault {
    /// Returns the exporter's own error number, or EIO for its bugs.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Refused(refusal) => refusal.errno,
            Self::Panicked { .. } | Self::Inconsistent { .. } => Errno::EIO,
        }
    }
}

/// Calls an exporter and checks its answer.
pub(crate) fn call<T>(foreign: impl FnOnce() -> Result<T, Refusal>) -> Result<T, ExporterFault> {
    match contain(foreign) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(refusal)) => Err(ExporterFault::Refused(refusal.checked())),
        Err(message) => Err(ExporterFault::Panicked { message }),
    }
}
