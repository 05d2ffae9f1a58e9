//! The word of a mutex that says who holds it.

use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Somebody waits or asks for a look: the holder must see to it when it unlocks.
const WAITERS: u64 = 1;
/// The holder is a context and not a bare thread.
const IN_CONTEXT: u64 = 2;
/// Where the number of the context or thread begins.
const NUMBER_SHIFT: u32 = 2;

/// Who holds a mutex or wants to: a context, or a thread without one.
///
/// # Invariants
/// Not zero, and without [`WAITERS`]. Numbers count from 1 and do not reach 2⁶² in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u64);

impl Token {
    #[inline]
    pub(super) fn of_thread(number: u64) -> Self {
        Self(number << NUMBER_SHIFT)
    }

    pub(super) fn of_context(stamp: u64) -> Self {
        Self((stamp << NUMBER_SHIFT) | IN_CONTEXT)
    }

    /// Returns the age of a context: smaller is older.
    pub(super) fn stamp(self) -> Option<u64> {
        (self.0 & IN_CONTEXT != 0).then_some(self.0 >> NUMBER_SHIFT)
    }

    /// Says whether both are contexts, and this one began later.
    pub(super) fn is_younger_than(self, other: Self) -> bool {
        match (self.stamp(), other.stamp()) {
            (Some(own), Some(other)) => own > other,
            _ => false,
        }
    }
}

/// | Word | State | Left by |
/// |---|---|---|
/// | 0 | free | [`OwnerWord::try_acquire`] |
/// | token | held, nobody waits or asks | [`OwnerWord::try_release`], [`OwnerWord::announce_waiter`] |
/// | token and [`WAITERS`] | held, the queue matters | under the queue's lock: `hand_over`, `free`, `no_more_waiters` |
///
/// # Invariants
/// [`WAITERS`] is set only on a held word, and changes only under the queue's lock.
pub(super) struct OwnerWord(AtomicU64);

impl OwnerWord {
    pub(super) fn free_word() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes a free mutex.
    #[inline]
    pub(super) fn try_acquire(&self, token: Token) -> bool {
        // ORDERING: sees what the last holder did before its Release.
        self.0.compare_exchange(0, token.0, Acquire, Relaxed).is_ok()
    }

    /// Frees a mutex for which nobody waits or asks.
    #[inline]
    pub(super) fn try_release(&self, token: Token) -> bool {
        // ORDERING: what this holder did is seen by the next Acquire.
        self.0.compare_exchange(token.0, 0, Release, Relaxed).is_ok()
    }

    /// Returns who holds the mutex. Out of date at once, unless that is the caller or the queue is locked.
    #[inline]
    pub(super) fn holder(&self) -> Option<Token> {
        match self.0.load(Relaxed) & !WAITERS {
            0 => None,
            word => Some(Token(word)),
        }
    }

    /// Has the holder look into the queue when it unlocks, and returns the holder; or takes a free mutex and returns `None`.
    ///
    /// The caller has locked the queue.
    pub(super) fn announce_waiter(&self, token: Token) -> Option<Token> {
        let mut word = self.0.load(Relaxed);
        loop {
            let next = if word == 0 { token.0 } else { word | WAITERS };
            // ORDERING: Acquire for the case that it takes the mutex; the mark itself is protected by the queue's lock.
            match self.0.compare_exchange_weak(word, next, Acquire, Relaxed) {
                Ok(0) => return None,
                Ok(held) => return Some(Token(held & !WAITERS)),
                Err(changed) => word = changed,
            }
        }
    }

    /// Gives the mutex to a waiter. The caller holds it and has locked the queue.
    pub(super) fn hand_over(&self, token: Token, more_waiters: bool) {
        let mark = if more_waiters { WAITERS } else { 0 };
        // ORDERING: the new holder learns of it through its waiter; Release is for threads that only see the word.
        self.0.store(token.0 | mark, Release);
    }

    /// Frees the mutex. The caller holds it and has locked the queue, which is empty.
    pub(super) fn free(&self) {
        // ORDERING: as in `try_release`.
        self.0.store(0, Release);
    }

    /// Lets the holder unlock without looking. The caller has locked the queue, which is empty; the mutex is held.
    pub(super) fn no_more_waiters(&self) {
        self.0.fetch_and(!WAITERS, Relaxed);
    }
}
