//! Windows of CPU access.
//!
//! | State | Left by | Exporter is called |
//! |---|---|---|
//! | none | [`DmaBuf::begin_cpu_access`] succeeds, once devices are done | `begin_cpu_access` |
//! | open ([`CpuAccess`] exists) | [`CpuAccess::end`] or drop | `end_cpu_access`, once |

use std::mem;
use std::ops::{Range, RangeBounds};

use crate::attachment::ensure_backing_unlocked;
use crate::exporter::call;
use crate::{
    AccessMode, BackingError, BufferId, DataDirection, DmaBuf, Errno, ExporterFault, Fence, RangeError,
    RefreshError, Usage, Wait, WaitError, range,
};

/// An open window of CPU access; it keeps the buffer alive and closes when dropped.
///
/// Prefer [`CpuAccess::end`], which says whether closing worked. Contract: C3.
///
/// # References
/// Kernel documentation "Buffer Sharing and Synchronization", `dma_buf_begin_cpu_access`, `DMA_BUF_IOCTL_SYNC`.
#[derive(Debug)]
#[must_use = "the window closes when the guard is dropped"]
pub struct CpuAccess {
    buffer: DmaBuf,
    range: Range<u64>,
    direction: DataDirection,
    /// Whether the exporter still has to be told of the end.
    open: bool,
}

/// The reason why a window of CPU access could not be opened or closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuAccessError {
    /// The range does not lie in the buffer.
    #[error("buffer {buffer}: {source}")]
    Range {
        /// Which buffer.
        buffer: BufferId,
        /// What is wrong with the range.
        source: RangeError,
    },
    /// The direction means writing, and the handle is read-only.
    #[error("buffer {buffer}: a read-only handle cannot begin {direction:?} access; use FromDevice to read")]
    ReadOnly {
        /// Which buffer.
        buffer: BufferId,
        /// The direction refused.
        direction: DataDirection,
    },
    /// It could not be found out what others do with the buffer.
    #[error(transparent)]
    Fences(#[from] RefreshError),
    /// Devices were not done with the buffer.
    #[error("buffer {buffer}: {source} before {direction:?} access could begin; {}", describe(.pending.as_ref()))]
    Wait {
        /// Which buffer.
        buffer: BufferId,
        /// The direction asked for.
        direction: DataDirection,
        /// One of the fences that are still pending, if any is by now.
        pending: Option<Fence>,
        /// What ended the wait.
        source: WaitError,
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

impl CpuAccessError {
    /// Returns what the kernel answers for the same cause.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Range { source, .. } => source.errno(),
            Self::ReadOnly { .. } => Errno::EACCES,
            Self::Fences(source) => source.errno(),
            Self::Wait { source, .. } => source.errno(),
            Self::Revoked { .. } => Errno::ENODEV,
            Self::Backing { source, .. } => source.errno(),
            Self::Exporter { fault, .. } => fault.errno(),
        }
    }
}

fn describe(pending: Option<&Fence>) -> String {
    match pending {
        Some(fence) => format!("fence {fence} is pending"),
        None => "its fences have been signaled since".to_owned(),
    }
}

/// See [`DmaBuf::begin_cpu_access_within`].
pub(crate) fn begin(
    buffer: &DmaBuf,
    bounds: impl RangeBounds<u64>,
    direction: DataDirection,
    wait: &Wait<'_>,
) -> Result<CpuAccess, CpuAccessError> {
    let range = range::resolve(bounds, buffer.size_bytes()).map_err(|source| CpuAccessError::Range {
        buffer: buffer.id(),
        source,
    })?;
    if direction.cpu_writes() && buffer.access() == AccessMode::ReadOnly {
        return Err(CpuAccessError::ReadOnly {
            buffer: buffer.id(),
            direction,
        });
    }
    check_revoked(buffer)?;
    ensure_backing_unlocked(buffer, wait).map_err(|source| CpuAccessError::Backing {
        buffer: buffer.id(),
        source: Box::new(source),
    })?;
    buffer.refresh_fences(wait)?;
    wait_for_devices(buffer, direction, wait)?;
    // Again: the wait may have been long.
    check_revoked(buffer)?;
    call(|| buffer.exporter_dyn().begin_cpu_access(range.clone(), direction))
        .map_err(|fault| exporter_error(buffer, fault))?;
    tracing::trace!(target: "wharf_core::cpu", buffer = buffer.id().get(), ?range, ?direction, "access begins");
    Ok(CpuAccess {
        buffer: buffer.clone(),
        range,
        direction,
        open: true,
    })
}

fn check_revoked(buffer: &DmaBuf) -> Result<(), CpuAccessError> {
    if buffer.devices().is_revoked() {
        return Err(CpuAccessError::Revoked { buffer: buffer.id() });
    }
    Ok(())
}

// DIFFERENCE: the kernel asks the exporter first and waits then, so that exporters must wait by themselves before they can
// make caches right for what devices are still writing, and a wait that fails leaves a window that was begun and is never ended.
fn wait_for_devices(
    buffer: &DmaBuf,
    direction: DataDirection,
    wait: &Wait<'_>,
) -> Result<(), CpuAccessError> {
    let usage = Usage::before_cpu_access(direction);
    buffer
        .reservation()
        .wait(usage, wait)
        .map_err(|source| CpuAccessError::Wait {
            buffer: buffer.id(),
            direction,
            pending: buffer.reservation().fences(usage).next().map(|(fence, _)| fence),
            source,
        })
}

fn exporter_error(buffer: &DmaBuf, fault: ExporterFault) -> CpuAccessError {
    CpuAccessError::Exporter {
        buffer: buffer.id(),
        exporter: buffer.exporter_name().into(),
        fault,
    }
}

impl CpuAccess {
    /// Returns the buffer that is being accessed.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buffer
    }

    /// Returns the bytes that may be touched.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the direction given at the beginning.
    pub fn direction(&self) -> DataDirection {
        self.direction
    }

    /// Closes the window and says whether that worked; it is closed in any case.
    ///
    /// # Blocking
    /// As long as the exporter takes.
    ///
    /// # Errors
    /// [`CpuAccessError::Exporter`]: what the CPU wrote may not be visible to devices.
    pub fn end(mut self) -> Result<(), CpuAccessError> {
        self.close()
    }

    fn close(&mut self) -> Result<(), CpuAccessError> {
        // Cleared before the call: an exporter that panics in it is not called again by the drop.
        if !mem::take(&mut self.open) {
            return Ok(());
        }
        tracing::trace!(target: "wharf_core::cpu", buffer = self.buffer.id().get(), range = ?self.range, "access ends");
        call(|| {
            self.buffer
                .exporter_dyn()
                .end_cpu_access(self.range.clone(), self.direction)
        })
        .map_err(|fault| exporter_error(&self.buffer, fault))
    }
}

impl Drop for CpuAccess {
    fn drop(&mut self) {
        // Whoever wants to know calls end(); the access is over either way.
        let _ = self.close();
    }
}
