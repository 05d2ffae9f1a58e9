//! Devices that work on buffers for as long as a test wants.

mod camera;
mod raw;
mod sw_sync;
mod vgem;
pub(crate) use camera::Camera;
pub(crate) use raw::{call, code};

use wharf_core::Usage;
use wharf_linux::dma_buf::KernelBuffer;
use wharf_testkit::skip;

/// A device.
pub(crate) enum Device {
    /// The kernel's graphics driver without hardware.
    Vgem(vgem::Card),
    /// A timeline that this process drives.
    SwSync(sw_sync::Timeline),
}

/// Work that is under way.
#[must_use]
pub(crate) struct Work {
    end: Box<dyn FnOnce() + Send>,
}

impl Work {
    /// The device is done.
    pub(crate) fn end(self) {
        (self.end)();
    }
}

impl Device {
    /// The first there is.
    pub(crate) fn find() -> Option<Self> {
        if let Some(card) = vgem::Card::find() {
            return Some(Self::Vgem(card));
        }
        if let Some(timeline) = sw_sync::Timeline::find() {
            return Some(Self::SwSync(timeline));
        }
        skip("no device that makes fences: neither vgem nor sw_sync");
        None
    }

    /// Has it read or write the buffer until told otherwise.
    pub(crate) fn begin(&self, buffer: &KernelBuffer, usage: Usage) -> Work {
        match self {
            Self::Vgem(card) => card.begin(buffer, usage),
            Self::SwSync(timeline) => timeline.begin(buffer, usage),
        }
    }
}
