//! Fences for poll and epoll.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use wharf_core::{CallbackHandle, CallbackOutcome, Fence};

/// A descriptor that becomes readable when a fence is signaled, with an error or without, and stays so: for poll and epoll, level-triggered.
///
/// It works for any fence: imported, of this process, arrays, chains. It is for polling; who reads it takes the readiness away.
#[derive(Debug)]
pub struct FenceEvent {
    fd: Arc<OwnedFd>,
    fence: Fence,
    callback: Option<CallbackHandle>,
}

impl FenceEvent {
    /// Makes a descriptor for `fence`, and enables signaling.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE` or `ENOMEM` when there can be no more descriptors.
    ///
    /// # References
    ///
    /// `eventfd(2)`; `sync_file_poll` (drivers/dma-buf/sync_file.c, v6.12) does this for the kernel's fences.
    pub fn new(fence: &Fence) -> Result<Self, Errno> {
        let fd = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let told = Arc::clone(&fd);
        let callback = match fence.add_callback(move |_| ring(&told)) {
            CallbackOutcome::Added(handle) => Some(handle),
            CallbackOutcome::AlreadySignaled(_) => {
                ring(&fd);
                None
            }
        };
        Ok(Self {
            fd,
            fence: fence.clone(),
            callback,
        })
    }

    /// The fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }
}

/// Makes an eventfd readable. It is written once, so that it cannot be full.
fn ring(fd: &OwnedFd) {
    let written = rustix::io::write(fd, &1_u64.to_ne_bytes());
    debug_assert!(written.is_ok(), "write to an eventfd failed: {written:?}");
}

impl AsFd for FenceEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for FenceEvent {
    fn drop(&mut self) {
        if let Some(callback) = self.callback.take() {
            callback.remove();
        }
    }
}
