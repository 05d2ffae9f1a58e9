//! Why a buffer was not moved or taken away.

use super::RelocateFault;
use crate::{BufferId, Errno, ExporterFault, Holder, UserMappingError};

/// The reason why a buffer was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The buffer exists no more, or is just being released.
    #[error("the buffer has been released")]
    Released,
    /// The exporter is static.
    #[error("buffer {buffer}: a static exporter has promised that its memory never moves")]
    Static {
        /// Which buffer.
        buffer: BufferId,
    },
    /// The guard is the lock of another reservation.
    #[error("buffer {buffer}: the guard given holds another reservation than the buffer's")]
    WrongGuard {
        /// Which buffer.
        buffer: BufferId,
    },
    /// Somebody holds it where it is. Contract: A5.
    #[error("buffer {buffer} is held in place by {}", Self::list(holders))]
    Held {
        /// Which buffer.
        buffer: BufferId,
        /// Everybody who does.
        holders: Vec<Holder>,
    },
    /// Pages of user mappings could not be taken away; nothing has moved and nobody was told.
    #[error("buffer {buffer}: user mappings stay in the way: {fault}")]
    UserMappings {
        /// Which buffer.
        buffer: BufferId,
        /// Why.
        fault: Box<UserMappingError>,
    },
    /// The exporter's own part failed; nothing has moved and nobody was told.
    #[error("buffer {buffer}: the exporter {fault}")]
    Exporter {
        /// Which buffer.
        buffer: BufferId,
        /// How it failed.
        fault: ExporterFault,
    },
}

impl MoveError {
    pub(super) fn new(buffer: BufferId, fault: RelocateFault) -> Self {
        match fault {
            RelocateFault::Held(holders) => Self::Held { buffer, holders },
            RelocateFault::UserMappings(fault) => Self::UserMappings {
                buffer,
                fault: Box::new(fault),
            },
            RelocateFault::Exporter(fault) => Self::Exporter { buffer, fault },
        }
    }

    fn list(holders: &[Holder]) -> String {
        let texts: Vec<String> = holders.iter().map(ToString::to_string).collect();
        texts.join(", ")
    }

    /// Returns EBUSY for a buffer that is held, EINVAL for a wrong guard or a static exporter, ENODEV for a released buffer, or the exporter's
    /// own number.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Released => Errno::ENODEV,
            Self::Static { .. } | Self::WrongGuard { .. } => Errno::EINVAL,
            Self::Held { .. } => Errno::EBUSY,
            Self::UserMappings { fault, .. } => fault.errno(),
            Self::Exporter { fault, .. } => fault.errno(),
        }
    }
}

/// The reason why a buffer was not taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The buffer exists no more, or is just being released.
    #[error("the buffer has been released")]
    Released,
    /// The guard is the lock of another reservation.
    #[error("buffer {buffer}: the guard given holds another reservation than the buffer's")]
    WrongGuard {
        /// Which buffer.
        buffer: BufferId,
    },
    /// Pages of user mappings could not be taken away; the buffer is not revoked.
    #[error("user mappings stay in the way: {0}")]
    UserMappings(Box<UserMappingError>),
    /// Somebody is attached, or has it mapped for the CPU, who cannot give it up.
    #[error("buffer {buffer} cannot be taken from {}; wait until they detach", unable.join(", "))]
    NotRevocable {
        /// Which buffer.
        buffer: BufferId,
        /// The devices, by label, and uses by the CPU.
        unable: Vec<Box<str>>,
    },
}

impl RevokeError {
    /// Returns EBUSY if somebody cannot give it up, EINVAL for a wrong guard, ENODEV for a released buffer.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Released => Errno::ENODEV,
            Self::WrongGuard { .. } => Errno::EINVAL,
            Self::NotRevocable { .. } => Errno::EBUSY,
            Self::UserMappings(source) => source.errno(),
        }
    }
}
