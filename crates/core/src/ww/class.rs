//! Classes of ww-mutexes.

use std::fmt;

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
}

impl WwClass {
    /// Makes a class; its name appears in errors.
    pub const fn new(name: &'static str, algorithm: WwAlgorithm) -> Self {
        Self { name, algorithm }
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
}

impl fmt::Debug for WwClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwClass")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish()
    }
}
