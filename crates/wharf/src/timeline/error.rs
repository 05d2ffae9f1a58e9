//! What can go wrong when somebody waits for a point.

use rustix::io::Errno;
use std::time::Duration;

/// Why a wait for points of timelines did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointError {
    /// The points were not settled within the time the caller gave. Wait again.
    #[error("point {point} of {timeline} was not signaled within {waited:?}")]
    TimedOut {
        /// The timeline; the first that is in the way.
        timeline: String,
        /// The point.
        point: u64,
        /// How long the call waited.
        waited: Duration,
    },
    /// The owner signaled the point with an error: the work that it stands for went wrong.
    #[error("point {point} of {timeline} failed: {errno}")]
    Failed {
        /// The timeline.
        timeline: String,
        /// The point.
        point: u64,
        /// What the owner says.
        errno: wharf_core::Errno,
    },
    /// The owner gave the timeline up before it signaled the point.
    #[error("{timeline} was dropped by its owner before point {point} was signaled")]
    Dropped {
        /// The timeline.
        timeline: String,
        /// The point.
        point: u64,
    },
    /// The owner died before it signaled the point.
    #[error("the owner of {timeline}, {label} (pid {pid}), died before it signaled point {point}")]
    OwnerDied {
        /// The timeline.
        timeline: String,
        /// The point.
        point: u64,
        /// What the owner called itself.
        label: String,
        /// Its process.
        pid: u32,
    },
    /// There is nothing to wait for, so that the wait would never end.
    #[error("a wait for any of no points never ends; pass at least one")]
    NoPoints,
}

impl PointError {
    /// `ETIMEDOUT`; what the owner says; `ECANCELED` for a dropped timeline; `EOWNERDEAD`; `EINVAL` for no points.
    pub fn errno(&self) -> Errno {
        match self {
            Self::TimedOut { .. } => Errno::TIMEDOUT,
            Self::Failed { errno, .. } => Errno::from_raw_os_error(errno.raw()),
            Self::Dropped { .. } => Errno::CANCELED,
            Self::OwnerDied { .. } => Errno::OWNERDEAD,
            Self::NoPoints => Errno::INVAL,
        }
    }
}
