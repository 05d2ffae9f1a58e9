//! The atomics everything here is built on: std's, or those of loom and shuttle when models are checked, with what the modelled futex needs.

#[cfg(loom)]
pub(crate) use loom::{
    lazy_static,
    sync::{Condvar, Mutex, atomic::AtomicU64},
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    lazy_static,
    sync::{Condvar, Mutex, atomic::AtomicU64},
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(loom)]
pub use loom::sync::atomic::{Ordering, fence};
#[cfg(shuttle)]
pub use shuttle::sync::atomic::{Ordering, fence};
#[cfg(not(any(loom, shuttle)))]
pub use std::sync::atomic::{Ordering, fence};

/// Loads a word that may lie in a page mapped read-only, with `ordering` `Relaxed` or `Acquire`.
///
/// On such pages only relaxed loads of up to a machine word are promised to work, so the ordering is a fence of its own.
///
/// # References
///
/// `std::sync::atomic`, "Atomic accesses to read-only memory".
#[inline]
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

/// A sequentially consistent fence for right after a read-modify-write of this thread: on x86-64 that instruction is one already, so that
/// this costs nothing there.
///
/// # References
///
/// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, "Memory Ordering in P6 and More Recent Processor Families": loads
/// and stores are not reordered with locked instructions.
#[inline]
pub fn fence_after_update() {
    // ORDERING: the locked instruction before orders what the processor does; the compiler must keep to it.
    #[cfg(all(target_arch = "x86_64", not(any(loom, shuttle, miri))))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, shuttle, miri)))))]
    fence(Ordering::SeqCst);
}
