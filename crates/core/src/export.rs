//! Making a buffer: the checks of `dma_buf_export`.

use std::fmt;
use std::sync::Arc;

use crate::contain::contain;
use crate::exporter::MapOps;
use crate::name::{self, BufferName, NameError};
use crate::{AccessMode, Errno, Exporter, ExporterRole, PAGE_BYTES, Reservation};

/// The longest exporter name in bytes.
const MAX_EXPORTER_NAME_BYTES: usize = 31;

/// The largest buffer in bytes: sizes must fit the signed 64-bit offsets of files, in whole pages.
pub(crate) const MAX_SIZE_BYTES: u64 = (u64::MAX >> 1) / PAGE_BYTES * PAGE_BYTES;

/// What [`DmaBuf::export`](crate::DmaBuf::export) needs to know.
pub struct ExportInfo {
    /// Who provides the memory.
    pub exporter: Box<dyn Exporter>,
    /// Size in bytes: a non-zero multiple of [`PAGE_BYTES`], fixed for life. Contract: B1.
    pub size_bytes: u64,
    /// What people call the buffer; can be changed later.
    pub name: Option<BufferName>,
    /// What the first handle allows; no handle made from it allows more.
    pub access: AccessMode,
    /// The reservation, if it is to be shared with other buffers: then one lock and one list of fences serve them all.
    pub reservation: Option<Arc<Reservation>>,
    /// What happens when one side is static and the other dynamic.
    pub mismatch: MismatchPolicy,
}

impl ExportInfo {
    /// Makes a description of a buffer without a name, for reading and writing, with a reservation of its own.
    ///
    /// The rest can be set with `..`:
    /// ```
    /// # use wharf_core::{BufferName, Exporter, ExportInfo};
    /// # struct Scratch;
    /// # impl Exporter for Scratch {
    /// #     fn name(&self) -> &str {
    /// #         "scratch"
    /// #     }
    /// # }
    /// let info = ExportInfo {
    ///     name: Some(BufferName::new("preview")?),
    ///     ..ExportInfo::new(Scratch, 4096)
    /// };
    /// # Ok::<(), wharf_core::NameError>(())
    /// ```
    pub fn new(exporter: impl Exporter, size_bytes: u64) -> Self {
        Self::from_box(Box::new(exporter), size_bytes)
    }

    /// The same for an exporter that is in a box already.
    pub fn from_box(exporter: Box<dyn Exporter>, size_bytes: u64) -> Self {
        Self {
            exporter,
            size_bytes,
            name: None,
            access: AccessMode::ReadWrite,
            reservation: None,
            mismatch: MismatchPolicy::default(),
        }
    }
}

/// What the framework does when a static importer meets a dynamic exporter, or the other way round.
///
/// # References
/// Kernel commits 15fd552d186c (v5.5) and, for the later rule, v6.15, which removed the mapping at attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MismatchPolicy {
    /// It maps once, when attaching, both ways, and keeps that mapping until the end; a dynamic exporter is pinned as long. Contract: L4.
    #[default]
    MapAtAttach,
    /// It keeps nothing, and pins a dynamic exporter around each mapping. A static exporter's map and unmap are then called with the
    /// reservation held for dynamic importers. Contract: L5.
    PinOnMap,
}

impl fmt::Debug for ExportInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportInfo")
            .field("size_bytes", &self.size_bytes)
            .field("name", &self.name)
            .field("access", &self.access)
            .field("mismatch", &self.mismatch)
            .finish_non_exhaustive()
    }
}

/// What was wrong with an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFault {
    /// The size is zero or not a multiple of the page unit.
    #[error("buffer size of {size_bytes} bytes is not a non-zero multiple of {page_bytes}; round it up")]
    Unaligned {
        /// The size asked for, in bytes.
        size_bytes: u64,
        /// The page unit, in bytes.
        page_bytes: u64,
    },
    /// The size is more than any file offset can reach.
    #[error("buffer size of {size_bytes} bytes is above the limit of {max_bytes} bytes")]
    TooLarge {
        /// The size asked for, in bytes.
        size_bytes: u64,
        /// The largest size allowed, in bytes.
        max_bytes: u64,
    },
    /// The exporter's name breaks the rule for names.
    #[error("exporter has no usable name: {0}")]
    ExporterName(NameError),
    /// The exporter panicked when asked for its name and kind.
    #[error("exporter panicked when asked for its name and kind: {message}; this is a bug of the exporter")]
    ExporterPanicked {
        /// What the panic said.
        message: String,
    },
}

impl ExportFault {
    /// Returns what the kernel answers: EINVAL for bad arguments, EOVERFLOW for sizes that no file can have; and
    /// EIO for a panicking exporter.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unaligned { .. } | Self::ExporterName(_) => Errno::EINVAL,
            Self::TooLarge { .. } => Errno::EOVERFLOW,
            Self::ExporterPanicked { .. } => Errno::EIO,
        }
    }
}

/// A failed export, with the exporter in it: it has not been released and still owns its memory.
#[derive(thiserror::Error)]
#[error("{fault}")]
pub struct ExportError {
    fault: ExportFault,
    exporter: Box<dyn Exporter>,
}

impl ExportError {
    /// Returns what was wrong.
    pub fn fault(&self) -> &ExportFault {
        &self.fault
    }

    /// Returns the error number of what was wrong.
    pub fn errno(&self) -> Errno {
        self.fault.errno()
    }

    /// Gives the exporter back.
    pub fn into_exporter(self) -> Box<dyn Exporter> {
        self.exporter
    }
}

impl fmt::Debug for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportError")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// An export that passed all checks.
pub(crate) struct CheckedExport {
    pub(crate) info: ExportInfo,
    pub(crate) exporter_name: Box<str>,
    pub(crate) exporter_role: ExporterRole,
}

/// Checks an export, asking the exporter for its name and kind.
pub(crate) fn check(info: ExportInfo) -> Result<CheckedExport, ExportError> {
    match check_size(info.size_bytes).and_then(|()| ask(info.exporter.as_ref())) {
        Ok((exporter_name, exporter_role)) => Ok(CheckedExport {
            info,
            exporter_name,
            exporter_role,
        }),
        Err(fault) => Err(ExportError {
            fault,
            exporter: info.exporter,
        }),
    }
}

fn check_size(size_bytes: u64) -> Result<(), ExportFault> {
    if size_bytes == 0 || !size_bytes.is_multiple_of(PAGE_BYTES) {
        return Err(ExportFault::Unaligned {
            size_bytes,
            page_bytes: PAGE_BYTES,
        });
    }
    if size_bytes > MAX_SIZE_BYTES {
        return Err(ExportFault::TooLarge {
            size_bytes,
            max_bytes: MAX_SIZE_BYTES,
        });
    }
    Ok(())
}

fn ask(exporter: &dyn Exporter) -> Result<(Box<str>, ExporterRole), ExportFault> {
    let answer = contain(|| {
        let kind = match exporter.map_ops() {
            MapOps::None => ExporterRole::Unmappable,
            MapOps::Static(_) => ExporterRole::Static,
            MapOps::Dynamic(_) => ExporterRole::Dynamic,
        };
        let name = exporter.name();
        name::check(name, MAX_EXPORTER_NAME_BYTES).map(|()| (Box::from(name), kind))
    });
    match answer {
        Ok(checked) => checked.map_err(ExportFault::ExporterName),
        Err(message) => Err(ExportFault::ExporterPanicked { message }),
    }
}
