//! What can go wrong with user mappings.

use std::fmt;

use super::{BackendFault, UserArea};
use crate::{BackingError, BufferId, DmaBuf, Errno, ExporterFault, RangeError};

/// The reason why something could not be done with user mappings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserMappingError {
    /// The exporter allows no user mappings.
    #[error("buffer {buffer}: exporter '{exporter}' has no user mappings; use CpuAccess::page or vmap")]
    Unsupported {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
    },
    /// The mapping would have no page.
    #[error("buffer {buffer}: a mapping of no page at page {first_page}; map at least one")]
    Empty {
        /// Which buffer.
        buffer: BufferId,
        /// The first page asked for.
        first_page: u64,
    },
    /// First page and page count together do not fit in 64 bits.
    #[error("buffer {buffer}: {page_count} pages at page {first_page} end past the largest 64-bit number")]
    Overflow {
        /// Which buffer.
        buffer: BufferId,
        /// The first page asked for.
        first_page: u64,
        /// The number of pages asked for.
        page_count: u64,
    },
    /// The mapping would end behind the range it starts in.
    #[error(
        "buffer {buffer}: {page_count} pages at page {first_page} end behind the range of {pages} pages; \
         the second range is as long as the first and starts where that ends"
    )]
    PastEnd {
        /// Which buffer.
        buffer: BufferId,
        /// The first page asked for.
        first_page: u64,
        /// The number of pages asked for.
        page_count: u64,
        /// Size of the buffer, and so of each of the two ranges, in pages.
        pages: u64,
    },
    /// The handle that the mapping comes from is read-only.
    #[error("buffer {buffer}: a read-only handle gives no writable mapping")]
    ReadOnly {
        /// Which buffer.
        buffer: BufferId,
    },
    /// A write touched a mapping that is not writable.
    #[error("buffer {buffer}: page {page} of a read-only mapping was written")]
    NotWritable {
        /// Which buffer.
        buffer: BufferId,
        /// The page touched, counted from the start of the mapping.
        page: u64,
    },
    /// A touch was outside the mapping.
    #[error("buffer {buffer}: page {page} was touched in a mapping of {page_count} pages")]
    NoSuchPage {
        /// Which buffer.
        buffer: BufferId,
        /// The page touched, counted from the start of the mapping.
        page: u64,
        /// Size of the mapping in pages.
        page_count: u64,
    },
    /// The byte range does not lie in the buffer.
    #[error("buffer {buffer}: {source}")]
    Range {
        /// Which buffer.
        buffer: BufferId,
        /// What is wrong with the range.
        source: RangeError,
    },
    /// An exporter or a backend called back from within a call on the same buffer's user mappings.
    #[error(
        "buffer {buffer}: exporter '{exporter}' or a mapping backend called back while it was being called"
    )]
    Recursive {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
    },
    /// The buffer was taken away for good.
    #[error("buffer {buffer} was revoked by its exporter")]
    Revoked {
        /// Which buffer.
        buffer: BufferId,
    },
    /// There is no memory for the buffer. Contract: A2.
    #[error("buffer {buffer}: {source}")]
    Backing {
        /// Which buffer.
        buffer: BufferId,
        /// Why.
        source: Box<BackingError>,
    },
    /// The exporter failed.
    #[error("buffer {buffer}: exporter '{exporter}' {fault}")]
    Exporter {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
        /// How it failed.
        fault: ExporterFault,
    },
    /// The mapping backend failed.
    #[error("buffer {buffer}: mapping backend {fault}")]
    Backend {
        /// Which buffer.
        buffer: BufferId,
        /// How it failed.
        fault: BackendFault,
    },
}

impl UserMappingError {
    /// Returns what `mmap`, `mprotect` or the fault answer for the same cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unsupported { .. } | Self::Empty { .. } | Self::PastEnd { .. } => Errno::EINVAL,
            // DIFFERENCE: a touch past the end is an error number here and a SIGBUS in the kernel. Contract: C1.
            Self::NoSuchPage { .. } => Errno::EINVAL,
            Self::Overflow { .. } => Errno::EOVERFLOW,
            Self::ReadOnly { .. } | Self::NotWritable { .. } => Errno::EACCES,
            Self::Range { source, .. } => source.errno(),
            Self::Recursive { .. } => Errno::EDEADLK,
            Self::Revoked { .. } => Errno::ENODEV,
            Self::Backing { source, .. } => source.errno(),
            Self::Exporter { fault, .. } => fault.errno(),
            Self::Backend { fault, .. } => fault.errno(),
        }
    }

    pub(super) fn recursive(buffer: &DmaBuf) -> Self {
        Self::Recursive {
            buffer: buffer.id(),
            exporter: buffer.exporter_name().into(),
        }
    }

    pub(super) fn exporter(buffer: &DmaBuf, fault: ExporterFault) -> Self {
        Self::Exporter {
            buffer: buffer.id(),
            exporter: buffer.exporter_name().into(),
            fault,
        }
    }

    pub(super) fn backend(buffer: &DmaBuf, fault: BackendFault) -> Self {
        let buffer = buffer.id();
        Self::Backend { buffer, fault }
    }
}

/// A mapping that could not be made, with the area in it: as it was given, with nothing mapped.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct MapUserError {
    pub(super) error: UserMappingError,
    pub(super) area: UserArea,
}

impl MapUserError {
    /// Returns what was wrong.
    pub fn error(&self) -> &UserMappingError {
        &self.error
    }

    /// Returns the error number of what was wrong.
    pub fn errno(&self) -> Errno {
        self.error.errno()
    }

    /// Gives the area back.
    pub fn into_area(self) -> UserArea {
        self.area
    }
}

impl fmt::Debug for MapUserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUserError")
            .field("error", &self.error)
            .field("area", &self.area)
            .finish()
    }
}
