//! Timelines that a program drives.
//!
//! Opening the device makes nothing yet: with the first call on a descriptor it is replaced by the reading end of a pipe, which stands for
//! the timeline, and of which the kernel tells us when the last descriptor is closed.
//!
//! References: `sw_sync_ioctl_create_fence`, `sw_sync_ioctl_inc`, `sw_sync_ioctl_get_deadline`, `sync_timeline_signal`,
//! `sw_sync_debugfs_release` (drivers/dma-buf/sw_sync.c, v6.12).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;
use wharf_core::fence::{ContextId, Fence, FenceContext, UniqueFence};
use wharf_uapi::Ioctl;
use wharf_uapi::sw_sync::{CREATE_FENCE, CreateFenceData, GET_DEADLINE, GetDeadline, INC};

use super::sync_file::{SyncFile, nanoseconds_of};
use super::{Answer, Caller, DONE, Object, Objects, argument};

/// Where the wide count begins: points before the beginning are above zero, too.
const BEGINNING: u64 = 1 << 32;

/// A timeline.
#[derive(Debug)]
pub(crate) struct Timeline {
    context: FenceContext,
    points: Mutex<Points>,
    /// Our end of its pipe.
    bell: OwnedFd,
}

/// How far it is, and what is pending.
///
/// The program counts in 32 bits, which may run over; the fences count in 64, which do not.
#[derive(Debug)]
struct Points {
    now: u64,
    pending: BTreeMap<u64, UniqueFence>,
}

impl Points {
    /// Where the program's `value` is, seen from now: at most 2^31 away.
    fn place(&self, value: u32) -> u64 {
        // CAST: the program's count is the lower half; the difference is signed, as in the kernel.
        let ahead = value.wrapping_sub(self.now as u32) as i32;
        self.now.saturating_add_signed(ahead.into())
    }
}

impl Timeline {
    /// Puts a new timeline in place of the caller's descriptor `fd` of the device.
    pub(crate) fn create(caller: &dyn Caller, objects: &Objects, fd: i32) -> Result<Arc<Self>, Errno> {
        let (reader, bell) = objects.pipe()?;
        let timeline = Arc::new(Self {
            context: FenceContext::new("sw_sync", &caller.name()).with_timestamps(),
            points: Mutex::new(Points {
                now: BEGINNING,
                pending: BTreeMap::new(),
            }),
            bell,
        });
        let object = Object::Timeline(Arc::clone(&timeline));
        objects.replace((caller, fd), reader, object, timeline.bell.as_fd())?;
        Ok(timeline)
    }

    /// The timeline's own number.
    pub(crate) fn context(&self) -> ContextId {
        self.context.id()
    }

    fn point(&self, value: u32) -> Fence {
        let mut points = self.points.lock();
        let place = points.place(value);
        if place > points.now {
            let pending = points.pending.entry(place);
            return pending.or_insert_with(|| self.context.fence(place)).fence();
        }
        let passed = self.context.fence(place);
        let fence = passed.fence();
        passed.signal();
        fence
    }

    fn advance(&self, by: u32) {
        let mut points = self.points.lock();
        points.now = points.now.saturating_add(by.into());
        let next = points.now + 1;
        let later = points.pending.split_off(&next);
        let passed = std::mem::replace(&mut points.pending, later);
        // Bells are rung and waiting calls answered meanwhile.
        drop(points);
        passed.into_values().for_each(UniqueFence::signal);
    }

    /// Signals what is pending, because nobody can any more.
    fn end(&self) {
        let pending = std::mem::take(&mut self.points.lock().pending);
        for fence in pending.into_values() {
            // It cannot have been signaled by others.
            let _ = fence.signal_error(wharf_core::Errno::ENOENT);
        }
    }

    fn deadline_ns(&self, fence: &Fence) -> Option<u64> {
        let points = self.points.lock();
        points.pending.get(&fence.seqno())?.deadline().map(nanoseconds_of)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.end();
    }
}

/// Answers a call on `timeline`.
pub(crate) fn call(
    caller: &dyn Caller,
    (objects, timeline): (&Objects, &Timeline),
    request: Ioctl,
    address: u64,
) -> Result<Answer, Errno> {
    match request {
        CREATE_FENCE => create_fence(caller, (objects, timeline), address),
        INC => {
            timeline.advance(u32::from_ne_bytes(argument(caller, address)?));
            DONE
        }
        GET_DEADLINE => get_deadline(caller, objects, address),
        _ => Ok(Answer::Native),
    }
}

fn create_fence(
    caller: &dyn Caller,
    (objects, timeline): (&Objects, &Timeline),
    address: u64,
) -> Result<Answer, Errno> {
    let unchanged = argument::<{ CreateFenceData::SIZE_BYTES }>(caller, address)?;
    let asked = CreateFenceData::from_bytes(&unchanged);
    let point = (timeline.point(asked.value), None);
    SyncFile::give((caller, objects), point, (address, &unchanged), |fence| {
        CreateFenceData { fence, ..asked }.to_bytes()
    })
}

fn get_deadline(caller: &dyn Caller, objects: &Objects, address: u64) -> Result<Answer, Errno> {
    let asked = GetDeadline::from_bytes(&argument::<{ GetDeadline::SIZE_BYTES }>(caller, address)?);
    if asked.pad != 0 {
        return Err(Errno::INVAL);
    }
    let file = SyncFile::of(caller, objects, asked.fence_fd).ok_or(Errno::INVAL)?;
    let timeline = objects.timeline(file.fence().context()).ok_or(Errno::INVAL)?;
    let deadline_ns = timeline.deadline_ns(file.fence()).ok_or(Errno::NOENT)?;
    caller.write(address, &GetDeadline { deadline_ns, ..asked }.to_bytes())?;
    DONE
}
