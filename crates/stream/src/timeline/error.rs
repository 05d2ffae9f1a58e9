//! What can go wrong when a point is signaled.

use super::layout::MAX_POINT;
use wharf_core::Errno;

/// Why a point was not signaled. Nothing has changed. Blame: the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalPointError {
    /// The point, or one after it, is signaled already.
    #[error("point {point} of a timeline cannot be signaled: {last} is already, and points rise")]
    NotLater {
        /// The point asked for.
        point: u64,
        /// The highest point signaled.
        last: u64,
    },
    /// There are no such points.
    #[error("point {point} is above the highest of a timeline, {MAX_POINT}")]
    TooHigh {
        /// The point asked for.
        point: u64,
    },
    /// The number means no error.
    #[error("{errno} is not an error number; use 1 to 4095")]
    NotAnError {
        /// The number refused.
        errno: Errno,
    },
}

impl SignalPointError {
    /// EINVAL, as signaling a fence twice; ERANGE for a point that is too high.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotLater { .. } | Self::NotAnError { .. } => Errno::EINVAL,
            Self::TooHigh { .. } => Errno::ERANGE,
        }
    }
}
