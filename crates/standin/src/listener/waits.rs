//! Calls that wait for a fence.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;
use wharf_core::fence::{CallbackOutcome, Fence};

use super::task::interruption;

/// Answers a call whose wait is over, or ended by a signal with this error.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), Errno>) + Send>;

/// The calls by numbers of their own, each with the thread that made it.
#[derive(Default)]
pub(crate) struct Waits {
    calls: Mutex<HashMap<u64, (u32, Answer)>>,
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waits").field(&self.numbers()).finish()
    }
}

impl Waits {
    /// A call `number` of `thread` waits; [`Waits::end_with`] says for what.
    pub(crate) fn add(&self, number: u64, thread: u32, answer: Answer) {
        self.calls.lock().insert(number, (thread, answer));
    }

    /// Has the call answered when `fence` is signaled.
    pub(crate) fn end_with(self: &Arc<Self>, fence: &Fence, number: u64) {
        let waits = Arc::clone(self);
        let over = move |_: &Fence| waits.end(number, Ok(()));
        if let CallbackOutcome::AlreadySignaled(over) = fence.add_callback(over) {
            over(fence);
        }
    }

    /// Whoever takes it out answers.
    fn end(&self, number: u64, how: Result<(), Errno>) {
        let taken = self.calls.lock().remove(&number);
        if let Some((_, answer)) = taken {
            answer(how);
        }
    }

    /// Ends the waits that a signal interrupts; tells whether some go on.
    pub(crate) fn interrupt(&self) -> bool {
        let waiting: Vec<(u64, u32)> = {
            let calls = self.calls.lock();
            calls
                .iter()
                .map(|(number, (thread, _))| (*number, *thread))
                .collect()
        };
        for (number, thread) in &waiting {
            if let Some(errno) = interruption(*thread) {
                self.end(*number, Err(errno));
            }
        }
        !waiting.is_empty()
    }

    /// The calls that wait now.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.calls.lock().keys().copied().collect()
    }
}
