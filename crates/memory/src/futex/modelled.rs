//! The kernel's futex as a model: comparison and falling asleep are one step under a lock, a wake reaches those
//! who sleep on that very word. The kernel compares with what memory holds at that moment; in loom's models the comparison may find an older
//! value, unless a wake came before, so that nobody can rely on it alone. Deadlines never pass, so that a lost wake-up shows as a deadlock.

use super::{Deadline, FutexWord, Ordering, WaitOutcome};
use crate::sync::{Condvar, Mutex, lazy_static};
use std::collections::HashMap;

lazy_static! {
    static ref WAKES: Mutex<HashMap<usize, u64>> = Mutex::new(HashMap::new());
    static ref WOKEN: Condvar = Condvar::new();
}

fn key(word: &FutexWord<'_>) -> usize {
    std::ptr::from_ref(word.cell) as usize
}

/// With a deadline, the sleep ends by itself when there is a reason to look elsewhere: once another word has been woken. So whoever
/// relies on the deadline for other words goes on, and a lost wake-up on this one still shows.
pub(super) fn wait_one(word: FutexWord<'_>, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
    if deadline.is_none() {
        return wait_any(&[(word, expected)], None);
    }
    let mut wakes = WAKES.lock().unwrap();
    let here = |wakes: &HashMap<usize, u64>| wakes.get(&key(&word)).copied().unwrap_or(0);
    let elsewhere = |wakes: &HashMap<usize, u64>| wakes.values().sum::<u64>() > here(wakes);
    let seen = here(&wakes);
    if word.load(Ordering::Acquire) != expected {
        return WaitOutcome::Retry;
    }
    while here(&wakes) == seen {
        if elsewhere(&wakes) {
            return WaitOutcome::TimedOut;
        }
        wakes = WOKEN.wait(wakes).unwrap();
    }
    WaitOutcome::Retry
}

pub(super) fn wait_any(words: &[(FutexWord<'_>, u32)], _deadline: Option<Deadline>) -> WaitOutcome {
    let mut wakes = WAKES.lock().unwrap();
    let seen: Vec<u64> = words
        .iter()
        .map(|(word, _)| wakes.get(&key(word)).copied().unwrap_or(0))
        .collect();
    let differs = |(word, expected): &(FutexWord<'_>, u32)| word.load(Ordering::Acquire) != *expected;
    if words.iter().any(differs) {
        return WaitOutcome::Retry;
    }
    let unchanged = |wakes: &HashMap<usize, u64>| {
        words
            .iter()
            .zip(&seen)
            .all(|((word, _), seen)| wakes.get(&key(word)).copied().unwrap_or(0) == *seen)
    };
    while unchanged(&wakes) {
        wakes = WOKEN.wait(wakes).unwrap();
    }
    WaitOutcome::Retry
}

pub(super) fn wake(word: FutexWord<'_>) {
    *WAKES.lock().unwrap().entry(key(&word)).or_insert(0) += 1;
    WOKEN.notify_all();
}
