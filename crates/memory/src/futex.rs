//! Sleeping on words that other processes change.
//!
//! A wait compares: it sleeps only while the word still has the value the caller saw, and the kernel makes that comparison and the
//! falling asleep one step. A wake-up between looking and sleeping therefore cannot be lost, and nothing has to be drained.

use crate::clock::Deadline;
use crate::sync::{AtomicU64, Ordering, load};
use crate::words::low_half;
#[cfg(not(any(loom, shuttle)))]
use std::sync::atomic::AtomicU32;

/// A 32-bit word of a shared page to sleep on or to wake. It can be loaded but not stored through.
#[derive(Debug, Clone, Copy)]
pub struct FutexWord<'a> {
    cell: &'a AtomicU64,
}

impl<'a> FutexWord<'a> {
    /// The 32-bit word of a cell.
    #[inline]
    pub(crate) fn new(cell: &'a AtomicU64) -> Self {
        Self { cell }
    }

    /// The word's value now, to be compared by a later wait. `ordering` is `Relaxed` or `Acquire`.
    #[inline]
    pub fn load(&self, ordering: Ordering) -> u32 {
        low_half(load(self.cell, ordering))
    }

    /// The word where the kernel finds it, in the low half of the cell.
    #[cfg(not(any(loom, shuttle)))]
    fn low_half(&self) -> &'a AtomicU32 {
        let low = usize::from(cfg!(target_endian = "big"));
        let low = std::ptr::from_ref(self.cell)
            .cast::<AtomicU32>()
            .wrapping_add(low);
        // SAFETY:
        // * Each half of a cell is four aligned bytes that live as long as the cell, and any bits are a u32.
        // * Nothing in this program loads or stores through the reference, which would be an access of another width than
        //   all others: it only carries the address to the kernel.
        unsafe { &*low }
    }
}

/// Why a wait ended. None of them says that the word changed: the caller looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// Woken, or a word already differed, or a signal arrived.
    Retry,
    /// The deadline passed.
    TimedOut,
}

/// Sleeps until one of `words` is woken, while each still has the value given beside it.
///
/// At most 128 words; more is a mistake of the caller and only the first 128 are watched.
///
/// # Blocking
///
/// Until a wake-up on one of the words, a signal, or `deadline`; for ever without one. Returns at once when a word already
/// differs.
///
/// # References
///
/// `futex_waitv` (Linux 5.16); where the kernel or a sandbox refuses it, `FUTEX_WAIT` on the first word in short slices.
pub fn wait_any(words: &[(FutexWord<'_>, u32)], deadline: Option<Deadline>) -> WaitOutcome {
    imp::wait_any(words, deadline)
}

/// Sleeps until `word` is woken, while it still has the value `expected`: the cheapest sleep there is.
///
/// # Blocking
///
/// Until a wake-up on the word, a signal, or `deadline`; for ever without one. Returns at once when the word already differs.
///
/// # References
///
/// `FUTEX_WAIT_BITSET` with a deadline of `CLOCK_MONOTONIC` (Linux 2.6.25).
pub fn wait_one(word: FutexWord<'_>, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
    imp::wait_one(word, expected, deadline)
}

/// Wakes everybody who sleeps on `word`, in any process. A system call: skip it when nobody can be sleeping.
pub fn wake(word: FutexWord<'_>) {
    imp::wake(word);
}

#[cfg(not(any(loom, shuttle)))]
mod imp {
    use super::{Deadline, FutexWord, Ordering, WaitOutcome};
    use rustix::io::Errno;
    use rustix::thread::{ClockId, futex};
    use std::time::Duration;

    /// Most words one `futex_waitv` takes.
    const MAX_WORDS: usize = 128;
    /// As many as nearly every wait has.
    const FEW_WORDS: usize = 8;
    /// How long a wait on the first word alone may overlook the others.
    const FALLBACK_SLICE: Duration = Duration::from_millis(1);

    pub(super) fn wait_any(words: &[(FutexWord<'_>, u32)], deadline: Option<Deadline>) -> WaitOutcome {
        match words.len() {
            0..=FEW_WORDS => wait_any_of::<FEW_WORDS>(words, deadline),
            _ => wait_any_of::<MAX_WORDS>(words, deadline),
        }
    }

    /// `N` is the size of the list on the stack.
    fn wait_any_of<const N: usize>(
        words: &[(FutexWord<'_>, u32)],
        deadline: Option<Deadline>,
    ) -> WaitOutcome {
        let mut waiters = [const { futex::Wait::new() }; N];
        let mut count = 0;
        for (wait, word) in waiters.iter_mut().zip(words) {
            *wait = waiter(word);
            count += 1;
        }
        let timeout = deadline.map(Deadline::to_timespec);
        let flags = futex::WaitvFlags::empty();
        match futex::waitv(&waiters[..count], flags, timeout.as_ref(), ClockId::Monotonic) {
            Err(Errno::TIMEDOUT) => WaitOutcome::TimedOut,
            // EAGAIN: a word differed. EINTR: a signal. Either way the caller looks again.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => WaitOutcome::Retry,
            // No such call, or it takes no empty list, or it is out of memory: the caller must not spin all the same.
            Err(_) => wait_in_slices(words, deadline),
        }
    }

    pub(super) fn wait_one(word: FutexWord<'_>, expected: u32, deadline: Option<Deadline>) -> WaitOutcome {
        const ANY: std::num::NonZeroU32 = std::num::NonZeroU32::MAX;
        let timeout = deadline.map(Deadline::to_timespec);
        let flags = futex::Flags::empty();
        match futex::wait_bitset(word.low_half(), flags, expected, timeout.as_ref(), ANY) {
            Err(Errno::TIMEDOUT) => WaitOutcome::TimedOut,
            _ => WaitOutcome::Retry,
        }
    }

    fn waiter((word, expected): &(FutexWord<'_>, u32)) -> futex::Wait {
        let mut wait = futex::Wait::new();
        wait.val = u64::from(*expected);
        wait.uaddr = futex::WaitPtr::new(std::ptr::from_ref(word.low_half()).cast_mut().cast());
        // Without the private flag: the word is shared between processes.
        wait.flags = futex::WaitFlags::SIZE_U32;
        wait
    }

    pub(super) fn wait_in_slices(words: &[(FutexWord<'_>, u32)], deadline: Option<Deadline>) -> WaitOutcome {
        let slice = Deadline::after(FALLBACK_SLICE);
        let until = deadline.map_or(slice, |deadline| deadline.min(slice));
        let changed = |(word, expected): &(FutexWord<'_>, u32)| word.load(Ordering::Acquire) != *expected;
        if words.iter().any(changed) {
            return WaitOutcome::Retry;
        }
        let Some((first, expected)) = words.first() else {
            std::thread::sleep(until.remaining());
            return outcome(deadline);
        };
        match wait_one(*first, *expected, Some(until)) {
            WaitOutcome::TimedOut => outcome(deadline),
            WaitOutcome::Retry => WaitOutcome::Retry,
        }
    }

    fn outcome(deadline: Option<Deadline>) -> WaitOutcome {
        if deadline.is_some_and(Deadline::has_passed) {
            WaitOutcome::TimedOut
        } else {
            WaitOutcome::Retry
        }
    }

    pub(super) fn wake(word: FutexWord<'_>) {
        // The kernel reads the count as a signed number: more than i32::MAX wakes one.
        const EVERYBODY: u32 = i32::MAX as u32;
        let woken = futex::wake(word.low_half(), futex::Flags::empty(), EVERYBODY);
        debug_assert!(woken.is_ok(), "futex wake on a mapped word failed: {woken:?}");
    }
}

#[cfg(any(loom, shuttle))]
#[path = "futex/modelled.rs"]
mod imp;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    //! The way that kernels without `futex_waitv` go; the other is tested from outside.

    use super::imp::{wait_in_slices, wake};
    use super::*;
    use crate::words::{HeapWords, ReadWords, WriteWords};
    use std::time::Duration;

    const CELLS: [usize; 2] = [0, 1];

    fn page() -> HeapWords {
        HeapWords::new([], CELLS)
    }

    fn both(page: &HeapWords) -> [(FutexWord<'_>, u32); 2] {
        CELLS.map(|cell| (page.futex(cell), 0))
    }

    #[test]
    fn sliced_wait_returns_when_any_word_differs() {
        for cell in CELLS {
            let page = page();
            page.store_u32(cell, 1, Ordering::Release);
            assert_eq!(wait_in_slices(&both(&page), None), WaitOutcome::Retry);
        }
    }

    #[test]
    fn sliced_wait_ends_with_its_deadline() {
        let page = page();
        for words in [both(&page).as_slice(), &[]] {
            let deadline = Deadline::after(Duration::from_millis(5));
            while wait_in_slices(words, Some(deadline)) != WaitOutcome::TimedOut {}
            assert!(deadline.has_passed());
        }
    }

    #[test]
    fn sliced_wait_looks_again_without_a_wake_up() {
        assert_eq!(wait_in_slices(&both(&page()), None), WaitOutcome::Retry);
        assert_eq!(wait_in_slices(&[], None), WaitOutcome::Retry);
    }

    #[test]
    fn no_change_of_either_word_is_slept_through_for_ever_in_slices() {
        for cell in CELLS {
            let page = page();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while wait_in_slices(&both(&page), None) == WaitOutcome::Retry
                        && CELLS
                            .iter()
                            .all(|cell| page.load_u32(*cell, Ordering::Acquire) == 0)
                    {}
                });
                page.store_u32(cell, 1, Ordering::Release);
                wake(page.futex(cell));
            });
        }
    }
}
