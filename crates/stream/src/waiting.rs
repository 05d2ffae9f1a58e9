//! How somebody waits: looking for a while, then asleep.

use std::time::Duration;
use wharf_memory::{
    Deadline, FutexWord, Ordering, WaitOutcome, fence, fence_heavy, now_ns, wait_any, wait_one,
};

/// How a producer that has no buffer, or a consumer that has no frame, waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Looks without a pause and never sleeps: as fast as it gets, at the price of a processor. Nobody has to ask whether it sleeps.
    Spin,
    /// Looks for up to this long, then sleeps. Who is always kept waiting much longer stops looking, until what it waits for comes
    /// quickly again. On a machine with one processor it sleeps at once.
    Adaptive {
        /// How long to look.
        spin: Duration,
    },
    /// Sleeps at once. Its peers are asked to make sure themselves that they see it asleep, which costs them some ten nanoseconds a frame,
    /// and saves it a system call each time.
    Sleep,
}

impl Waiting {
    /// Whether somebody who waits in this way sleeps without looking first, on this machine.
    pub fn sleeps_at_once(self) -> bool {
        Spinner::new(self).spin_ns == 0
    }
}

impl Default for Waiting {
    /// [`Waiting::Adaptive`], 20 µs: half of what it costs to be woken.
    fn default() -> Self {
        Self::Adaptive {
            spin: Duration::from_micros(20),
        }
    }
}

/// What the processor is asked to do so many times between two looks at the clock.
const LOOKS: u32 = 64;
/// A wait of this many times the looking is long.
const LONG: u64 = 4;
/// After so many long waits in a row looking is no use.
const PATIENCE: u32 = 8;

/// Looks for somebody who waits, and learns whether that is any use.
#[derive(Debug)]
pub(crate) struct Spinner {
    spin_ns: u64,
    /// Long waits in a row.
    long_waits: u32,
    /// When the wait began, if it still goes on.
    since_ns: Option<u64>,
}

/// How looking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// There was something.
    Found,
    /// The deadline passed.
    TimedOut,
    /// It is time to sleep.
    InVain,
}

impl Spinner {
    pub(crate) fn new(waiting: Waiting) -> Self {
        let spin_ns = match waiting {
            Waiting::Spin => u64::MAX,
            Waiting::Adaptive { spin } if processors() > 1 => {
                u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX)
            }
            Waiting::Adaptive { .. } | Waiting::Sleep => 0,
        };
        Self {
            spin_ns,
            long_waits: 0,
            since_ns: None,
        }
    }

    /// Looks until `found`, or `deadline`, or for as long as it may.
    pub(crate) fn look(&mut self, deadline: Option<Deadline>, found: impl Fn() -> bool) -> Looked {
        if self.spin_ns == 0 {
            return Looked::InVain;
        }
        let may_look = self.long_waits < PATIENCE;
        if may_look && look_often(&found) {
            return Looked::Found;
        }
        let since_ns = *self.since_ns.get_or_insert_with(now_ns);
        if !may_look {
            return Looked::InVain;
        }
        let until = since_ns.saturating_add(self.spin_ns);
        loop {
            let now = now_ns();
            if deadline.is_some_and(|deadline| deadline.is_reached_at(now)) {
                return Looked::TimedOut;
            }
            if now >= until {
                return Looked::InVain;
            }
            if look_often(&found) {
                return Looked::Found;
            }
        }
    }

    /// Notes that looking was in vain. Since when, in nanoseconds of `CLOCK_MONOTONIC`, the wait goes on.
    pub(crate) fn sleeps(&mut self) -> u64 {
        *self.since_ns.get_or_insert_with(now_ns)
    }

    /// Notes that the wait is over: what was waited for is there. How long it took, in nanoseconds; `None` if a glance was enough.
    #[inline]
    pub(crate) fn done(&mut self) -> Option<u64> {
        let waited_ns = self.give_up()?;
        let is_long = waited_ns > self.spin_ns.saturating_mul(LONG);
        self.long_waits = if is_long {
            self.long_waits.saturating_add(1)
        } else {
            0
        };
        Some(waited_ns)
    }

    /// Notes that nobody waits any more. How long it took, likewise.
    #[inline]
    pub(crate) fn give_up(&mut self) -> Option<u64> {
        let since_ns = self.since_ns.take()?;
        Some(now_ns().saturating_sub(since_ns))
    }
}

fn look_often(found: impl Fn() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        let is_found = found();
        if !is_found {
            std::hint::spin_loop();
        }
        is_found
    })
}

/// How many processors the machine has at work. Not those this process may use: its peer may use others.
fn processors() -> usize {
    static COUNT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *COUNT.get_or_init(|| {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").ok();
        let counted = online.as_deref().and_then(count_listed);
        counted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    })
}

/// How many numbers a list like `0-3,5` names.
fn count_listed(list: &str) -> Option<usize> {
    let mut count = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        count += last.checked_sub(first)? + 1;
    }
    Some(count)
}

/// The fence between saying that one waits and looking once more; tells whether it is certain that peers see it. They make a full fence
/// between what they do and their look if they were asked to (`peers_fence`), a light one otherwise.
pub(crate) fn fence_before_last_look(peers_fence: bool) -> bool {
    if !peers_fence {
        return fence_heavy();
    }
    // ORDERING: SeqCst fence; its counterparts are the full ones in `Producer::wake_sleepers` and `notify_release`.
    fence(Ordering::SeqCst);
    true
}

/// How long somebody who sleeps on one word may overlook the broker's. Longer than a tick of most kernels (4 ms): a timer before the next tick has
/// to be set in the processor, which takes a microsecond, and those who sleep for each frame never need it.
const SHORT_SLEEP: Duration = Duration::from_millis(5);
/// How long somebody sleeps who is perhaps not seen.
const UNSEEN_SLEEP: Duration = Duration::from_millis(2);

/// As [`sleep_on`], for somebody who has announced it; in short slices if the announcement may not be seen.
pub(crate) fn sleep_within_reach(
    is_seen: bool,
    words: &[(FutexWord<'_>, u32)],
    deadline: Option<Deadline>,
) -> WaitOutcome {
    if is_seen {
        return sleep_on(words, deadline);
    }
    let slice = Deadline::after(UNSEEN_SLEEP);
    let until = deadline.map_or(slice, |deadline| deadline.min(slice));
    match sleep_on(words, Some(until)) {
        WaitOutcome::TimedOut if deadline != Some(until) => WaitOutcome::Retry,
        outcome => outcome,
    }
}

/// Sleeps on the first word, which changes seldom, and the others. If there is one other, on that alone at first: a sleep on one word is
/// cheaper, and the first word may be overlooked for a short while.
pub(crate) fn sleep_on(words: &[(FutexWord<'_>, u32)], deadline: Option<Deadline>) -> WaitOutcome {
    if let [(seldom, seen), (often, expected)] = *words {
        // A change that is there already is not overlooked.
        if seldom.load(Ordering::Acquire) != seen {
            return WaitOutcome::Retry;
        }
        let short = Deadline::after(SHORT_SLEEP);
        let until = deadline.map_or(short, |deadline| deadline.min(short));
        match wait_one(often, expected, Some(until)) {
            WaitOutcome::Retry => return WaitOutcome::Retry,
            WaitOutcome::TimedOut if deadline == Some(until) => return WaitOutcome::TimedOut,
            WaitOutcome::TimedOut => {}
        }
    }
    wait_any(words, deadline)
}

/// Sleeps, again and again, until something `is_over`, or `deadline`; tells whether it is. To be called when it was not, after that was announced.
///
/// `words` are those to sleep on, with their values: read before looking, so that no change is missed. `pause` is called before each sleep, and
/// says until when to sleep at most; `sleep` sleeps.
pub(crate) fn sleep_until<'w, Words: AsRef<[(FutexWord<'w>, u32)]>>(
    is_over: impl Fn() -> bool,
    words: impl Fn() -> Words,
    (deadline, pause): (Option<Deadline>, &mut dyn FnMut() -> Option<Deadline>),
    mut sleep: impl FnMut(&[(FutexWord<'w>, u32)], Option<Deadline>),
) -> bool {
    loop {
        let words = words();
        let latest = pause();
        if is_over() {
            return true;
        }
        if deadline.is_some_and(Deadline::has_passed) {
            return false;
        }
        sleep(words.as_ref(), earlier(deadline, latest));
    }
}

/// The earlier of two deadlines.
pub(crate) fn earlier(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn spinner() -> Spinner {
        Spinner {
            spin_ns: 1000,
            long_waits: 0,
            since_ns: None,
        }
    }

    /// A wait in which nothing is found by looking and that is over so long after it began.
    fn wait_in_vain(spinner: &mut Spinner, waited_ns: u64) -> Looked {
        let looked = spinner.look(None, || false);
        spinner.since_ns = spinner
            .since_ns
            .map(|since_ns| since_ns.min(now_ns() - waited_ns));
        spinner.done();
        looked
    }

    #[test]
    fn who_is_always_kept_waiting_stops_looking_until_it_gets_something_quickly() {
        const LONG_WAIT: u64 = 1_000_000;
        let mut spinner = spinner();
        for _ in 0..PATIENCE {
            assert_eq!(wait_in_vain(&mut spinner, LONG_WAIT), Looked::InVain);
        }
        assert_eq!(spinner.look(None, || panic!("it looks")), Looked::InVain);
        spinner.since_ns = Some(now_ns() - 1);
        spinner.spin_ns = LONG_WAIT;
        spinner.done();
        assert_eq!(spinner.look(None, || true), Looked::Found);
    }

    #[test]
    fn looking_ends_with_the_deadline() {
        let mut spinner = spinner();
        spinner.spin_ns = u64::MAX;
        let deadline = Deadline::after(Duration::from_millis(2));
        assert_eq!(spinner.look(Some(deadline), || false), Looked::TimedOut);
        assert!(deadline.has_passed());
    }

    #[test]
    fn processors_are_counted_in_lists() {
        assert_eq!(count_listed("0\n"), Some(1));
        assert_eq!(count_listed("0-3,5,8-9\n"), Some(7));
        for nonsense in ["", "a", "3-1", "1-"] {
            assert_eq!(count_listed(nonsense), None, "{nonsense}");
        }
    }
}
