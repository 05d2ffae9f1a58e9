//! An owner of a timeline, and one who waits for its points.

use super::pages::SharedPage;
use super::{Failure, Fuse, STUCK};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::time::Duration;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::Deadline;
use wharf_stream::timeline::layout::{mark, page, status, waiter};
use wharf_stream::timeline::{
    Import, Importers, PointReader, PointWriter, TimelineStatus, Until, Waiting, wait,
};

/// The pages of a timeline that one process imported.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimelineStage {
    /// The owner's.
    pub timeline: SharedPage,
    /// That of who waits.
    pub waiter: SharedPage,
    /// The broker's.
    pub status: SharedPage,
}

impl TimelineStage {
    /// A timeline. The pages stay as long as `keep` does.
    ///
    /// # Errors
    ///
    /// When the system has no memory or descriptors.
    pub fn new(keep: &mut Vec<OwnedFd>) -> Result<Self, Failure> {
        Ok(Self {
            timeline: SharedPage::new(page::END, keep)?,
            waiter: SharedPage::new(waiter::END, keep)?,
            status: SharedPage::new(status::END, keep)?,
        })
    }
}

/// The cell of the waiter page.
const CELL: usize = waiter::FIRST;

/// Every third point has an error.
fn errno_of(point: u64) -> Option<Errno> {
    point.is_multiple_of(3).then_some(Errno::EIO)
}

/// Signals the points from 1 to `points`.
///
/// # Errors
///
/// When the pages cannot be had.
pub fn own_timeline(stage: &TimelineStage, fuse: &Fuse, points: u64) -> Result<(), Failure> {
    let words = fuse.guard(stage.timeline.own()?);
    mark(&words);
    let mut writer = PointWriter::new(words, page::BASE);
    let mut importers = Importers::default();
    importers.add(1, stage.waiter.other()?, CELL);
    let status = TimelineStatus::new(stage.status.other()?);
    for point in 1..=points {
        // So that who waits is asleep, most of the time.
        std::thread::sleep(Duration::from_micros(150));
        match errno_of(point) {
            Some(errno) => writer.signal_error(point, errno)?,
            None => writer.signal(point)?,
        }
        if importers.must_be_woken(&status, point) {
            writer.wake();
        }
    }
    Ok(())
}

/// Waits for the points from 1 to `points`, one after the other, or for the end of the timeline. Returns how many were signaled.
///
/// # Blocking
///
/// Until then.
///
/// # Errors
///
/// Nothing within [`STUCK`]; a point with another error than its own.
pub fn wait_for_points(stage: &TimelineStage, fuse: &Fuse, points: u64) -> Result<u64, Failure> {
    let waiting = Waiting::new(fuse.guard(stage.waiter.own()?), CELL);
    let import = Import::new(
        PointReader::new(stage.timeline.other()?, page::BASE),
        TimelineStatus::new(stage.status.other()?),
        waiting,
    );
    for point in 1..=points {
        let deadline = Deadline::after(STUCK);
        let is_reached = wait(&[(&import, point)], Until::All, Some(deadline), || None);
        // Who was not woken finds out by itself in the end: that is too late.
        if !is_reached || deadline.has_passed() {
            return Err(format!("point {point} never came").into());
        }
        match import.status(point) {
            FenceStatus::Failed(Errno::EOWNERDEAD) => return all_failed(&import, point..=points),
            status if status == expected(point) => {}
            status => return Err(format!("point {point} is {status:?}").into()),
        }
    }
    Ok(points)
}

fn expected(point: u64) -> FenceStatus {
    errno_of(point).map_or(FenceStatus::Signaled, FenceStatus::Failed)
}

/// The first point that failed fails those after it.
fn all_failed<R, W>(import: &Import<R, W>, mut rest: std::ops::RangeInclusive<u64>) -> Result<u64, Failure>
where
    R: wharf_memory::ReadWords,
    W: wharf_memory::WriteWords,
{
    let signaled = *rest.start() - 1;
    match rest.find(|point| import.status(*point) != FenceStatus::Failed(Errno::EOWNERDEAD)) {
        Some(point) => Err(format!("point {point} outlived its owner").into()),
        None => Ok(signaled),
    }
}
