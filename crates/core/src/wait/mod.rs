//! How long a call may block, and what ends it early.
//!
//! Calls of the framework that block take a [`Wait`]: a [`Deadline`], and perhaps an [`Interrupt`] with which
//! another thread gets the caller out, as a signal does in the kernel's interruptible waits.

mod interrupt;
mod waiter;

use std::time::{Duration, Instant};

use crate::Errno;

pub use interrupt::Interrupt;
pub(crate) use waiter::Waiter;

/// Until when a call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// It does not block at all.
    Now,
    /// Until a moment of the monotonic clock.
    At(Instant),
    /// As long as it takes.
    Never,
}

impl Deadline {
    /// Returns the deadline a duration from now; one beyond the clock's end is [`Deadline::Never`].
    pub fn after(duration: Duration) -> Self {
        match Instant::now().checked_add(duration) {
            Some(moment) => Self::At(moment),
            None => Self::Never,
        }
    }
}

/// The bounds of a blocking call.
///
/// ```
/// use std::time::Duration;
/// use wharf_core::{Deadline, Interrupt, Wait};
///
/// let forever = Wait::forever();
/// let interrupt = Interrupt::new();
/// let second = Wait::until(Deadline::after(Duration::from_secs(1))).interruptible(&interrupt);
/// assert!(format!("{second:?}").contains("interrupt"));
/// # let _ = forever;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    deadline: Deadline,
    interrupt: Option<&'a Interrupt>,
}

impl<'a> Wait<'a> {
    /// As long as it takes, and nothing ends it early.
    pub fn forever() -> Self {
        Self::until(Deadline::Never)
    }

    /// Not at all: what is not so now times out.
    pub fn not() -> Self {
        Self::until(Deadline::Now)
    }

    /// Up to a deadline.
    pub fn until(deadline: Deadline) -> Self {
        Self {
            deadline,
            interrupt: None,
        }
    }

    /// The same bounds, and an interrupt that ends the call early.
    pub fn interruptible(self, interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt: Some(interrupt),
            ..self
        }
    }

    /// Returns the deadline.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the interrupt that ends the call early.
    pub fn interrupt(&self) -> Option<&'a Interrupt> {
        self.interrupt
    }
}

/// The reason why a blocking call ended before what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// Another thread raised the call's [`Interrupt`].
    #[error("interrupted")]
    Interrupted,
}

impl WaitError {
    /// Returns ETIMEDOUT or EINTR.
    ///
    /// # References
    /// `dma_fence_wait_timeout` (drivers/dma-buf/dma-fence.c, v6.12) answers 0 and -ERESTARTSYS for these.
    pub fn errno(&self) -> Errno {
        match self {
            Self::TimedOut => Errno::ETIMEDOUT,
            Self::Interrupted => Errno::EINTR,
        }
    }
}
