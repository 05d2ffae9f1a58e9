//! What can go wrong when locking.

use super::Deadlock;
use crate::{Errno, WaitError};

/// A lock in a context that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WwLockError<'a> {
    /// The context has to back off.
    #[error("{0}")]
    Deadlock(Deadlock<'a>),
    /// The context holds the mutex already: not a fault when a list names it twice.
    #[error("this context holds this '{class}' mutex already")]
    AlreadyLocked {
        /// Class of the mutex.
        class: &'static str,
    },
    /// The wait ended first.
    #[error("waiting for a ww-mutex: {0}")]
    Wait(WaitError),
    /// The caller broke a rule of contexts.
    #[error("{0}")]
    Misuse(#[from] WwMisuse),
}

impl WwLockError<'_> {
    /// Returns EDEADLK, EALREADY, ETIMEDOUT, EINTR, or the number of the misuse.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Deadlock(deadlock) => deadlock.errno(),
            Self::AlreadyLocked { .. } => Errno::EALREADY,
            Self::Wait(error) => error.errno(),
            Self::Misuse(misuse) => misuse.errno(),
        }
    }
}

/// A lock that was not taken, where no deadlock can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WwWaitError {
    /// The wait ended first.
    #[error("waiting for a ww-mutex: {0}")]
    Wait(#[from] WaitError),
    /// The caller broke a rule of contexts.
    #[error("{0}")]
    Misuse(#[from] WwMisuse),
}

impl WwWaitError {
    /// Returns ETIMEDOUT, EINTR, or the number of the misuse.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Wait(error) => error.errno(),
            Self::Misuse(misuse) => misuse.errno(),
        }
    }
}

impl From<WwWaitError> for WwLockError<'_> {
    fn from(error: WwWaitError) -> Self {
        match error {
            WwWaitError::Wait(error) => Self::Wait(error),
            WwWaitError::Misuse(misuse) => Self::Misuse(misuse),
        }
    }
}

/// A broken rule of contexts. The caller is to blame; nothing was locked.
///
/// # References
/// The kernel warns of these in debug builds only (`CONFIG_DEBUG_MUTEXES`, `ww_mutex_lock_acquired`, kernel/locking/ww_mutex.h, v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WwMisuse {
    /// Mutex and context are of two classes.
    #[error(
        "mutex of class '{mutex}' in a context of class '{context}'; make a context of the mutex's class"
    )]
    OtherClass {
        /// Class of the mutex.
        mutex: &'static str,
        /// Class of the context.
        context: &'static str,
    },
    /// The context was done.
    #[error("context of class '{class}' is done; lock before saying so, and say so once")]
    Done {
        /// Class of the context.
        class: &'static str,
    },
    /// The context met a deadlock and still holds mutexes.
    #[error("context of class '{class}' has to back off and still holds {held}; drop its guards first")]
    NotBackedOff {
        /// Class of the context.
        class: &'static str,
        /// How many mutexes it holds.
        held: usize,
    },
    /// The context met a deadlock and has to lock the contended mutex first.
    #[error("context of class '{class}' met a deadlock; lock the contended mutex first, with lock_slow")]
    NotTheContended {
        /// Class of the context.
        class: &'static str,
    },
    /// The thread holds the mutex already, without a context or in another one: it would wait for itself.
    #[error(
        "this thread holds this '{class}' mutex already, and not in this context; it would wait for itself"
    )]
    Recursion {
        /// Class of the mutex.
        class: &'static str,
    },
    /// [`lock_all`](super::lock_all) needs a context that holds nothing, because backing off means unlocking everything.
    #[error("context of class '{class}' holds {held} already; lock_all begins with none")]
    HoldsOthers {
        /// Class of the context.
        class: &'static str,
        /// How many mutexes it holds.
        held: usize,
    },
}

impl WwMisuse {
    /// Returns EDEADLK for a thread that would wait for itself, else EINVAL.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Recursion { .. } => Errno::EDEADLK,
            Self::OtherClass { .. }
            | Self::Done { .. }
            | Self::NotBackedOff { .. }
            | Self::NotTheContended { .. }
            | Self::HoldsOthers { .. } => Errno::EINVAL,
        }
    }
}
