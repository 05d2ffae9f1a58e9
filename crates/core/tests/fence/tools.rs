//! What several of these tests need.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wharf_core::{CallbackOutcome, Deadline, Fence, FenceContext, FenceOps, Signaling, UniqueFence, Wait};

/// Long enough for every machine; reached only by a test that fails.
pub(crate) fn patience() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_secs(30)))
}

pub(crate) fn context() -> FenceContext {
    FenceContext::new("test", "queue")
}

/// An unsignaled fence of a context of its own.
pub(crate) fn lone() -> UniqueFence {
    context().fence(1)
}

/// Fences 1, 2, … of one context.
pub(crate) fn row(count: u64) -> Vec<UniqueFence> {
    let context = context();
    (1..=count).map(|seqno| context.fence(seqno)).collect()
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Notes `entry` when the fence is signaled.
    pub(crate) fn follow(&self, fence: &Fence, entry: &str) {
        let (log, entry) = (self.clone(), entry.to_owned());
        assert!(matches!(
            fence.add_callback(move |_| log.note(entry)),
            CallbackOutcome::Added(_)
        ));
    }
}

/// Ops that do as they are told and note it.
pub(crate) struct Scripted {
    pub(crate) log: Log,
    pub(crate) enable: fn() -> Signaling,
    pub(crate) poll: fn() -> bool,
    pub(crate) _end: NotesDrop,
}

pub(crate) struct NotesDrop(Log);

impl Drop for NotesDrop {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

impl Scripted {
    pub(crate) fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            enable: || Signaling::Enabled,
            poll: || false,
            _end: NotesDrop(log.clone()),
        }
    }
}

impl FenceOps for Scripted {
    fn enable_signaling(&self) -> Signaling {
        self.log.note("enable");
        (self.enable)()
    }

    fn is_signaled(&self) -> bool {
        (self.poll)()
    }

    fn set_deadline(&self, deadline: Instant) {
        self.log.note(format!("deadline {deadline:?}"));
    }
}
