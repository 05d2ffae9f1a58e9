//! Why a device cannot have a buffer.

use std::fmt;

use crate::dma::{Conflict, Unsuitable, Violation};
use crate::{BufferId, DataDirection, Errno, ExporterFault, UserMappingError, WaitError, WwWaitError};

/// Whom an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parties {
    /// The buffer.
    pub buffer: BufferId,
    /// The name of its exporter.
    pub exporter: Box<str>,
    /// The device, with its functions if they were named.
    pub device: Box<str>,
}

impl fmt::Display for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "buffer {} of exporter '{}', device '{}'",
            self.buffer, self.exporter, self.device
        )
    }
}

/// The reason why a buffer has no memory that suits its devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackingError {
    /// No memory at all can suit all attached devices together.
    #[error("{0}")]
    Conflict(Conflict),
    /// The reservation, which a dynamic exporter allocates under, could not be locked.
    #[error("before memory could be allocated: {0}")]
    Reservation(WwWaitError),
    /// The exporter could not allocate.
    #[error("the exporter could not allocate: it {0}")]
    Exporter(ExporterFault),
    /// The exporter allocated something else than was asked for.
    #[error(
        "the exporter allocated memory that does not suit the devices attached: {0}; this is a bug of the exporter"
    )]
    Unsuitable(Unsuitable),
}

impl BackingError {
    /// Returns EBUSY for a conflict, ETIMEDOUT, EINTR or EDEADLK for the reservation, the exporter's own number, or EIO for its bugs.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Conflict(_) => Errno::EBUSY,
            Self::Reservation(source) => source.errno(),
            Self::Exporter(fault) => fault.errno(),
            Self::Unsuitable(_) => Errno::EIO,
        }
    }
}

/// A buffer that could not be mapped or pinned for a device, or not be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parties}: {fault}")]
pub struct MapError {
    pub(super) parties: Box<Parties>,
    pub(super) fault: MapFault,
}

impl MapError {
    pub(super) fn new(parties: Parties, fault: MapFault) -> Self {
        Self {
            parties: Box::new(parties),
            fault,
        }
    }

    /// Returns whom it is about.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// Returns what was wrong.
    pub fn fault(&self) -> &MapFault {
        &self.fault
    }

    /// Returns the error number of what was wrong.
    pub fn errno(&self) -> Errno {
        self.fault.errno()
    }
}

/// The reason why a buffer cannot be mapped or pinned for a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapFault {
    /// The device would write, and the attachment does not allow it. Contract: A6.
    #[error(
        "a read-only attachment cannot be mapped {direction:?}; use ToDevice, or attach with write access"
    )]
    ReadOnly {
        /// The direction asked for.
        direction: DataDirection,
    },
    /// The attachment's only mapping has another direction, and it is kept. Contract: L4.
    #[error(
        "mapped {cached:?} for the life of the attachment, which cannot serve {asked:?}; attach once more for the other direction"
    )]
    Direction {
        /// The direction of the mapping that is kept.
        cached: DataDirection,
        /// The direction asked for.
        asked: DataDirection,
    },
    /// The guard is the lock of another reservation.
    #[error("the guard given holds another reservation than the buffer's")]
    WrongGuard,
    /// This thread holds the reservation, which the call takes itself.
    #[error("this thread already holds the reservation, which this call takes itself; drop the guard first")]
    Recursion,
    /// The buffer was taken away for good.
    #[error("the buffer was revoked by its exporter")]
    Revoked,
    /// There is no memory for the buffer.
    #[error("{0}")]
    Backing(Box<BackingError>),
    /// The exporter failed.
    #[error("the exporter {0}")]
    Exporter(ExporterFault),
    /// The exporter mapped something that the device cannot use. It has been taken back.
    #[error("the exporter's mapping breaks the device's limits: {0}; this is a bug of the exporter")]
    BadTable(Box<Violation>),
    /// The pages that user mappings have could not be taken away from them; nothing is mapped. Contract: C2.
    #[error("user mappings stay in the way: {0}")]
    UserMappings(Box<UserMappingError>),
    /// Waiting for the lock or for fences of [`Usage::Kernel`](crate::Usage::Kernel) ended early.
    #[error("{source} while waiting for {what}")]
    Wait {
        /// For what.
        what: &'static str,
        /// How it ended.
        source: WaitError,
    },
}

impl MapFault {
    /// Returns what the kernel answers: EACCES, EBUSY for another direction, EINVAL for a wrong guard, EDEADLK for recursion, ENODEV when
    /// revoked, ETIMEDOUT, EINTR, the exporter's own number, or EIO for its bugs.
    pub fn errno(&self) -> Errno {
        match self {
            Self::ReadOnly { .. } => Errno::EACCES,
            Self::Direction { .. } => Errno::EBUSY,
            Self::WrongGuard => Errno::EINVAL,
            Self::Recursion => Errno::EDEADLK,
            Self::Revoked => Errno::ENODEV,
            Self::Backing(source) => source.errno(),
            Self::Exporter(fault) => fault.errno(),
            Self::BadTable(_) => Errno::EIO,
            Self::UserMappings(source) => source.errno(),
            Self::Wait { source, .. } => source.errno(),
        }
    }
}

/// A call that gives something back took the wrong guard; what was to be given back is still there.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct GiveBackError<T> {
    pub(super) error: MapError,
    pub(super) kept: T,
}

impl<T> GiveBackError<T> {
    /// Returns what was wrong.
    pub fn error(&self) -> &MapError {
        &self.error
    }

    /// Returns the error number of what was wrong.
    pub fn errno(&self) -> Errno {
        self.error.errno()
    }

    /// Returns what was to be given back.
    pub fn into_kept(self) -> T {
        self.kept
    }
}

impl<T> fmt::Debug for GiveBackError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GiveBackError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
