//! A timeline of somebody else, and how to wait for its points.

use super::reader::{End, PointReader};
use super::status::{TimelineState, TimelineStatus};
use super::waiting::Waiting;
use crate::waiting::{earlier, sleep_on, sleep_until};
use std::time::Duration;
use wharf_core::FenceStatus;
use wharf_memory::{Deadline, FutexWord, ReadWords, WriteWords, wait_any};

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
    let mut turn = 0;
    sleep_until(
        || is_over(points, until),
        || {
            pending(points)
                .flat_map(|(import, _)| import.words())
                .collect::<Vec<_>>()
        },
        (deadline, &mut pause),
        |words, latest| match *words {
            [bell, version] => drop(sleep_on(&[version, bell], latest)),
            _ => sleep_in_turns(words, latest, &mut turn),
        },
    )
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
