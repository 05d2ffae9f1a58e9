//! Ops of drivers, good and bad.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::tools::{Log, Scripted, context, patience};
use wharf_core::{CallbackOutcome, FenceOps, FenceStatus, Signaling, UniqueFence, Wait, WaitError};

fn scripted(ops: Scripted) -> UniqueFence {
    context().fence_with(1, Box::new(ops))
}

#[test]
fn signaling_is_enabled_once_by_the_first_who_wants_to_be_told() {
    let log = Log::default();
    let owner = scripted(Scripted::new(&log));
    let fence = owner.fence();
    assert!(!fence.is_signaled());
    assert_eq!(log.entries(), [] as [&str; 0]);
    assert_eq!(fence.wait(&Wait::not()), Err(WaitError::TimedOut));
    assert_eq!(log.entries(), ["enable"]);
    log.follow(&fence, "told");
    assert_eq!(fence.wait(&Wait::not()), Err(WaitError::TimedOut));
    assert_eq!(log.entries(), ["enable"]);
    owner.signal();
    assert_eq!(log.entries(), ["enable", "dropped", "told"]);
}

#[test]
fn ops_that_find_the_work_done_when_enabled_signal_the_fence() {
    let log = Log::default();
    let owner = scripted(Scripted {
        enable: || Signaling::AlreadySignaled,
        ..Scripted::new(&log)
    });
    let fence = owner.fence();
    let outcome = fence.add_callback(|_| panic!("not to be run"));
    assert!(matches!(outcome, CallbackOutcome::AlreadySignaled(_)));
    assert_eq!(fence.status(), FenceStatus::Signaled);
    assert_eq!(log.entries(), ["enable", "dropped"]);
    assert_eq!(fence.wait(&Wait::not()), Ok(()));
    owner.signal();
    assert_eq!(fence.status(), FenceStatus::Signaled);
}

#[test]
fn a_look_signals_the_fence_when_the_ops_say_so() {
    static DONE: AtomicBool = AtomicBool::new(false);
    let log = Log::default();
    let owner = scripted(Scripted {
        poll: || DONE.load(Ordering::Relaxed),
        ..Scripted::new(&log)
    });
    let fence = owner.fence();
    log.follow(&fence, "told");
    assert_eq!(fence.status(), FenceStatus::Unsignaled);
    DONE.store(true, Ordering::Relaxed);
    assert_eq!(fence.status(), FenceStatus::Signaled);
    assert_eq!(log.entries(), ["enable", "dropped", "told"]);
    drop(owner);
    assert_eq!(fence.status(), FenceStatus::Signaled);
}

#[test]
fn panics_of_ops_are_contained_and_mean_not_signaled() {
    let log = Log::default();
    let owner = scripted(Scripted {
        enable: || panic!("this panic is part of the test"),
        poll: || panic!("this panic is part of the test"),
        ..Scripted::new(&log)
    });
    let fence = owner.fence();
    log.follow(&fence, "told");
    assert_eq!(fence.status(), FenceStatus::Unsignaled);
    owner.signal();
    assert_eq!(log.entries(), ["enable", "dropped", "told"]);
}

struct PanicsWhenDropped;

impl FenceOps for PanicsWhenDropped {
    fn enable_signaling(&self) -> Signaling {
        Signaling::Enabled
    }

    fn set_deadline(&self, _: std::time::Instant) {
        panic!("this panic is part of the test");
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("this panic is part of the test");
    }
}

#[test]
fn ops_that_panic_when_dropped_do_not_keep_callbacks_from_running() {
    let log = Log::default();
    let owner = context().fence_with(1, Box::new(PanicsWhenDropped));
    log.follow(&owner.fence(), "told");
    owner.fence().set_deadline(std::time::Instant::now());
    owner.signal();
    assert_eq!(log.entries(), ["told"]);
}

/// Signals its own fence while it is asked to enable signaling: an interrupt that comes at once.
#[derive(Clone, Default)]
struct Impatient(Arc<Mutex<Option<UniqueFence>>>);

impl FenceOps for Impatient {
    fn enable_signaling(&self) -> Signaling {
        if let Some(owner) = self.0.lock().unwrap().take() {
            owner.signal();
        }
        Signaling::Enabled
    }
}

#[test]
fn a_fence_may_be_signaled_while_signaling_is_enabled() {
    let ops = Impatient::default();
    let owner = context().fence_with(1, Box::new(ops.clone()));
    let fence = owner.fence();
    *ops.0.lock().unwrap() = Some(owner);
    assert_eq!(fence.wait(&patience()), Ok(()));
    assert_eq!(fence.status(), FenceStatus::Signaled);
}
