//! Why a device cannot be attached.

use std::fmt;

use super::{Holder, MapError, MapFault, Parties};
use crate::dma::{Conflict, Unsuitable, Violation};
use crate::moves::RelocateFault;
use crate::{Errno, ExporterFault, UserMappingError, WaitError};

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
