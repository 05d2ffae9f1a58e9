//! What a buffer knows of its devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backing::Turns;
use super::core::{Core, Pairing, WeakCore};
use super::{AttachmentId, AttachmentInfo, Hold, Holder};
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
    attachments: Mutex<BTreeMap<AttachmentId, Listed>>,
    revoked: AtomicBool,
}

/// An attachment on the list. It stays there after its end until what was kept for its life has been given up, which needs the lock.
struct Listed {
    core: WeakCore,
    info: Arc<AttachmentInfo>,
    pairing: Pairing,
}

impl Listed {
    /// Says whether it has ended, but not yet given up what was kept for its life.
    fn is_ending(&self) -> bool {
        self.pairing == Pairing::Kept && self.core.strong_count() == 0
    }
}

impl Devices {
    pub(crate) fn new(kind: ExporterKind, mismatch: MismatchPolicy) -> Self {
        Self {
            kind,
            mismatch,
            turns: Turns::default(),
            attachments: Mutex::default(),
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
        let listed = Listed {
            core: Arc::downgrade(core),
            info: Arc::clone(&core.info),
            pairing: core.pairing,
        };
        lock(&self.attachments).insert(core.info().id(), listed);
    }

    pub(super) fn remove(&self, id: AttachmentId) {
        let removed = lock(&self.attachments).remove(&id);
        drop(removed);
    }

    /// Returns the attachments there are. Drop what it returns without a lock of the framework: it may be the last that holds one.
    pub(crate) fn attachments(&self) -> Vec<Arc<Core>> {
        let list = lock(&self.attachments);
        list.values().filter_map(|listed| listed.core.upgrade()).collect()
    }

    /// Returns the attachments that have ended, but have not yet given up what was kept for their life.
    pub(crate) fn ending(&self) -> Vec<Arc<AttachmentInfo>> {
        let list = lock(&self.attachments);
        let ending = list.values().filter(|listed| listed.is_ending());
        ending.map(|listed| Arc::clone(&listed.info)).collect()
    }

    /// Returns everybody who keeps the buffer where it is. Contract: A5.
    pub(crate) fn holders(&self, buffer: &DmaBuf) -> Vec<Holder> {
        let mut holders: Vec<Holder> = self.attachments().iter().filter_map(|core| core.hold()).collect();
        holders.extend(self.ending().iter().map(|info| Holder {
            who: info.label().into(),
            how: Hold::MappedAtAttach,
        }));
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
