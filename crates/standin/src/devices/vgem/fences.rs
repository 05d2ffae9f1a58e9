//! Fences that the program puts on buffers and signals.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use wharf_core::Usage;
use wharf_core::fence::{FenceContext, UniqueFence};
use wharf_uapi::drm::{FENCE_ATTACH_WRITE, VgemFenceAttach, VgemFenceSignal};

use super::card::Card;

/// After this it is signaled whatever the program does.
const LIFE: Duration = Duration::from_secs(10);

/// A fence by its number. The number stays taken when the program has signaled it.
#[derive(Debug)]
pub(crate) enum Attached {
    /// Neither the program nor time has signaled it.
    Pending { fence: UniqueFence, until: Instant },
    /// Time has.
    Expired,
    /// The program knows that it is signaled.
    Over,
}

impl Attached {
    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// Takes the fence out, to be signaled, if its time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<UniqueFence> {
        match self {
            Self::Pending { until, .. } if *until <= now => {}
            _ => return None,
        }
        match std::mem::replace(self, Self::Expired) {
            Self::Pending { fence, .. } => Some(fence),
            _ => None,
        }
    }

    /// Nobody can signal it any more.
    pub(super) fn end(self) {
        if let Self::Pending { fence, .. } = self {
            fence.signal();
        }
    }
}

/// Puts a new fence on a buffer, unless one that it would have to wait for is pending.
pub(super) fn attach(card: &Card, asked: &mut VgemFenceAttach) -> Result<(), Errno> {
    if asked.flags & !FENCE_ATTACH_WRITE != 0 || asked.pad != 0 {
        return Err(Errno::INVAL);
    }
    let handle = card.handle(asked.handle)?;
    // A writer waits for everybody, a reader for writers.
    let (usage, before) = match asked.flags {
        FENCE_ATTACH_WRITE => (Usage::Write, Usage::Read),
        _ => (Usage::Read, Usage::Write),
    };
    if !handle.buffer.reservation.is_signaled(before) {
        return Err(Errno::BUSY);
    }
    let fence = FenceContext::new("vgem", "unbound").with_timestamps().fence(1);
    handle.buffer.add_fences(&[fence.fence()], usage)?;
    let until = Instant::now() + LIFE;
    asked.out_fence = card.fences.lock().add(Attached::Pending { fence, until });
    Ok(())
}

/// Signals a fence.
pub(super) fn signal(card: &Card, asked: &mut VgemFenceSignal) -> Result<(), Errno> {
    if asked.flags != 0 {
        return Err(Errno::INVAL);
    }
    let taken = {
        let mut fences = card.fences.lock();
        let attached = fences.get_mut(asked.fence).ok_or(Errno::NOENT)?;
        std::mem::replace(attached, Attached::Over)
    };
    match taken {
        Attached::Pending { fence, .. } => {
            fence.signal();
            Ok(())
        }
        Attached::Expired => Err(Errno::TIMEDOUT),
        Attached::Over => Err(Errno::NOENT),
    }
}
