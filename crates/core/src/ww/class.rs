//! Classes of ww-mutexes.

use std::fmt;

use crate::order::{self, Held, How, LockClass};

/// How a deadlock of two contexts is broken. The older context always wins; they differ in how the younger one hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WwAlgorithm {
    /// A younger context does not wait for an older one: it backs off where it would have to. Needs no bookkeeping, backs off more often.
    WaitDie,
    /// An older context tells a younger one to back off and waits: the younger does so when it next has to wait, perhaps never.
    WoundWait,
}

/// Mutexes that are locked together, in any order, under one [`AcquireCtx`](super::AcquireCtx).
///
/// Classes are statics; two are the same if they are the same static.
///
/// ```
/// use wharf_core::{WwAlgorithm, WwClass};
///
/// static BUFFERS: WwClass = WwClass::new("buffers", WwAlgorithm::WaitDie);
/// assert_eq!(BUFFERS.name(), "buffers");
/// ```
///
/// # References
/// `struct ww_class`, `DEFINE_WD_CLASS`, `DEFINE_WW_CLASS` (include/linux/ww_mutex.h, v6.12). Contract: L7.
pub struct WwClass {
    name: &'static str,
    algorithm: WwAlgorithm,
    /// Its contexts and its mutexes, as the lock-order checker sees them.
    contexts: LockClass,
    mutexes: LockClass,
}

impl WwClass {
    /// Makes a class; its name appears in errors.
    pub const fn new(name: &'static str, algorithm: WwAlgorithm) -> Self {
        Self {
            name,
            algorithm,
            contexts: LockClass::of_contexts(name),
            mutexes: LockClass::of_ww_mutexes(name),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns how deadlocks are broken.
    pub fn algorithm(&self) -> WwAlgorithm {
        self.algorithm
    }

    /// Says whether both are the same static.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }

    /// Checks the order of a context that is about to be opened.
    #[track_caller]
    pub(super) fn order_context(&'static self) -> Held {
        order::teach([&self.contexts, &self.mutexes]);
        order::acquire(&self.contexts, How::Block)
    }

    /// Checks the order of a mutex that is about to be locked, in the context with this stamp.
    #[track_caller]
    pub(super) fn order_mutex(&'static self, how: How, stamp: Option<u64>) -> Held {
        order::teach([&self.contexts, &self.mutexes]);
        order::acquire_ww(&self.mutexes, how, stamp)
    }

    /// Checks that a context that ends holds nothing.
    pub(super) fn order_end(&self, held: usize) {
        if held > 0 {
            order::forgotten(&self.contexts, held);
        }
    }
}

impl fmt::Debug for WwClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwClass")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish()
    }
}
