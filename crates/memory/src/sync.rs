//! The atomics everything here is built on: std's, or loom's when models are checked.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(loom)]
pub use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
pub use std::sync::atomic::{Ordering, fence};

/// Loads a word that may lie in a page mapped read-only, with `ordering` `Relaxed` or `Acquire`.
///
/// On such pages only relaxed loads of up to a machine word are promised to work, so the ordering is a fence of its own.
///
/// # References
///
/// `std::sync::atomic`, "Atomic accesses to read-only memory".
pub(crate) fn load(word: &AtomicU64, ordering: Ordering) -> u64 {
    debug_assert!(
        matches!(ordering, Ordering::Relaxed | Ordering::Acquire),
        "a shared word is loaded with {ordering:?}"
    );
    let value = word.load(Ordering::Relaxed);
    if ordering != Ordering::Relaxed {
        fence(Ordering::Acquire);
    }
    value
}
