//! What a fence is made of, and how it becomes signaled.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::array::ArrayBody;
use super::callback::Callbacks;
use super::chain::ChainBody;
use super::context::Timeline;
use super::state::StateWord;
use super::{ContextId, Fence, FenceOps, Signaling};
use crate::contain::contain;
use crate::sync::{Mutex, lock};
use crate::{Errno, order};

/// The shared part of all handles of one fence.
pub(super) struct Inner {
    pub(super) state: StateWord,
    pub(super) context: ContextId,
    pub(super) seqno: u64,
    /// When it was signaled, for those that record it. Set before the state says so.
    pub(super) signaled_at: Option<OnceLock<Instant>>,
    pub(super) attendants: Mutex<Attendants>,
    pub(super) body: Body,
}

/// Who has to be told of what. No foreign code runs under this lock.
#[derive(Default)]
pub(super) struct Attendants {
    pub(super) callbacks: Callbacks,
    /// The fence itself, if it has callbacks and no owner, who would keep it: they run though its other handles are gone.
    pub(super) kept: Option<Fence>,
    /// Gone once the fence is signaled.
    ops: Option<Arc<dyn FenceOps>>,
    /// The earliest asked for.
    deadline: Option<Instant>,
}

/// What decides when a fence is signaled.
pub(super) enum Body {
    /// The owner, or the ops that it gave the fence.
    Plain { timeline: Timeline, signaler: Signaler },
    /// Nothing: it always was.
    Stub,
    /// Its members.
    Array(ArrayBody),
    /// The fence in it and the links before it.
    Chain(ChainBody),
}

/// Who signals a fence that consists of no others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signaler {
    /// Its owner.
    Owner,
    /// Its owner, or whoever finds that its ops say so.
    OwnerAndOps,
    /// Whoever finds that its ops say so.
    Ops,
}

impl Inner {
    pub(super) fn plain(
        seqno: u64,
        timeline: Timeline,
        signaler: Signaler,
        ops: Option<Arc<dyn FenceOps>>,
    ) -> Self {
        Self {
            // With ops the signaler has to look under the lock, to drop them.
            state: if ops.is_some() {
                StateWord::attended()
            } else {
                StateWord::unsignaled()
            },
            context: timeline.id,
            seqno,
            signaled_at: timeline.timestamps.then(OnceLock::new),
            attendants: Mutex::new(Attendants {
                ops,
                ..Attendants::default()
            }),
            body: Body::Plain { timeline, signaler },
        }
    }

    /// An array or a chain link, unsignaled.
    pub(super) fn container(context: ContextId, seqno: u64, timestamps: bool, body: Body) -> Self {
        Self {
            state: StateWord::unsignaled(),
            context,
            seqno,
            signaled_at: timestamps.then(OnceLock::new),
            attendants: Mutex::default(),
            body,
        }
    }

    /// A fence that was signaled before anybody saw it.
    pub(super) fn stub(signaled_at: Option<Instant>) -> Self {
        Self {
            state: StateWord::signaled(),
            context: ContextId::STUB,
            seqno: 0,
            signaled_at: signaled_at.map(OnceLock::from),
            attendants: Mutex::default(),
            body: Body::Stub,
        }
    }

    /// Whether somebody keeps it who is to signal it.
    pub(super) fn has_owner(&self) -> bool {
        matches!(&self.body, Body::Plain { signaler, .. } if *signaler != Signaler::Ops)
    }

    fn ops(&self) -> Option<Arc<dyn FenceOps>> {
        lock(&self.attendants).ops.clone()
    }
}

/// With which error the work of ops that say that it is over went wrong.
fn error_of(ops: &dyn FenceOps) -> Option<Errno> {
    ops.error().filter(|errno| errno.is_error())
}

impl Fence {
    /// Signals the fence; `false` if it was signaled before.
    pub(super) fn settle(&self, error: Option<Errno>) -> bool {
        let inner = self.inner();
        if let Some(moment) = &inner.signaled_at {
            // Of two signalers the first to get here gives the time, the first to get to the state the outcome.
            moment.get_or_init(Instant::now);
        }
        let Some(attended) = inner.state.signal(error) else {
            return false;
        };
        if attended {
            self.tell_attendants();
        }
        tracing::trace!(target: "wharf_core::fence", fence = %self, ?error, "signaled");
        true
    }

    #[cold]
    fn tell_attendants(&self) {
        let (callbacks, ops, _kept) = {
            let mut attendants = lock(&self.inner().attendants);
            (
                attendants.callbacks.take(),
                attendants.ops.take(),
                attendants.kept.take(),
            )
        };
        if let Err(message) = contain(|| drop(ops)) {
            self.report_panic("ops, when dropped,", &message);
        }
        let _section = order::signaling_section();
        for callback in callbacks {
            if let Err(message) = contain(|| callback(self)) {
                self.report_panic("a callback", &message);
            }
        }
    }

    fn report_panic(&self, who: &str, message: &str) {
        tracing::error!(target: "wharf_core::fence", fence = %self, "{who} panicked: {message}");
    }

    /// Looks whether the fence ought to be signaled, and signals it then.
    pub(super) fn poll(&self) {
        match &self.inner().body {
            Body::Plain {
                signaler: Signaler::Owner,
                ..
            }
            | Body::Stub => {}
            Body::Plain { .. } => self.poll_ops(),
            Body::Array(array) => array.poll(self),
            Body::Chain(chain) => chain.poll(self),
        }
    }

    fn poll_ops(&self) {
        let Some(ops) = self.inner().ops() else { return };
        // The ops move in: theirs may be the last reference, and dropping them is foreign code too.
        match contain(move || ops.is_signaled().then(|| error_of(&*ops))) {
            Ok(Some(error)) => {
                self.settle(error);
            }
            Ok(None) => {}
            Err(message) => self.report_panic("is_signaled of its ops", &message),
        }
    }

    /// Makes sure that somebody will signal the fence without being polled.
    pub(super) fn enable_signaling(&self) {
        let inner = self.inner();
        let is_owners = matches!(
            inner.body,
            Body::Plain {
                signaler: Signaler::Owner,
                ..
            } | Body::Stub
        );
        if is_owners || !inner.state.enable() {
            return;
        }
        match &inner.body {
            Body::Plain { .. } => self.enable_ops(),
            Body::Array(array) => array.watch(self),
            Body::Chain(chain) => chain.watch(self),
            Body::Stub => {}
        }
    }

    fn enable_ops(&self) {
        let Some(ops) = self.inner().ops() else { return };
        let enable = move || match ops.enable_signaling() {
            Signaling::AlreadySignaled => Some(error_of(&*ops)),
            Signaling::Enabled => None,
        };
        match contain(enable) {
            Ok(Some(error)) => {
                self.settle(error);
            }
            Ok(None) => {}
            // Not signaled for that: the work may still be going on, and the owner still has to signal.
            Err(message) => self.report_panic("enable_signaling of its ops", &message),
        }
    }

    /// Notes a deadline and tells the ops, if it is earlier than all before it.
    pub(super) fn hint_deadline(&self, deadline: Instant) {
        let ops = {
            let mut attendants = lock(&self.inner().attendants);
            if attendants.deadline.is_some_and(|earliest| earliest <= deadline) {
                return;
            }
            attendants.deadline = Some(deadline);
            attendants.ops.clone()
        };
        let Some(ops) = ops else { return };
        if let Err(message) = contain(move || ops.set_deadline(deadline)) {
            self.report_panic("set_deadline of its ops", &message);
        }
    }

    pub(super) fn earliest_deadline(&self) -> Option<Instant> {
        lock(&self.inner().attendants).deadline
    }
}
