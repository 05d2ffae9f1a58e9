//! Why a buffer could not be mapped for the CPU of this process.

use crate::{BackingError, BufferId, Errno, ExporterFault, WwWaitError};

/// The reason why a buffer could not be mapped for the CPU of this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VmapError {
    /// The exporter cannot.
    #[error("buffer {buffer}: exporter '{exporter}' has no vmap; use CpuAccess::page or a user mapping")]
    Unsupported {
        /// Which buffer.
        buffer: BufferId,
        /// Name of the exporter.
        exporter: Box<str>,
    },
    /// The guard is of another reservation.
    #[error("buffer {buffer}: vmap with the guard of another reservation; lock the buffer's own")]
    WrongGuard {
        /// Which buffer.
        buffer: BufferId,
    },
    /// The reservation could not be locked.
    #[error("buffer {buffer}: {source}")]
    Lock {
        /// Which buffer.
        buffer: BufferId,
        /// Why.
        source: WwWaitError,
    },
    /// The exporter's own `vmap` or `vunmap` of this buffer asked for another.
    #[error("buffer {buffer}: exporter '{exporter}' called vmap from within its own vmap or vunmap")]
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
}

impl VmapError {
    /// Returns EINVAL when the exporter cannot or the guard is wrong, EDEADLK when it calls itself, and otherwise the number of what
    /// failed.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unsupported { .. } | Self::WrongGuard { .. } => Errno::EINVAL,
            Self::Lock { source, .. } => source.errno(),
            Self::Recursive { .. } => Errno::EDEADLK,
            Self::Revoked { .. } => Errno::ENODEV,
            Self::Backing { source, .. } => source.errno(),
            Self::Exporter { fault, .. } => fault.errno(),
        }
    }
}
