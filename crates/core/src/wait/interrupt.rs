//! Ending other threads' waits.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::sync::{Mutex, lock};

/// Ends the waits of other threads early. Cloning gives the same interrupt.
///
/// Raised once, it ends every wait that has it, and those that begin later, until it is cleared: a pending signal, in the kernel's words.
///
/// ```
/// use wharf_core::{FenceContext, Interrupt, Wait, WaitError};
///
/// let fence = FenceContext::new("example", "queue").fence(1);
/// let interrupt = Interrupt::new();
/// interrupt.raise();
/// let wait = Wait::forever().interruptible(&interrupt);
/// assert_eq!(fence.fence().wait(&wait), Err(WaitError::Interrupted));
/// # fence.signal();
/// ```
#[derive(Clone, Default)]
pub struct Interrupt {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    raised: bool,
    last: u64,
    waiting: Vec<(u64, Weak<dyn Interruptible>)>,
}

/// Something that blocks and can be told to stop.
pub(super) trait Interruptible: Send + Sync {
    fn interrupt(&self);
}

/// Takes a wait off its interrupt's list when dropped.
pub(super) struct Registration<'a> {
    interrupt: &'a Interrupt,
    number: u64,
}

impl Interrupt {
    /// Makes an interrupt that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all waits with this interrupt, now and until [`Interrupt::clear`]. Does not block.
    pub fn raise(&self) {
        let waiting = {
            let mut state = lock(&self.shared);
            state.raised = true;
            std::mem::take(&mut state.waiting)
        };
        for (_, waiter) in waiting {
            if let Some(waiter) = waiter.upgrade() {
                waiter.interrupt();
            }
        }
    }

    /// Lets waits block again.
    pub fn clear(&self) {
        lock(&self.shared).raised = false;
    }

    /// Says whether the interrupt is raised.
    pub fn is_raised(&self) -> bool {
        lock(&self.shared).raised
    }

    /// Has `waiter` told when the interrupt is raised; `None` if it is already.
    pub(super) fn register(&self, waiter: Weak<dyn Interruptible>) -> Option<Registration<'_>> {
        let mut state = lock(&self.shared);
        if state.raised {
            return None;
        }
        state.last += 1;
        let number = state.last;
        state.waiting.push((number, waiter));
        Some(Registration {
            interrupt: self,
            number,
        })
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        lock(&self.interrupt.shared)
            .waiting
            .retain(|(number, _)| *number != self.number);
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt")
            .field("is_raised", &self.is_raised())
            .finish()
    }
}
