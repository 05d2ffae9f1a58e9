//! Work of the other side of a stream.

use super::Contexts;
use crate::liveness::Liveness;
use crate::lock::lock;
use crate::timeline::{Source, Watched, fence_of, watch};
use std::sync::{Arc, Mutex, MutexGuard};
use wharf_core::{Fence, FenceStatus, WeakFence};
use wharf_linux::PidFd;
use wharf_memory::{Deadline, FutexWord, OwnedWords, ReadOnlyWords};
use wharf_stream::Points;
use wharf_stream::timeline::End;

type FarPoints = Points<Arc<ReadOnlyWords>, Arc<OwnedWords>>;

/// The work of a producer, for a consumer; or that of one consumer, for the producer.
#[derive(Debug)]
pub(crate) struct FarWork {
    points: FarPoints,
    /// Whose work it is, in case nobody else says that it died.
    process: Arc<PidFd>,
    contexts: Contexts,
    pending: Mutex<Vec<Pending>>,
}

/// A fence that somebody wants to be told of.
#[derive(Debug)]
struct Pending {
    buffer: usize,
    point: u64,
    fence: WeakFence,
}

impl FarWork {
    pub(crate) fn new(points: FarPoints, process: Arc<PidFd>, name: &str) -> Self {
        Self {
            points,
            process,
            contexts: Contexts::new(name),
            pending: Mutex::default(),
        }
    }

    /// How far the work on frame `point` in `buffer` is.
    pub(crate) fn status(&self, buffer: usize, point: u64) -> FenceStatus {
        self.points.status(buffer, point)
    }

    /// The fence of that work.
    pub(crate) fn fence(self: &Arc<Self>, buffer: usize, point: u64) -> Fence {
        fence_of(self, (self.contexts.of(buffer), point), (buffer, point))
    }

    /// Sleeps until that work is over, or `deadline`; tells whether it is.
    pub(crate) fn wait(&self, buffer: usize, point: u64, deadline: Option<Deadline>) -> bool {
        let mut liveness = Liveness::new();
        self.points.wait((buffer, point), deadline, || {
            if liveness.is_due() {
                self.look_at_process();
            }
            Some(liveness.until(None))
        })
    }

    /// Takes note that no more work is going to be over, and signals the fences of all that was not.
    pub(crate) fn close(&self, end: End) {
        self.points.close(end);
        self.serve();
    }

    fn look_at_process(&self) {
        if self.process.is_dead().unwrap_or(false) {
            self.points.close(End::OwnerDied);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Vec<Pending>> {
        lock(&self.pending)
    }

    /// Takes what `is_out` out of what is pending. As long as there is something, this process says that it sleeps: the lock keeps the two together.
    fn take(&self, is_out: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut pending = self.pending();
        let out: Vec<_> = pending.extract_if(.., |pending| is_out(pending)).collect();
        if pending.is_empty() && !out.is_empty() {
            self.points.sleepers().leave();
        }
        out
    }
}

impl Watched for FarWork {
    fn words(&self) -> [(FutexWord<'_>, u32); 2] {
        self.points.words()
    }

    fn has_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    fn look(&self) {
        self.look_at_process();
        self.take(|pending| pending.fence.is_gone());
    }

    fn serve(&self) {
        let is_due = |pending: &Pending| self.status(pending.buffer, pending.point).is_signaled();
        for due in self.take(is_due) {
            if let Some(fence) = due.fence.upgrade() {
                // It looks, which runs its callbacks.
                fence.is_signaled();
            }
        }
    }
}

impl Source for FarWork {
    /// A buffer, and the number of a frame in it.
    type Point = (usize, u64);

    fn status(&self, (buffer, point): (usize, u64)) -> FenceStatus {
        self.points.status(buffer, point)
    }

    fn enlist(self: &Arc<Self>, (buffer, point): (usize, u64), fence: &WeakFence) -> bool {
        if self.points.status(buffer, point).is_signaled() {
            return false;
        }
        {
            let mut pending = self.pending();
            if pending.is_empty() {
                self.points.sleepers().enter();
            }
            pending.push(Pending {
                buffer,
                point,
                fence: fence.clone(),
            });
        }
        watch(self);
        true
    }
}
