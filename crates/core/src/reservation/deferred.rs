//! Work that needs the lock, left by those who must not wait for it.
//!
//! Mappings and pins of dynamic importers go away with the lock held, but a guard can be dropped anywhere, also by a thread that holds
//! the lock. So a drop leaves the work here. Either it then gets the lock without waiting, or somebody holds it, who looks here before
//! and after unlocking: whoever comes last sees the work.

use crate::contain::contain;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

use super::ReservationGuard;

/// Work that needs the lock, and what must follow without it.
type Work = Box<dyn FnOnce(&ReservationGuard<'_>) -> Option<Afterwards> + Send>;

/// Work that must not be done under the lock.
pub(crate) type Afterwards = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(super) struct Deferred {
    work: Mutex<Vec<Work>>,
    /// How much there is, so that unlocking without work takes no second lock.
    count: AtomicUsize,
}

impl Deferred {
    pub(super) fn push(&self, work: Work) {
        let mut all = lock(&self.work);
        all.push(work);
        // ORDERING: see `is_empty_after_unlock`. Under the lock, so that the count is never ahead of the work or behind it.
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Says whether there was no work at some moment: enough for whoever holds the lock and will look again.
    pub(super) fn seems_empty(&self) -> bool {
        // ORDERING: only a hint.
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Says whether all work was done or is going to be, when asked right after unlocking.
    pub(super) fn is_empty_after_unlock(&self) -> bool {
        // ORDERING: a read-modify-write, as in `push`, so that one of the two comes first. If this one does, then the other reads what it
        // wrote, the unlocking before it is visible there, and whoever pushed finds the lock free or with a later holder.
        self.count.fetch_or(0, Ordering::AcqRel) == 0
    }

    /// Does all work there is, and what comes meanwhile; adds what is to be done without the lock.
    pub(super) fn run(&self, guard: &ReservationGuard<'_>, afterwards: &mut Vec<Afterwards>) {
        while !self.seems_empty() {
            for one in self.take() {
                // The panic hook has reported it already; the others' work is not to suffer.
                afterwards.extend(contain(|| one(guard)).ok().flatten());
            }
        }
    }

    fn take(&self) -> Vec<Work> {
        let mut all = lock(&self.work);
        // ORDERING: under the lock, see `push`.
        self.count.fetch_sub(all.len(), Ordering::AcqRel);
        std::mem::take(&mut *all)
    }
}

/// Does what was left for the time after unlocking.
pub(super) fn run_afterwards(afterwards: Vec<Afterwards>) {
    for one in afterwards {
        // As in `Deferred::run`.
        let _ = contain(one);
    }
}
