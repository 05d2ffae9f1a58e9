//! A timeline of somebody else, and how to wait for its points.

use super::reader::{End, PointReader};
use super::status::{TimelineState, TimelineStatus};
use super::waiting::Waiting;
use std::time::Duration;
use wharf_core::FenceStatus;
use wharf_memory::{Deadline, FutexWord, ReadWords, WriteWords, wait_any, wait_one};

/// An imported timeline: its words, the broker's about it, and the cell in which this process announces what it waits for.
#[derive(Debug)]
pub struct Import<R, W> {
    reader: PointReader<R>,
    status: TimelineStatus<R>,
    waiting: Waiting<W>,
}

impl<R: ReadWords, W: WriteWords> Import<R, W> {
    /// Puts the parts together.
    pub fn new(reader: PointReader<R>, status: TimelineStatus<R>, waiting: Waiting<W>) -> Self {
        Self {
            reader,
            status,
            waiting,
        }
    }

    /// The highest point signaled; 0 at first.
    pub fn value(&self) -> u64 {
        self.reader.value()
    }

    /// How far `point` is. Point 0 is always signaled. When the timeline is over, points that were not signaled have failed
    /// with [`End::errno`].
    pub fn status(&self, point: u64) -> FenceStatus {
        // The state is read before the value: what was signaled before the end counts.
        self.notice_end();
        self.reader.status(point)
    }

    /// How the timeline ended, if it has.
    pub fn end(&self) -> Option<End> {
        self.notice_end();
        self.reader.end()
    }

    fn notice_end(&self) {
        if let TimelineState::Over(end) = self.status.state() {
            self.reader.close(end);
        }
    }

    /// Takes note that the timeline is over, on other evidence than the broker's.
    pub fn close(&self, end: End) {
        self.reader.close(end);
    }

    /// Where this process announces what it waits for.
    pub fn waiting(&self) -> &Waiting<W> {
        &self.waiting
    }

    /// The words to sleep on, with their values now. To be read before looking at [`Import::status`], after [`Waiting::enter`].
    pub fn words(&self) -> [(FutexWord<'_>, u32); 2] {
        [self.reader.bell(), self.status.version_word()]
    }
}

/// How many of several points are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One of them.
    Any,
    /// All of them.
    All,
}

/// How long a sleeper watches the one word where news is expected before it watches those of the broker, too: sleeping on one word
/// costs the kernel less. Time does not pass in models.
const FIRST_NAP: Option<Duration> = if cfg!(loom) {
    None
} else {
    Some(Duration::from_millis(2))
};

/// The most words one sleep can watch.
const MAX_WORDS: usize = 128;
/// How long each part of more words is watched in turn.
const TURN: Duration = Duration::from_millis(1);

/// Waits until one, or all, of `points` are settled: signaled, with an error or without, or failed because their timeline is over. Returns
/// whether they are. Of none, all are settled and one is never.
///
/// `pause` is called before each sleep, and says until when to sleep at most: there the caller looks at what no word tells.
///
/// # Blocking
///
/// Asleep, until they are or `deadline` has passed. Not at all, and without a system call, if they are at the beginning. With points of
/// more than 64 timelines each group of 64 is watched for a millisecond in turn.
pub fn wait<R: ReadWords, W: WriteWords>(
    points: &[(&Import<R, W>, u64)],
    until: Until,
    deadline: Option<Deadline>,
    mut pause: impl FnMut() -> Option<Deadline>,
) -> bool {
    if is_over(points, until) {
        return true;
    }
    let _announced = Announced::new(points);
    let mut sleeper = Sleeper::new(points.len());
    loop {
        // The words first, then what they tell of.
        let words: Vec<_> = pending(points).flat_map(|(import, _)| import.words()).collect();
        let latest = pause();
        if is_over(points, until) {
            return true;
        }
        if deadline.is_some_and(Deadline::has_passed) {
            return false;
        }
        sleeper.sleep(&words, earlier(deadline, latest));
    }
}

fn is_settled<R: ReadWords, W: WriteWords>((import, point): &(&Import<R, W>, u64)) -> bool {
    import.status(*point).is_signaled()
}

fn pending<'a, R: ReadWords, W: WriteWords>(
    points: &'a [(&'a Import<R, W>, u64)],
) -> impl Iterator<Item = &'a (&'a Import<R, W>, u64)> {
    points.iter().filter(|point| !is_settled(point))
}

fn is_over<R: ReadWords, W: WriteWords>(points: &[(&Import<R, W>, u64)], until: Until) -> bool {
    match until {
        Until::Any => points.iter().any(is_settled),
        Until::All => points.iter().all(is_settled),
    }
}

fn earlier(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What a wait has announced; taken back when it ends, however it does.
struct Announced<'a, R, W: WriteWords>(&'a [(&'a Import<R, W>, u64)]);

impl<'a, R, W: WriteWords> Announced<'a, R, W> {
    fn new(points: &'a [(&'a Import<R, W>, u64)]) -> Self {
        for (import, point) in points {
            import.waiting.enter(*point);
        }
        Self(points)
    }
}

impl<R, W: WriteWords> Drop for Announced<'_, R, W> {
    fn drop(&mut self) {
        for (import, point) in self.0 {
            import.waiting.leave(*point);
        }
    }
}

/// Sleeps on the words of timelines: the bell of one is watched alone for a while, those of many in turns.
#[derive(Debug)]
struct Sleeper {
    nap: Option<Deadline>,
    turn: usize,
}

impl Sleeper {
    fn new(timelines: usize) -> Self {
        Self {
            nap: FIRST_NAP.filter(|_| timelines == 1).map(Deadline::after),
            turn: 0,
        }
    }

    fn sleep(&mut self, words: &[(FutexWord<'_>, u32)], latest: Option<Deadline>) {
        if let (Some(nap), [bell, _]) = (self.nap.filter(|nap| !nap.has_passed()), words) {
            let until = latest.map_or(nap, |latest| latest.min(nap));
            wait_one(bell.0, bell.1, Some(until));
            return;
        }
        sleep_in_turns(words, latest, &mut self.turn);
    }
}

/// Sleeps on the words of timelines until one changes or `latest`. More than 128 words are watched in parts, one at each call, and that
/// for a millisecond at most: `turn` says which.
///
/// # Blocking
///
/// As it says.
pub fn sleep_in_turns(words: &[(FutexWord<'_>, u32)], latest: Option<Deadline>, turn: &mut usize) {
    let parts = words.len().div_ceil(MAX_WORDS).max(1);
    if parts == 1 {
        wait_any(words, latest);
        return;
    }
    let first = *turn % parts * MAX_WORDS;
    *turn = turn.wrapping_add(1);
    let part = &words[first..words.len().min(first + MAX_WORDS)];
    wait_any(part, earlier(latest, Some(Deadline::after(TURN))));
}
