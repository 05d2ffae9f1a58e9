//! A timeline of another process.

use super::cells::Cell;
use super::error::PointError;
use super::fences::{self, Due, Pending, Source};
use super::watcher::{self, Watched};
use crate::connection::Connection;
use crate::liveness::Liveness;
use crate::lock::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wharf_core::{Fence, FenceContext, FenceStatus, WeakFence};
use wharf_linux::PidFd;
use wharf_memory::{Deadline, FutexWord, OwnedWords, ReadOnlyWords};
use wharf_protocol::{ReleaseTimeline, TimelineId};
use wharf_stream::timeline::{End, Import, Until, wait};

/// A timeline that another process signals. Clones are the same import; it is given back when the last of them, and the last fence that
/// is not signaled, are dropped.
///
/// # References
///
/// `drm_syncobj_timeline_wait_ioctl` (drivers/gpu/drm/drm_syncobj.c, v6.12) waits for points of others. Contract: F.
#[derive(Debug, Clone)]
pub struct ImportedTimeline {
    pub(super) shared: Arc<Imported>,
}

/// What an import shares with its fences.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) import: Import<ReadOnlyWords, Arc<OwnedWords>>,
    pub(super) name: String,
    pub(super) context: FenceContext,
    pub(super) owner: PidFd,
    pub(super) owner_label: String,
    pub(super) owner_pid: u32,
    pub(super) pending: Mutex<Pending>,
    pub(super) _record: Record,
    /// Free for another timeline after all else is gone.
    pub(super) _cell: Cell,
}

/// The broker's record of the import; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) connection: Arc<Connection>,
    pub(super) timeline: TimelineId,
    pub(super) number: u64,
}

impl ImportedTimeline {
    /// What people call it.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What its owner calls itself; a hint.
    pub fn owner_label(&self) -> &str {
        &self.shared.owner_label
    }

    /// Its owner's process.
    pub fn owner_pid(&self) -> u32 {
        self.shared.owner_pid
    }

    /// The highest point signaled; 0 at first. It never goes back, whatever the owner does.
    pub fn value(&self) -> u64 {
        self.shared.import.value()
    }

    /// How far `point` is. The death of the owner is known from the broker; without one, from the next wait on.
    pub fn status(&self, point: u64) -> FenceStatus {
        self.shared.import.status(point)
    }

    /// Waits for `point`.
    ///
    /// # Blocking
    ///
    /// Until it is signaled, or has failed: asleep, for `timeout`; for ever without one; not at all with a zero one. No system call if
    /// it is signaled already. The death of the owner ends the wait, also when the broker is dead.
    ///
    /// # Errors
    ///
    /// [`PointError`], each with its errno. After [`PointError::TimedOut`] wait again; the others are final.
    pub fn wait(&self, point: u64, timeout: Option<Duration>) -> Result<(), PointError> {
        Self::wait_all(&[(self, point)], timeout)
    }

    /// Waits for one of `points`, and returns the index of the first that is signaled or has failed: [`ImportedTimeline::status`] tells
    /// which.
    ///
    /// # Blocking
    ///
    /// As [`ImportedTimeline::wait`]. Points of more than 64 timelines are watched in groups, in turns of a millisecond.
    ///
    /// # Errors
    ///
    /// [`PointError::TimedOut`] (`ETIMEDOUT`); [`PointError::NoPoints`] (`EINVAL`).
    pub fn wait_any(points: &[(&Self, u64)], timeout: Option<Duration>) -> Result<usize, PointError> {
        if points.is_empty() {
            return Err(PointError::NoPoints);
        }
        settle(points, Until::Any, timeout)?;
        let first = points.iter().position(is_settled);
        first.ok_or(PointError::NoPoints)
    }

    /// Waits until all of `points` are signaled or have failed; of none that is at once.
    ///
    /// # Blocking
    ///
    /// As [`ImportedTimeline::wait_any`].
    ///
    /// # Errors
    ///
    /// [`PointError::TimedOut`] (`ETIMEDOUT`); otherwise, when all are settled, the error of the first that failed.
    pub fn wait_all(points: &[(&Self, u64)], timeout: Option<Duration>) -> Result<(), PointError> {
        settle(points, Until::All, timeout)?;
        points
            .iter()
            .try_for_each(|(timeline, point)| timeline.shared.outcome(*point))
    }

    /// The fence of a point. Its callbacks run on the waiter thread, or on a thread that finds it signaled.
    ///
    /// To block until it is signaled, [`ImportedTimeline::wait`] is faster: it sleeps on the timeline itself.
    pub fn fence(&self, point: u64) -> Fence {
        fences::fence(&self.shared, (&self.shared.context, point), point)
    }
}

fn is_settled((timeline, point): &(&ImportedTimeline, u64)) -> bool {
    timeline.status(*point).is_signaled()
}

fn settle(
    points: &[(&ImportedTimeline, u64)],
    until: Until,
    timeout: Option<Duration>,
) -> Result<(), PointError> {
    let over = match until {
        Until::Any => points.iter().any(is_settled),
        Until::All => points.iter().all(is_settled),
    };
    if over {
        return Ok(());
    }
    let started = Instant::now();
    let mut liveness = Liveness::new();
    let imports: Vec<_> = points
        .iter()
        .map(|(timeline, point)| (&timeline.shared.import, *point))
        .collect();
    let pause = || {
        if liveness.is_due() {
            points
                .iter()
                .for_each(|(timeline, _)| timeline.shared.look_at_owner());
        }
        Some(liveness.until(None))
    };
    if wait(&imports, until, timeout.map(Deadline::after), pause) {
        return Ok(());
    }
    match points.iter().find(|point| !is_settled(point)) {
        Some((timeline, point)) => Err(PointError::TimedOut {
            timeline: timeline.name().to_owned(),
            point: *point,
            waited: started.elapsed(),
        }),
        // The last one came with the deadline.
        None => Ok(()),
    }
}

impl Imported {
    /// Looks whether the owner's process is dead, in case nobody else says so.
    fn look_at_owner(&self) {
        if self.owner.is_dead().unwrap_or(false) {
            self.import.close(End::OwnerDied);
        }
    }

    /// What became of a point that is settled.
    fn outcome(&self, point: u64) -> Result<(), PointError> {
        let timeline = || self.name.clone();
        let errno = match self.import.status(point) {
            FenceStatus::Failed(errno) => errno,
            FenceStatus::Signaled | FenceStatus::Unsignaled => return Ok(()),
        };
        Err(match self.import.end().filter(|_| self.import.value() < point) {
            None => PointError::Failed {
                timeline: timeline(),
                point,
                errno,
            },
            Some(End::Dropped) => PointError::Dropped {
                timeline: timeline(),
                point,
            },
            Some(End::OwnerDied) => PointError::OwnerDied {
                timeline: timeline(),
                point,
                label: self.owner_label.clone(),
                pid: self.owner_pid,
            },
        })
    }

    /// Takes the fences whose points are settled.
    fn take_due(&self) -> Due {
        let last = match self.import.end() {
            Some(_) => u64::MAX,
            None => self.import.value(),
        };
        let mut pending = self.pending();
        let due = pending.take_up_to(last);
        due.points().for_each(|point| self.import.waiting().leave(point));
        due
    }

    /// Forgets fences that nobody has any more.
    fn prune(&self) {
        let mut pending = self.pending();
        let gone = pending.prune();
        gone.into_iter()
            .for_each(|point| self.import.waiting().leave(point));
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        lock(&self.pending)
    }
}

impl Watched for Imported {
    fn words(&self) -> [(FutexWord<'_>, u32); 2] {
        self.import.words()
    }

    fn has_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    fn look(&self) {
        self.look_at_owner();
        self.prune();
    }

    fn serve(&self) {
        self.take_due().settle();
    }
}

impl Source for Imported {
    type Point = u64;

    fn status(&self, point: u64) -> FenceStatus {
        self.import.status(point)
    }

    fn enlist(self: &Arc<Self>, point: u64, fence: &WeakFence) -> bool {
        if self.import.status(point).is_signaled() {
            return false;
        }
        {
            // What is pending is announced, and the lock keeps the two together.
            let mut pending = self.pending();
            if pending.add(point, fence) {
                self.import.waiting().enter(point);
            }
        }
        watcher::watch(self);
        true
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.connection.give_back(ReleaseTimeline {
            timeline: self.timeline,
            import: self.number,
        });
    }
}
