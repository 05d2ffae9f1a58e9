//! Making a buffer: the checks of `dma_buf_export`.

use std::fmt;

use crate::contain::contain;
use crate::name::{self, BufferName, NameError};
use crate::{AccessMode, Errno, Exporter, PAGE_BYTES};

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
}

impl fmt::Debug for ExportInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportInfo")
            .field("size_bytes", &self.size_bytes)
            .field("name", &self.name)
            .field("access", &self.access)
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
    /// The exporter panicked when asked for its name.
    #[error("exporter panicked when asked for its name: {message}; this is a bug of the exporter")]
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
}

/// Checks an export, asking the exporter for its name.
pub(crate) fn check(info: ExportInfo) -> Result<CheckedExport, ExportError> {
    match check_size(info.size_bytes).and_then(|()| exporter_name(info.exporter.as_ref())) {
        Ok(exporter_name) => Ok(CheckedExport { info, exporter_name }),
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

fn exporter_name(exporter: &dyn Exporter) -> Result<Box<str>, ExportFault> {
    let answer = contain(|| {
        let answer = exporter.name();
        name::check(answer, MAX_EXPORTER_NAME_BYTES).map(|()| Box::from(answer))
    });
    match answer {
        Ok(checked) => checked.map_err(ExportFault::ExporterName),
        Err(message) => Err(ExportFault::ExporterPanicked { message }),
    }
}
