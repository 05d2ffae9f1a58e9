//! Work of the other side of a stream.

use super::Contexts;
use crate::liveness::Liveness;
use crate::timeline::{Watched, watch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wharf_core::{Errno, Fence, FenceOps, FenceStatus, Signaling, WeakFence};
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
        self.contexts.of(buffer).fence_by(point, |fence| {
            Box::new(Ops {
                work: Arc::clone(self),
                buffer,
                point,
                fence: fence.clone(),
            })
        })
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
        // No foreign code runs under it, so that it protects a whole value even if a thread panicked.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What makes a point a fence. It has no owner: who looks finds out.
struct Ops {
    work: Arc<FarWork>,
    buffer: usize,
    point: u64,
    /// The fence these are the ops of.
    fence: WeakFence,
}

impl FenceOps for Ops {
    fn enable_signaling(&self) -> Signaling {
        if self.is_signaled() {
            return Signaling::AlreadySignaled;
        }
        {
            let mut pending = self.work.pending();
            if pending.is_empty() {
                self.work.points.sleepers().enter();
            }
            pending.push(Pending {
                buffer: self.buffer,
                point: self.point,
                fence: self.fence.clone(),
            });
        }
        watch(&self.work);
        Signaling::Enabled
    }

    fn is_signaled(&self) -> bool {
        self.work.status(self.buffer, self.point).is_signaled()
    }

    fn error(&self) -> Option<Errno> {
        self.work.status(self.buffer, self.point).error()
    }
}
