//! Fences that nobody owns, and errors that ops tell of.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::tools::context;
use wharf_core::{
    CallbackOutcome, Errno, Fence, FenceOps, FenceStatus, Signaling, Wait, WaitError, WeakFence,
};

/// Work that goes on elsewhere.
#[derive(Default)]
struct Elsewhere {
    over: AtomicBool,
    errno: AtomicI32,
    enabled: Mutex<Vec<WeakFence>>,
}

struct Ops {
    work: Arc<Elsewhere>,
    fence: WeakFence,
}

impl FenceOps for Ops {
    fn enable_signaling(&self) -> Signaling {
        if self.is_signaled() {
            return Signaling::AlreadySignaled;
        }
        self.work.enabled.lock().unwrap().push(self.fence.clone());
        Signaling::Enabled
    }
    fn is_signaled(&self) -> bool {
        self.work.over.load(Ordering::Acquire)
    }
    fn error(&self) -> Option<Errno> {
        match self.work.errno.load(Ordering::Relaxed) {
            0 => None,
            errno => Some(Errno::new(errno)),
        }
    }
}

impl Elsewhere {
    fn fence(self: &Arc<Self>) -> Fence {
        context().fence_by(1, |fence| {
            Box::new(Ops {
                work: Arc::clone(self),
                fence: fence.clone(),
            })
        })
    }

    /// Ends the work as whoever was enlisted would.
    fn finish(&self) {
        self.over.store(true, Ordering::Release);
        for fence in std::mem::take(&mut *self.enabled.lock().unwrap()) {
            if let Some(fence) = fence.upgrade() {
                assert!(fence.is_signaled());
            }
        }
    }
}

#[test]
fn fence_without_owner_is_signaled_by_who_looks() {
    let work = Arc::new(Elsewhere::default());
    let fence = work.fence();
    assert_eq!(fence.wait(&Wait::not()), Err(WaitError::TimedOut));
    assert_eq!(fence.status(), FenceStatus::Unsignaled);
    work.over.store(true, Ordering::Release);
    assert_eq!(fence.status(), FenceStatus::Signaled);
    assert_eq!(Arc::strong_count(&work), 1, "its ops are gone");
}

#[test]
fn error_of_the_ops_is_the_fence_s_by_looking_and_by_enabling() {
    for look in [Fence::is_signaled, |fence: &Fence| {
        !fence.add_callback(|_| unreachable!()).is_added()
    }] {
        let work = Arc::new(Elsewhere::default());
        let fence = work.fence();
        work.errno.store(Errno::EIO.raw(), Ordering::Relaxed);
        work.over.store(true, Ordering::Release);
        assert!(look(&fence));
        assert_eq!(fence.status(), FenceStatus::Failed(Errno::EIO));
    }
}

#[test]
fn number_that_is_no_error_is_none() {
    for errno in [-1, 4096] {
        let work = Arc::new(Elsewhere::default());
        let fence = work.fence();
        work.errno.store(errno, Ordering::Relaxed);
        work.over.store(true, Ordering::Release);
        assert_eq!(fence.status(), FenceStatus::Signaled);
    }
}

#[test]
fn callback_runs_though_all_handles_of_the_fence_are_gone() {
    let work = Arc::new(Elsewhere::default());
    let (sender, told) = mpsc::channel();
    let outcome = work
        .fence()
        .add_callback(move |fence| assert!(sender.send(fence.status()).is_ok()));
    assert!(outcome.is_added());
    drop(outcome);
    work.finish();
    assert_eq!(told.try_recv(), Ok(FenceStatus::Signaled));
    assert_eq!(Arc::strong_count(&work), 1);
}

#[test]
fn fence_without_owner_goes_with_its_last_handle_or_callback() {
    let work = Arc::new(Elsewhere::default());
    let (looked_at, told) = (work.fence(), work.fence());
    let weak = [looked_at.downgrade(), told.downgrade()];
    assert_eq!(looked_at.wait(&Wait::not()), Err(WaitError::TimedOut));
    drop(looked_at);
    assert!(weak[0].upgrade().is_none());
    let CallbackOutcome::Added(handle) = told.add_callback(|_| unreachable!()) else {
        panic!("not signaled");
    };
    drop(told);
    assert!(weak[1].upgrade().is_some());
    assert!(handle.remove());
    assert!(weak[1].upgrade().is_none());
    assert_eq!(Arc::strong_count(&work), 1);
}
