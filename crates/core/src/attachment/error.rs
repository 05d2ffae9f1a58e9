//! Why a device cannot have a buffer.

use std::fmt;

use super::Holder;
use crate::dma::{Conflict, Unsuitable, Violation};
use crate::moves::RelocateFault;
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
    parties: Box<Parties>,
    fault: MapFault,
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

/// Why memory that is already there cannot be changed to suit one more device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotMoved {
    /// No memory can suit it and those attached already. Nothing helps but to detach one of them.
    Conflict(Box<Conflict>),
    /// It would do after a move, but these hold the memory where it is.
    Held(Vec<Holder>),
    /// The exporter is static: its memory never moves.
    Static,
    /// It would do after a move, which the exporter could not make.
    Exporter(ExporterFault),
    /// It would do after a move, but pages of user mappings could not be taken away.
    UserMappings(Box<UserMappingError>),
    /// It was moved, to a place that does not suit somebody either: a bug of the exporter.
    MovedWrongly(Box<Unsuitable>),
}

impl From<RelocateFault> for NotMoved {
    fn from(fault: RelocateFault) -> Self {
        match fault {
            RelocateFault::Held(holders) => Self::Held(holders),
            RelocateFault::UserMappings(source) => Self::UserMappings(Box::new(source)),
            RelocateFault::Exporter(fault) => Self::Exporter(fault),
        }
    }
}

impl fmt::Display for NotMoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => write!(f, "no memory suits everybody attached: {conflict}"),
            Self::Held(holders) => {
                f.write_str("it would after a move, but it is held in place by ")?;
                super::holder::list(f, holders)
            }
            Self::Static => f.write_str("the exporter is static and cannot move it"),
            Self::Exporter(fault) => write!(f, "it would after a move, but the exporter {fault}"),
            Self::UserMappings(source) => {
                write!(
                    f,
                    "it would after a move, but user mappings stay in the way: {source}"
                )
            }
            Self::MovedWrongly(unsuitable) => {
                write!(
                    f,
                    "the exporter moved it to a place that does not do either: {unsuitable}; this is a bug of the exporter"
                )
            }
        }
    }
}

/// A device that could not be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parties}: {fault}")]
pub struct AttachError {
    parties: Box<Parties>,
    fault: AttachFault,
}

impl AttachError {
    pub(super) fn new(parties: Parties, fault: AttachFault) -> Self {
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
    pub fn fault(&self) -> &AttachFault {
        &self.fault
    }

    /// Returns the error number of what was wrong.
    pub fn errno(&self) -> Errno {
        self.fault.errno()
    }
}

impl From<MapError> for AttachError {
    fn from(error: MapError) -> Self {
        Self {
            parties: error.parties,
            fault: AttachFault::Map(error.fault),
        }
    }
}

/// The reason why a device cannot be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachFault {
    /// The exporter serves no devices.
    #[error("this exporter cannot map its memory for devices")]
    NotMappable,
    /// A read-only handle cannot give write access.
    #[error("a read-only handle cannot attach a device for writing; ask for read-only access")]
    ReadOnly,
    /// The memory is there and does not suit the device. Contract: A3.
    #[error("the memory there is does not suit the device: {violation}; {why_not_moved}")]
    Unsuitable {
        /// Which limit it breaks.
        violation: Box<Violation>,
        /// Why it was not moved to where it would.
        why_not_moved: NotMoved,
    },
    /// There is no memory yet, and none can suit the device and those attached already: which limits contradict each other, and whose
    /// they are.
    #[error("no memory suits everybody attached: {0}")]
    Conflict(Box<Conflict>),
    /// The buffer was taken away for good.
    #[error("the buffer was revoked by its exporter")]
    Revoked,
    /// The exporter failed or said no.
    #[error("the exporter {0}")]
    Exporter(ExporterFault),
    /// The importer panicked when asked what it is.
    #[error("the importer {0}")]
    Importer(ExporterFault),
    /// The mapping that a static side needs for the life of the attachment failed; nothing is attached. Contract: L4.
    #[error("mapping at attach: {0}")]
    Map(MapFault),
    /// Waiting for the reservation ended early.
    #[error("{0} while waiting for the reservation")]
    Wait(WaitError),
    /// This thread holds the reservation, which attaching takes itself.
    #[error("this thread already holds the reservation, which attaching takes itself; drop the guard first")]
    Recursion,
}

impl AttachFault {
    /// Returns what the kernel answers: EBUSY for memory that does not suit, EOPNOTSUPP for an exporter without devices, EACCES, ENODEV
    /// when revoked, EDEADLK for recursion, ETIMEDOUT, EINTR, the exporter's own number, or EIO for a panic.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotMappable => Errno::EOPNOTSUPP,
            Self::ReadOnly => Errno::EACCES,
            Self::Unsuitable { .. } | Self::Conflict(_) => Errno::EBUSY,
            Self::Revoked => Errno::ENODEV,
            Self::Exporter(fault) | Self::Importer(fault) => fault.errno(),
            Self::Map(source) => source.errno(),
            Self::Wait(source) => source.errno(),
            Self::Recursion => Errno::EDEADLK,
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
