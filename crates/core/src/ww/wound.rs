//! Telling a context of a wound-wait class that an older one wants what it holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::queue::{Verdict, WaitPlace};
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Mutex, global, lock};

global! {
    /// Contexts of wound-wait classes by stamp, so that a mutex need not remember more of its holder than the token.
    static CONTEXTS: Mutex<BTreeMap<u64, Arc<Wounds>>> = Mutex::new(BTreeMap::new());
}

/// What other threads may know of a context.
///
/// # Invariants
/// Only the holder of a mutex is wounded, under the lock of the mutex's queue. It cannot give the mutex back before that lock is free,
/// so that a context which holds nothing is never wounded.
pub(super) struct Wounds {
    /// Whether the context has to back off when it next waits. Changed under the lock of `asleep`.
    wounded: AtomicBool,
    /// Where the context waits, if it does and can be told to back off.
    asleep: Mutex<Option<WaitPlace>>,
}

impl Wounds {
    /// Has the context back off: at once if it waits, else when it next has to.
    fn wound(&self) {
        let place = {
            let mut asleep = lock(&self.asleep);
            self.wounded.store(true, Relaxed);
            asleep.take()
        };
        if let Some(place) = place {
            place.deliver(Verdict::BackOff);
        }
    }

    /// Notes where the context is about to wait; `false` if it must back off instead.
    pub(super) fn fall_asleep(&self, place: &WaitPlace) -> bool {
        let mut asleep = lock(&self.asleep);
        if self.wounded.load(Relaxed) {
            return false;
        }
        *asleep = Some(place.clone());
        true
    }

    /// Notes that the context waits no longer.
    pub(super) fn wake_up(&self) {
        *lock(&self.asleep) = None;
    }

    /// Forgets a wound when the context holds nothing any more.
    pub(super) fn heal(&self) {
        // ORDERING: whoever wounded did so under the lock of the queue of a mutex that this context has since given back under the
        // same lock.
        if self.wounded.load(Relaxed) {
            let _asleep = lock(&self.asleep);
            // Under the lock that wounds are made under: else this could come to others after a wound for the next mutex, which is
            // taken without a Release.
            self.wounded.store(false, Relaxed);
        }
    }
}

/// Makes a context known.
pub(super) fn register(stamp: u64) -> Arc<Wounds> {
    let wounds = Arc::new(Wounds {
        wounded: AtomicBool::new(false),
        asleep: Mutex::new(None),
    });
    lock(&CONTEXTS).insert(stamp, Arc::clone(&wounds));
    wounds
}

/// Forgets a context.
pub(super) fn unregister(stamp: u64) {
    lock(&CONTEXTS).remove(&stamp);
}

/// Wounds the context with this stamp. It holds a mutex whose queue the caller has locked.
pub(super) fn wound(stamp: u64) {
    // None if its guards were forgotten and it was dropped: then there is nobody to tell.
    let wounds = lock(&CONTEXTS).get(&stamp).cloned();
    if let Some(wounds) = wounds {
        wounds.wound();
    }
}
