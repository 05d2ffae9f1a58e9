//! Calls that wait for a fence, of callers that are not trapped.

use std::collections::HashMap;
use std::sync::Arc;

use fuser::ReplyIoctl;
use parking_lot::Mutex;
use wharf_core::fence::{CallbackOutcome, Fence};

use crate::listener::task::interruption;
use crate::memory::Releases;

#[derive(Debug, Default)]
struct Calls {
    by_number: HashMap<u64, (u32, ReplyIoctl)>,
    last: u64,
}

/// The calls, each with the thread that made it.
#[derive(Debug)]
pub(super) struct Waits {
    calls: Mutex<Calls>,
    /// Has whoever looks for signals wake up.
    releases: Arc<Releases>,
}

impl Waits {
    pub(super) fn new(releases: Arc<Releases>) -> Self {
        Self {
            calls: Mutex::default(),
            releases,
        }
    }

    /// Has the call answered when `fence` is signaled.
    pub(super) fn wait(self: &Arc<Self>, thread: u32, reply: ReplyIoctl, fence: &Fence) {
        let number = {
            let mut calls = self.calls.lock();
            calls.last += 1;
            let number = calls.last;
            calls.by_number.insert(number, (thread, reply));
            number
        };
        self.releases.ring();
        let waits = Arc::clone(self);
        let answer = move |_: &Fence| {
            if let Some(reply) = waits.take(number) {
                reply.ioctl(0, &[]);
            }
        };
        if let CallbackOutcome::AlreadySignaled(answer) = fence.add_callback(answer) {
            answer(fence);
        }
    }

    /// Whoever takes it out answers.
    fn take(&self, number: u64) -> Option<ReplyIoctl> {
        let taken = self.calls.lock().by_number.remove(&number);
        taken.map(|(_, reply)| reply)
    }

    /// Ends the waits that a signal interrupts, deadly ones among them; tells whether some go on.
    ///
    /// The kernel would say of each signal, but `fuser` does not pass that on; and of a call that has been read only the answer sets a
    /// thread free, even if it is to be killed.
    pub(super) fn interrupt(&self) -> bool {
        let waiting: Vec<(u64, u32)> = {
            let calls = self.calls.lock();
            let number = |(number, (thread, _)): (&u64, &(u32, _))| (*number, *thread);
            calls.by_number.iter().map(number).collect()
        };
        for (number, thread) in &waiting {
            if interruption(*thread).is_none() {
                continue;
            }
            if let Some(reply) = self.take(*number) {
                reply.error(fuser::Errno::EINTR);
            }
        }
        !waiting.is_empty()
    }
}
