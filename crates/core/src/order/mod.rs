//! The lock-order checker: in debug builds, latent misuse of locks becomes certain failure.
//!
//! Two threads that take two locks in opposite orders hang once in a million runs. The checker does not wait for that: it remembers
//! in which order classes of locks were ever taken, and panics with a report when a thread is about to take two of them the
//! other way round, whether or not another thread is there.
//!
//! | Rule | Told by |
//! |---|---|
//! | no two classes in both orders, through however many others | every blocking lock |
//! | user mappings → acquire context → its ww-mutexes → waiting for a fence; taught before the first lock | the same, and [`might_wait`] |
//! | one lock of a class at a time; of a ww-class several in one context; one context of a class at a time | every blocking lock |
//! | no wait for a fence while holding what a signaling section takes | [`might_wait`], locks in a [`signaling_section`] |
//! | guards are dropped, not forgotten, before their context ends | drop of [`AcquireCtx`](crate::AcquireCtx) |
//!
//! Locks that are tried cannot hang: they are not checked, but those taken after them are. Locks of exporters and importers
//! take part as [`OrderedMutex`] or by [`acquire`].
//!
//! In release builds, and in models of loom and shuttle, all of this exists, takes no room and does nothing; see [`is_enabled`].
//!
//! # Examples
//! ```
//! use wharf_core::order::{self, LockClass, OrderedMutex, Violation};
//!
//! static QUEUE: LockClass = LockClass::new("queue");
//! static CACHE: LockClass = LockClass::new("cache");
//! let (queue, cache) = (OrderedMutex::new(&QUEUE, 1), OrderedMutex::new(&CACHE, 2));
//!
//! {
//!     let _queue = queue.lock();
//!     let _cache = cache.lock();
//! }
//! let inverted = order::catch(|| {
//!     let _cache = cache.lock();
//!     let _queue = queue.lock();
//! });
//! if order::is_enabled() {
//!     let report = inverted.expect_err("the other way round");
//!     assert_eq!(report.violation(), Violation::Inversion);
//!     assert!(report.to_string().contains("lock 'queue'"));
//! }
//! ```
//!
//! # References
//! Kernel documentation "Runtime locking correctness validator"; `dma_resv_lockdep` (drivers/dma-buf/dma-resv.c),
//! `dma_fence_begin_signalling`, `__dma_fence_might_wait` (drivers/dma-buf/dma-fence.c), v6.12. Contract: L8.

#[cfg(all(debug_assertions, not(any(loom, shuttle))))]
mod checker;
#[cfg(not(all(debug_assertions, not(any(loom, shuttle)))))]
#[path = "off.rs"]
mod checker;
mod class;
mod mutex;
mod report;

use std::marker::PhantomData;

pub use class::{LockClass, USER_MAPPINGS};
pub use mutex::{OrderedMutex, OrderedMutexGuard};
pub use report::{OrderReport, Violation};

pub(crate) use checker::{forgotten, teach};

/// How a lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The thread waits for it.
    Block,
    /// The thread does without if it is taken.
    Try,
}

/// A lock the checker believes to be held by this thread, until this is dropped. Does not lock anything itself.
#[derive(Debug)]
#[must_use = "the lock counts as given back when this is dropped"]
pub struct Held {
    entry: checker::Entry,
    /// What is held is noted per thread.
    not_send: PhantomData<*const ()>,
}

impl Held {
    /// Locks of one class that have the same `set` may be held together.
    #[track_caller]
    fn new(class: &'static LockClass, how: How, set: Option<u64>) -> Self {
        Self {
            entry: checker::enter(class, how, set),
            not_send: PhantomData,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        checker::leave(&self.entry);
    }
}

/// Says whether this build checks.
pub const fn is_enabled() -> bool {
    checker::IS_ENABLED
}

/// Tells the checker that this thread is about to take a lock of its own, before it does.
///
/// [`OrderedMutex`] does this by itself. Does not block.
///
/// # Panics
/// With a report, when the lock breaks a rule.
#[track_caller]
pub fn acquire(class: &'static LockClass, how: How) -> Held {
    Held::new(class, how, None)
}

/// The same for a ww-mutex, in the context with this stamp.
#[track_caller]
pub(crate) fn acquire_ww(class: &'static LockClass, how: How, stamp: Option<u64>) -> Held {
    Held::new(class, how, stamp)
}

/// A stretch of code that has to get on for a fence to be signaled; ends when dropped.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct SignalingSection {
    _held: Held,
}

/// Begins a section that has to get on for a fence to be signaled. Sections nest. Does not block.
///
/// What it locks, nobody may hold while waiting for a fence. Whoever signals fences from a thread of its own puts one around
/// its work, so that a lock which does not belong there is found.
///
/// # Locking
/// Inside, no reservation is locked, no acquire context opened, no user mapping changed, and no fence waited for.
///
/// # References
/// `dma_fence_begin_signalling`, `dma_fence_end_signalling` (drivers/dma-buf/dma-fence.c, v6.12).
#[track_caller]
pub fn signaling_section() -> SignalingSection {
    SignalingSection {
        // Tried, as its start waits for nobody.
        _held: Held::new(&class::SIGNALING, How::Try, None),
    }
}

/// Tells the checker that this thread may be about to wait for a fence. Does not block.
///
/// Waits for fences do this by themselves; call it where a wait is possible and rare.
///
/// # Panics
/// With a report, when the thread holds what a signaling section takes, or is in one.
///
/// # References
/// `__dma_fence_might_wait` (drivers/dma-buf/dma-fence.c, v6.12).
#[track_caller]
pub fn might_wait() {
    drop(Held::new(&class::SIGNALING, How::Block, None));
}

/// Runs `body` and gives back the report if it breaks a rule: for tests. Other panics go on.
///
/// # Errors
/// The report, in builds that check.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, OrderReport> {
    checker::catch(body)
}
