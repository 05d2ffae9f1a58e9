//! What a thread knows of itself: its number, and the contexts it has open.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::owner::Token;
use crate::sync::thread_local;

/// Numbers of threads. Only their being different matters, so that models need not know.
static LAST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static NUMBER: u64 = LAST.fetch_add(1, Relaxed) + 1;
    static CONTEXTS: RefCell<Vec<u64>> = RefCell::default();
}

/// Returns the token of this thread without a context.
#[inline]
pub(super) fn token() -> Token {
    Token::of_thread(NUMBER.with(|number| *number))
}

/// Notes that this thread opened a context.
pub(super) fn opened(stamp: u64) {
    // Without the list, at the end of the thread, locking one twice is not noticed.
    let _ = CONTEXTS.try_with(|contexts| contexts.borrow_mut().push(stamp));
}

/// Notes that this thread's context is gone.
pub(super) fn closed(stamp: u64) {
    // A context may outlive the thread's list when both are dropped at the end of the thread.
    let _ = CONTEXTS.try_with(|contexts| contexts.borrow_mut().retain(|open| *open != stamp));
}

/// Says whether a lock held by `holder` is held by this thread, in whatever context.
pub(super) fn is_mine(holder: Token) -> bool {
    match holder.stamp() {
        Some(stamp) => CONTEXTS
            .try_with(|contexts| contexts.borrow().contains(&stamp))
            .unwrap_or(false),
        None => holder == token(),
    }
}
