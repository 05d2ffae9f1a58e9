//! A timeline that this process drives.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};
use wharf_core::Usage;
use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::sync_file::SyncFile;
use wharf_memory::ioctl::{advance, make_fence};

use super::Work;

/// One timeline, whose points are reached one by one.
pub(crate) struct Timeline {
    fd: Arc<OwnedFd>,
    last: AtomicU32,
}

impl Timeline {
    pub(crate) fn find() -> Option<Self> {
        let open = |path| rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok();
        let fd = open("/dev/sw_sync").or_else(|| open("/sys/kernel/debug/sync/sw_sync"))?;
        Some(Self {
            fd: Arc::new(fd),
            last: AtomicU32::new(0),
        })
    }

    pub(crate) fn begin(&self, buffer: &KernelBuffer, usage: Usage) -> Work {
        let point = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let fence = SyncFile::from_fd(make_fence(&self.fd, point).unwrap()).unwrap();
        buffer.add_fences(&fence, usage).unwrap();
        let timeline = Arc::clone(&self.fd);
        Work {
            end: Box::new(move || advance(&timeline, 1).unwrap()),
        }
    }
}
