//! Files of fences as fences of the framework, and back.

use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use wharf_core::fence::unwrap;
use wharf_core::{Fence, FenceContext, FenceOps, Signaling};

use super::watch::{Watch, Watched};
use super::{SyncFile, failed};
use crate::kernel_error::KernelError;

/// A fence of the framework that cannot be had as a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// Somebody in user space signals it. The kernel takes no fences whose end it cannot count on.
    #[error(
        "fence {fence} is not the kernel's: wait for it, then go on; the kernel's drivers wait for nothing that user space signals"
    )]
    NotOfTheKernel {
        /// The fence.
        fence: Box<str>,
    },
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl BridgeError {
    /// EOPNOTSUPP for fences of user space; otherwise what the kernel answered.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotOfTheKernel { .. } => Errno::OPNOTSUPP,
            Self::Kernel(error) => error.errno(),
        }
    }
}

impl SyncFile {
    /// The file as one fence of the framework, on a timeline of its own. Its callbacks run on the one thread of this process that waits for
    /// all such fences.
    ///
    /// # Errors
    /// [`KernelError`]: EMFILE, ENOMEM, ENOSPC when the user may watch no more, EAGAIN when there can be no thread.
    pub fn fence(&self) -> Result<Fence, KernelError> {
        let (driver, timeline) = self.names();
        self.fence_in(&FenceContext::new(&driver, &timeline), 1)
    }

    /// The file as fence `seqno` of `context`: the caller says that it is signaled after those before it.
    ///
    /// # Errors
    /// As [`SyncFile::fence`].
    pub fn fence_in(&self, context: &FenceContext, seqno: u64) -> Result<Fence, KernelError> {
        let watch = Watch::of_this_process().map_err(failed("starting the thread that waits for fences"))?;
        let file = Arc::new(self.try_clone()?);
        let watched = watch
            .add(&file, (context.id(), seqno))
            .map_err(failed("epoll_ctl"))?;
        Ok(context.fence_by(seqno, move |fence| {
            watched.is_for(fence);
            Box::new(KernelWork { file, watched })
        }))
    }

    /// Whose fences they are, as far as one name can tell.
    fn names(&self) -> (String, String) {
        match self.info() {
            Ok(info) => match &info.fences[..] {
                [fence] => (fence.driver.clone(), fence.timeline.clone()),
                _ => ("sync_file".to_owned(), info.name),
            },
            Err(_) => ("sync_file".to_owned(), "unknown".to_owned()),
        }
    }

    /// A file for those fences of `fence` that are pending, `None` if none is.
    ///
    /// That works for fences that came from the kernel. It takes none of user space, whose end it cannot count on.
    ///
    /// # Errors
    /// [`BridgeError`]: EOPNOTSUPP for fences of user space; EMFILE, ENOMEM.
    pub fn of(fence: &Fence) -> Result<Option<Self>, BridgeError> {
        let mut merged: Option<Self> = None;
        for part in unwrap(fence).filter(|part| !part.is_signaled()) {
            let file = Watch::of_this_process()
                .ok()
                .and_then(|watch| watch.file((part.context(), part.seqno())));
            merged = match (merged, file) {
                (Some(merged), Some(file)) => Some(merged.merge(&file, "wharf")?),
                (None, Some(file)) => Some(file.try_clone()?),
                // It has been signaled since.
                (merged, None) if part.is_signaled() => merged,
                (_, None) => {
                    return Err(BridgeError::NotOfTheKernel {
                        fence: part.to_string().into(),
                    });
                }
            };
        }
        Ok(merged)
    }
}

/// Work of the kernel's.
struct KernelWork {
    file: Arc<SyncFile>,
    watched: Watched,
}

impl FenceOps for KernelWork {
    fn enable_signaling(&self) -> Signaling {
        if self.file.is_signaled() {
            return Signaling::AlreadySignaled;
        }
        self.watched.begin();
        Signaling::Enabled
    }

    fn is_signaled(&self) -> bool {
        self.file.is_signaled()
    }

    fn error(&self) -> Option<wharf_core::Errno> {
        self.file.error()
    }

    fn set_deadline(&self, deadline: Instant) {
        // A hint. Kernels before v6.6 take none.
        let _ = self.file.set_deadline(deadline);
    }
}
