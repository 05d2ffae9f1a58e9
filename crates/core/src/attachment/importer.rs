//! Who uses a buffer that may move.

use super::AttachmentInfo;
use crate::{DmaBuf, ReservationGuard};

/// A dynamic importer: it is told when the buffer moves.
///
/// Implementing it is safe, and nothing it does is trusted: its panics are contained. Contract: B5, L1.
///
/// # References
/// include/linux/dma-buf.h `struct dma_buf_attach_ops` (v6.12; in v7.1 `invalidate_mappings`).
pub trait Importer: Send + Sync {
    /// Tells that the buffer has moved: mappings made before stay usable until the fences on the reservation signal, and must be
    /// given up and made anew for the next use.
    ///
    /// # Locking
    /// The reservation is held; `guard` proves it. Do not lock it, and do not wait for anything that needs it. Contract: L6.
    fn move_notify(&self, notice: &Notice<'_>);

    /// Returns what it can do when the buffer is taken away for good. `None`, the default, means that it cannot give it up, and
    /// the buffer cannot be revoked while it is attached.
    ///
    /// The answer when attaching counts; when the buffer is taken away it is asked for whom to tell.
    fn revocable(&self) -> Option<&dyn Revocable> {
        None
    }
}

/// A dynamic importer from which a buffer can be taken away.
///
/// # References
/// `dma_buf_attach_revocable` (drivers/dma-buf/dma-buf.c, v7.1).
pub trait Revocable: Send + Sync {
    /// Tells that the buffer is gone for good: mappings and pins must be given up in bounded time, and no new ones can be had. An attachment to a
    /// static exporter under [`MismatchPolicy::MapAtAttach`](crate::MismatchPolicy::MapAtAttach) keeps a mapping and must be detached.
    ///
    /// # Locking
    /// As [`Importer::move_notify`].
    fn revoked(&self, notice: &Notice<'_>);
}

/// What an importer is told.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Notice<'a> {
    /// The buffer.
    pub buffer: &'a DmaBuf,
    /// The importer's attachment to it.
    pub attachment: &'a AttachmentInfo,
    /// Proof that the reservation is held.
    pub guard: &'a ReservationGuard<'a>,
}
