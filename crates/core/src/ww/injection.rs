//! Deadlocks invented for tests.

use std::cell::Cell;

/// Counts attempts to lock; now and then one is answered with a deadlock, at growing intervals.
#[derive(Debug)]
pub(super) struct Injection {
    interval: Cell<u32>,
    countdown: Cell<u32>,
}

impl Injection {
    pub(super) fn new() -> Self {
        Self {
            interval: Cell::new(1),
            countdown: Cell::new(0),
        }
    }

    /// Counts an attempt and says whether it meets an invented deadlock.
    pub(super) fn is_due(&self) -> bool {
        match self.countdown.get() {
            0 => {
                let interval = next(self.interval.get());
                self.interval.set(interval);
                self.countdown.set(interval);
                true
            }
            left => {
                self.countdown.set(left - 1);
                false
            }
        }
    }
}

/// Three and a half times as long, rounded down. Reference: `ww_mutex_deadlock_injection` (kernel/locking/mutex.c, v6.12).
fn next(interval: u32) -> u32 {
    let half = interval / 2;
    interval.saturating_mul(3).saturating_add(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_and_do_not_wrap() {
        let injection = Injection::new();
        let mut between = Vec::new();
        let mut quiet = 0;
        while between.len() < 4 {
            match injection.is_due() {
                true => between.push(std::mem::take(&mut quiet)),
                false => quiet += 1,
            }
        }
        assert_eq!(between, [0, 3, 10, 35]);
        assert_eq!(next(u32::MAX / 2), u32::MAX);
    }
}
