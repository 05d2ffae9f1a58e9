//! Work that needs the lock, left by those who must not wait for it.
//!
//! Mappings and pins of dynamic importers go away with the lock held, but a guard can be dropped anywhere, also by a thread that holds
//! the lock. So a drop leaves the work here. Then either it gets the lock without waiting, or it asks whoever holds the lock to look here
//! when unlocking: the word of the mutex says so, and nobody can unlock without seeing it.

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
        // ORDERING: only a hint.
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Says whether there was no work at some moment: enough for whoever holds the reservation, who is asked about the rest.
    #[inline]
    pub(super) fn seems_empty(&self) -> bool {
        // ORDERING: only a hint.
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Does all work there is, and what comes meanwhile; adds what is to be done without the lock.
    #[cold]
    pub(super) fn run(&self, guard: &ReservationGuard<'_>, afterwards: &mut Vec<Afterwards>) {
        loop {
            let work = self.take();
            if work.is_empty() {
                return;
            }
            for one in work {
                // The panic hook has reported it already; the others' work is not to suffer.
                afterwards.extend(contain(|| one(guard)).ok().flatten());
            }
        }
    }

    fn take(&self) -> Vec<Work> {
        let mut all = lock(&self.work);
        // ORDERING: only a hint.
        self.count.store(0, Ordering::Relaxed);
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
