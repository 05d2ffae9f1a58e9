//! Fences that others have put on a buffer where this process does not see it.

use crate::exporter::call;
use crate::{AddFenceError, BufferId, DmaBuf, Errno, ExporterFault, ReserveError, Wait, WwWaitError};

/// The reason why fences from outside could not be put on the reservation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The reservation could not be locked.
    #[error("buffer {buffer}: its reservation cannot be locked: {source}")]
    Lock {
        /// Which buffer.
        buffer: BufferId,
        /// Why not.
        source: WwWaitError,
    },
    /// There is no room for them.
    #[error("buffer {buffer}: {source}")]
    Room {
        /// Which buffer.
        buffer: BufferId,
        /// Why not.
        source: ReserveError,
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

impl RefreshError {
    /// Returns ETIMEDOUT, EINTR or EDEADLK for the lock, ENOMEM for want of room, and the exporter's own number otherwise.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Lock { source, .. } => source.errno(),
            Self::Room { source, .. } => source.errno(),
            Self::Exporter { fault, .. } => fault.errno(),
        }
    }
}

impl DmaBuf {
    /// Puts the fences on the reservation that the exporter knows of and this process does not see otherwise, as they are now.
    ///
    /// That is of use for buffers of the kernel, whose drivers add fences unseen. CPU access does it by itself.
    ///
    /// # Blocking
    /// While others hold the reservation, within the bounds of `wait`. Never for the fences.
    ///
    /// # Locking
    /// The reservation must not be held.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn refresh_fences(&self, wait: &Wait<'_>) -> Result<(), RefreshError> {
        let buffer = self.id();
        let failed = |fault| RefreshError::Exporter {
            buffer,
            exporter: self.exporter_name().into(),
            fault,
        };
        let fences = call(|| self.exporter_dyn().outside_fences()).map_err(failed)?;
        if fences.is_empty() {
            return Ok(());
        }
        let guard = self
            .reservation()
            .lock(wait)
            .map_err(|source| RefreshError::Lock { buffer, source })?;
        guard
            .reserve_fences(fences.len())
            .map_err(|source| RefreshError::Room { buffer, source })?;
        for (fence, usage) in &fences {
            guard.add_fence(fence, *usage).map_err(|error| {
                failed(ExporterFault::Inconsistent {
                    what: match error {
                        AddFenceError::Container => "gives a fence that consists of others",
                        _ => "gives more fences than there is room for",
                    },
                })
            })?;
        }
        Ok(())
    }
}
