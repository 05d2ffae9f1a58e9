//! What a buffer knows of its devices.

use std::sync::Arc;

use super::backing::Turns;
use super::core::{Core, WeakCore};
use super::{AttachmentId, Hold, Holder};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};
use crate::{DmaBuf, MismatchPolicy};

/// Whether an exporter serves devices, and how: fixed at export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExporterKind {
    Unmappable,
    Static,
    Dynamic,
}

/// The device side of a buffer.
pub(crate) struct Devices {
    kind: ExporterKind,
    mismatch: MismatchPolicy,
    turns: Turns,
    /// In the order of attaching. Changed with the reservation held if the exporter is dynamic, so that a move sees all.
    attachments: Mutex<Vec<(AttachmentId, WeakCore)>>,
    revoked: AtomicBool,
}

impl Devices {
    pub(crate) fn new(kind: ExporterKind, mismatch: MismatchPolicy) -> Self {
        Self {
            kind,
            mismatch,
            turns: Turns::default(),
            attachments: Mutex::new(Vec::new()),
            revoked: AtomicBool::new(false),
        }
    }

    pub(crate) fn kind(&self) -> ExporterKind {
        self.kind
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        self.kind == ExporterKind::Dynamic
    }

    pub(super) fn mismatch(&self) -> MismatchPolicy {
        self.mismatch
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(super) fn add(&self, core: &Arc<Core>) {
        lock(&self.attachments).push((core.info().id(), Arc::downgrade(core)));
    }

    pub(super) fn remove(&self, id: AttachmentId) {
        lock(&self.attachments).retain(|(other, _)| *other != id);
    }

    /// Returns the attachments there are. Drop what it returns without a lock of the framework: it may be the last that holds one.
    pub(crate) fn attachments(&self) -> Vec<Arc<Core>> {
        let list = lock(&self.attachments);
        list.iter().filter_map(|(_, core)| core.upgrade()).collect()
    }

    /// Returns everybody who keeps the buffer where it is. Contract: A5.
    pub(crate) fn holders(&self, buffer: &DmaBuf) -> Vec<Holder> {
        let mut holders: Vec<Holder> = self.attachments().iter().filter_map(|core| core.hold()).collect();
        holders.extend(cpu_holders(buffer));
        holders
    }

    pub(crate) fn is_revoked(&self) -> bool {
        // ORDERING: set with the reservation held, read with it by dynamic importers, whose lock orders the two; nobody else can be attached then.
        self.revoked.load(Ordering::Acquire)
    }

    pub(crate) fn set_revoked(&self) {
        // ORDERING: see `is_revoked`.
        self.revoked.store(true, Ordering::Release);
    }
}

/// How the CPU of this process keeps a buffer where it is.
pub(crate) fn cpu_holders(buffer: &DmaBuf) -> impl Iterator<Item = Holder> {
    let vmapped = buffer.vmap_count().is_in_use().then_some(Hold::Vmapped);
    let mappings = buffer.user_mappings().untracked_count();
    let mapped = (mappings > 0).then_some(Hold::UserMapped { mappings });
    vmapped.into_iter().chain(mapped).map(|how| Holder {
        who: "the CPU".into(),
        how,
    })
}
