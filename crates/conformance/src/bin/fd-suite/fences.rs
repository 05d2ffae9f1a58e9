//! Fences that are signaled when a case says so: points of a timeline, or of vgem where there are no timelines.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_uapi::dma_buf::SYNC_READ;
use wharf_uapi::drm::{
    CreateDumb, FENCE_ATTACH_WRITE, MODE_CREATE_DUMB, PRIME_HANDLE_TO_FD, PrimeHandle, VGEM_FENCE_ATTACH,
    VGEM_FENCE_SIGNAL, VgemFenceAttach, VgemFenceSignal,
};
use wharf_uapi::sw_sync::{CREATE_FENCE, CreateFenceData, INC};

use crate::case::{Outcome, Stop, expect_of, expect_ok};
use crate::sys;
use crate::things::{call, device, export};

/// Where timelines are opened.
const TIMELINES: [&str; 2] = ["/dev/sw_sync", "/sys/kernel/debug/sync/sw_sync"];

/// A fence that is not signaled yet.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The fence as a file.
    pub(crate) file: OwnedFd,
    by: By,
}

/// Who signals it.
#[derive(Debug)]
enum By {
    Timeline(OwnedFd),
    Vgem(OwnedFd, u32),
}

impl Pending {
    /// A new fence. Absent where the machine has neither timelines nor vgem.
    pub(crate) fn new() -> Result<Self, Stop> {
        match timeline() {
            Ok(timeline) => Ok(Self {
                file: point(&timeline, 1)?,
                by: By::Timeline(timeline),
            }),
            Err(Stop::Absent(_)) => of_vgem(),
            Err(other) => Err(other),
        }
    }

    /// Signals it.
    pub(crate) fn signal(self) -> Result<(), Errno> {
        match self.by {
            By::Timeline(timeline) => advance(&timeline, 1),
            By::Vgem(card, fence) => {
                let argument = VgemFenceSignal { fence, flags: 0 };
                call(card, VGEM_FENCE_SIGNAL, &argument.to_bytes()).map(drop)
            }
        }
    }

    /// Signals it after a while, on another thread.
    pub(crate) fn signal_after(self, while_: Duration) -> Later {
        let begun = Arc::new(AtomicBool::new(false));
        let beginning = Arc::clone(&begun);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(while_);
            // ORDERING: SeqCst; who is woken by the signal must see it.
            beginning.store(true, Ordering::SeqCst);
            self.signal()
        });
        Later { begun, thread }
    }
}

/// A signal that is still to come.
#[derive(Debug)]
pub(crate) struct Later {
    begun: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Errno>>,
}

impl Later {
    /// Expects that who has just gone on has waited for it.
    pub(crate) fn expect_waited(self) -> Outcome {
        // ORDERING: as above.
        let waited = self.begun.load(Ordering::SeqCst);
        expect_ok(self.thread.join().map_err(|_| Errno::IO)?)?;
        expect_of("waited:", true, waited)
    }
}

/// A new timeline.
pub(crate) fn timeline() -> Result<OwnedFd, Stop> {
    let opened = TIMELINES.map(|path| device(path, OFlags::RDWR));
    let mut found = opened
        .into_iter()
        .filter(|opened| !matches!(opened, Err(Stop::Absent(_))));
    found
        .next()
        .unwrap_or_else(|| Err(Stop::Absent(TIMELINES[0].to_owned())))
}

/// A point of a timeline.
pub(crate) fn point(timeline: &OwnedFd, value: u32) -> Result<OwnedFd, Errno> {
    let argument = CreateFenceData {
        value,
        fence: -1,
        ..CreateFenceData::default()
    };
    let (_, told) = call(timeline, CREATE_FENCE, &argument.to_bytes())?;
    sys::adopt(CreateFenceData::from_bytes(&told).fence.cast_unsigned())
}

/// Moves a timeline on.
pub(crate) fn advance(timeline: &OwnedFd, by: u32) -> Result<(), Errno> {
    call(timeline, INC, &by.to_ne_bytes()).map(drop)
}

/// A fence of vgem: on a buffer of vgem's own, taken out of it as a file.
fn of_vgem() -> Result<Pending, Stop> {
    let card = device("/dev/dri/card0", OFlags::RDWR).map_err(|stop| match stop {
        Stop::Absent(_) => Stop::Absent("fences: neither /dev/sw_sync nor vgem's /dev/dri/card0".to_owned()),
        other => other,
    })?;
    let dumb = CreateDumb {
        height: 1,
        width: 1024,
        bpp: 32,
        ..CreateDumb::default()
    };
    let (_, told) = call(&card, MODE_CREATE_DUMB, &dumb.to_bytes())?;
    let handle = CreateDumb::from_bytes(&told).handle;
    let attach = VgemFenceAttach {
        handle,
        flags: FENCE_ATTACH_WRITE,
        ..VgemFenceAttach::default()
    };
    let (_, told) = call(&card, VGEM_FENCE_ATTACH, &attach.to_bytes())?;
    let fence = VgemFenceAttach::from_bytes(&told).out_fence;
    let prime = PrimeHandle {
        handle,
        flags: OFlags::CLOEXEC.bits(),
        fd: -1,
    };
    let (_, told) = call(&card, PRIME_HANDLE_TO_FD, &prime.to_bytes())?;
    let buffer = sys::adopt(PrimeHandle::from_bytes(&told).fd.cast_unsigned())?;
    Ok(Pending {
        file: export(&buffer, SYNC_READ)?,
        by: By::Vgem(card, fence),
    })
}
