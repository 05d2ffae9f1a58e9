//! What a buffer knows of its devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backing::Turns;
use super::core::{Core, WeakCore};
use super::ending::Ending;
use super::{AttachmentId, AttachmentInfo, Contract, Hold, Holder};
use crate::moves::Settling;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};
use crate::{DmaBuf, ExporterRole, Fence, MismatchPolicy};

/// The device side of a buffer.
pub(crate) struct Devices {
    role: ExporterRole,
    mismatch: MismatchPolicy,
    turns: Turns,
    /// In the order of attaching. Changed with the reservation held if the exporter is dynamic, so that a move sees all.
    attachments: Mutex<BTreeMap<AttachmentId, Entry>>,
    /// Set with the list locked, so that nobody joins it unseen.
    revoked: AtomicBool,
    /// Signals when what was revoked is idle.
    revoked_idle: Mutex<Option<Fence>>,
}

/// An attachment that exists, or whose end the exporter has not been told of yet.
struct Entry {
    core: WeakCore,
    ending: Arc<Ending>,
}

impl Devices {
    pub(crate) fn new(role: ExporterRole, mismatch: MismatchPolicy) -> Self {
        Self {
            role,
            mismatch,
            turns: Turns::default(),
            attachments: Mutex::new(BTreeMap::new()),
            revoked: AtomicBool::new(false),
            revoked_idle: Mutex::new(None),
        }
    }

    pub(crate) fn role(&self) -> ExporterRole {
        self.role
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        self.role == ExporterRole::Dynamic
    }

    pub(super) fn mismatch(&self) -> MismatchPolicy {
        self.mismatch
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Adds an attachment to the list, unless the buffer is revoked; says whether it did.
    pub(super) fn add(&self, core: &Arc<Core>) -> bool {
        let mut list = lock(&self.attachments);
        let is_open = !self.is_revoked();
        if is_open {
            let entry = Entry {
                core: Arc::downgrade(core),
                ending: Arc::clone(core.ending()),
            };
            list.insert(core.info().id(), entry);
        }
        is_open
    }

    pub(super) fn remove(&self, id: AttachmentId) {
        lock(&self.attachments).remove(&id);
    }

    /// Returns the attachments there are. Drop what it returns without a lock of the framework: it may be the last that holds one.
    pub(crate) fn attachments(&self) -> Vec<Arc<Core>> {
        let list = lock(&self.attachments);
        list.values().filter_map(|entry| entry.core.upgrade()).collect()
    }

    /// Returns who is attached.
    pub(super) fn infos(&self) -> Vec<Arc<AttachmentInfo>> {
        let list = lock(&self.attachments);
        let alive = list.values().filter(|entry| entry.core.strong_count() > 0);
        alive.map(|entry| Arc::clone(entry.ending.info())).collect()
    }

    /// Returns everybody who keeps the buffer where it is. Contract: A5.
    pub(crate) fn holders(&self, buffer: &DmaBuf) -> Vec<Holder> {
        let list = lock(&self.attachments);
        let attachments: Vec<_> = list
            .values()
            .map(|entry| (entry.core.upgrade(), Arc::clone(&entry.ending)))
            .collect();
        drop(list);
        let hold = |(core, ending): &(Option<Arc<Core>>, Arc<Ending>)| match core {
            Some(core) => core.hold(),
            None => ending.hold(),
        };
        let mut holders: Vec<Holder> = attachments.iter().filter_map(hold).collect();
        holders.extend(cpu_holders(buffer));
        holders
    }

    pub(crate) fn is_revoked(&self) -> bool {
        // ORDERING: set with the reservation held, read with it by dynamic importers, whose lock orders the two; nobody else can be attached then,
        // or join the list, whose lock orders the two for those who try.
        self.revoked.load(Ordering::Acquire)
    }

    /// Returns the fence of a revoked buffer.
    pub(crate) fn revoked_idle(&self) -> Option<Fence> {
        lock(&self.revoked_idle).clone()
    }

    /// Revokes the buffer if all attachments there are can give it up; returns them, and whether it did. `settling`, which signals `idle`, is told when
    /// the mappings are gone that are kept for attachments.
    ///
    /// # Locking
    /// The reservation is held.
    pub(crate) fn revoke(&self, settling: &Arc<Settling>, idle: &Fence) -> (Vec<Arc<Core>>, bool) {
        let list = lock(&self.attachments);
        let attachments: Vec<_> = list.values().filter_map(|entry| entry.core.upgrade()).collect();
        let is_possible = attachments
            .iter()
            .all(|core| core.info().contract() == Contract::Revocable);
        if is_possible {
            list.values().for_each(|entry| entry.ending.wait_for(settling));
            *lock(&self.revoked_idle) = Some(idle.clone());
            // ORDERING: see `is_revoked`.
            self.revoked.store(true, Ordering::Release);
        }
        (attachments, is_possible)
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
