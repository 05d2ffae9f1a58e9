//! The end of an attachment, which outlives all that people have of it.

use std::sync::Arc;

use super::calls::{self, Callee};
use super::core::Kept;
use super::{AttachmentInfo, Hold, Holder, Importer};
use crate::moves::Settling;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};
use crate::{DmaBuf, ReservationGuard};

/// What outlives the last handle, mapping and pin: until the exporter was told, its memory may be mapped and pinned for the attachment.
pub(crate) struct Ending {
    info: Arc<AttachmentInfo>,
    /// Whether a mapping is kept until the end, or is just being made or given up.
    is_kept: AtomicBool,
    /// Told at the end.
    settling: Mutex<Option<Arc<Settling>>>,
}

/// What is left to do when an attachment ends.
pub(super) struct End {
    pub(super) buffer: DmaBuf,
    pub(super) info: Arc<AttachmentInfo>,
    pub(super) kept: Option<Kept>,
    pub(super) ending: Arc<Ending>,
    /// Goes last, without the lock: dropping it runs foreign code.
    pub(super) importer: Option<Arc<dyn Importer>>,
}

impl End {
    /// Gives up the kept mapping and leaves the list. A dynamic exporter is called with the lock.
    pub(super) fn give_up(&self, guard: Option<&ReservationGuard<'_>>) {
        self.give_up_kept(guard);
        self.buffer.devices().remove(self.info.id());
        self.ending.tell();
    }

    fn give_up_kept(&self, guard: Option<&ReservationGuard<'_>>) {
        let Some(kept) = &self.kept else {
            return;
        };
        let Ok(callee) = Callee::of(&self.buffer, guard) else {
            // The exporter no longer admits to be one; there is nobody to give the mapping back to.
            return;
        };
        calls::unmap(callee, &self.info, kept.direction, &kept.table);
        if kept.pinned {
            calls::unpin(callee, &self.info);
        }
    }

    pub(super) fn detach(&self) {
        tracing::debug!(target: "wharf_core::attachment", buffer = self.buffer.id().get(),
            attachment = self.info.id().get(), "detached");
        calls::detach(&self.buffer, &self.info);
    }
}

impl Ending {
    pub(super) fn new(info: &Arc<AttachmentInfo>, is_kept: bool) -> Self {
        Self {
            info: Arc::clone(info),
            is_kept: AtomicBool::new(is_kept),
            settling: Mutex::new(None),
        }
    }

    pub(super) fn info(&self) -> &Arc<AttachmentInfo> {
        &self.info
    }

    /// Notes that a mapping is kept from now on.
    pub(super) fn set_kept(&self) {
        // ORDERING: as in `hold`.
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// Returns how the attachment still keeps the buffer where it is, when nobody has it any more.
    pub(super) fn hold(&self) -> Option<Holder> {
        // ORDERING: where it matters it was set under the reservation, or before the attachment joined the list.
        self.is_kept.load(Ordering::Relaxed).then(|| Holder {
            who: self.info.label().into(),
            how: Hold::MappedAtAttach,
        })
    }

    /// Has `settling` told when the mapping that is kept, if any, is gone. For attachments in the list only.
    pub(super) fn wait_for(&self, settling: &Arc<Settling>) {
        // ORDERING: as in `hold`.
        if self.is_kept.load(Ordering::Relaxed) {
            settling.one_more();
            *lock(&self.settling) = Some(Arc::clone(settling));
        }
    }

    /// After the attachment has left the list.
    fn tell(&self) {
        let settling = lock(&self.settling).take();
        if let Some(settling) = settling {
            settling.one_less();
        }
    }
}
