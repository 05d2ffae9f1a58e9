//! The owner's side: signal points, and wake whoever waits for them.

use super::error::SignalPointError;
use super::layout::{MAX_POINT, encode_error, error_cell, point as at, tag, waiter};
use super::status::TimelineStatus;
use wharf_core::Errno;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence, wake};

/// The right to signal the points of one timeline.
///
/// # Invariants
///
/// `last` and `bell` are what the page says: this is the only one to write these cells (contract S3).
#[derive(Debug)]
pub struct PointWriter<W> {
    words: W,
    base: usize,
    last: u64,
    bell: u32,
}

impl<W: WriteWords> PointWriter<W> {
    /// Takes the [`point::CELLS`](super::layout::point::CELLS) zeroed cells from `base` on as a timeline with no point signaled.
    pub fn new(words: W, base: usize) -> Self {
        Self {
            words,
            base,
            last: 0,
            bell: 0,
        }
    }

    /// The highest point signaled; 0 at first.
    pub fn value(&self) -> u64 {
        self.last
    }

    /// The page.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// Signals `point` and with it all points before it. Whoever waits for one of them has to be [woken](Self::wake) then: whether
    /// anybody does is to be read after this, as [`Importers::must_be_woken`] does.
    ///
    /// # Errors
    ///
    /// [`SignalPointError::NotLater`] (`EINVAL`): it is not above all points signaled so far. [`SignalPointError::TooHigh`] (`ERANGE`):
    /// it is above [`MAX_POINT`].
    pub fn signal(&mut self, point: u64) -> Result<(), SignalPointError> {
        self.check(point)?;
        self.publish(point);
        Ok(())
    }

    /// Signals `point` with an error, otherwise as [`PointWriter::signal`]; points before it that were not signaled have none.
    ///
    /// # Errors
    ///
    /// As [`PointWriter::signal`]; [`SignalPointError::NotAnError`] (`EINVAL`): `errno` is not from 1 to 4095.
    pub fn signal_error(&mut self, point: u64, errno: Errno) -> Result<(), SignalPointError> {
        self.check(point)?;
        if !errno.is_error() {
            return Err(SignalPointError::NotAnError { errno });
        }
        let cell = encode_error(tag(point), errno.raw());
        // ORDERING: Relaxed; the value, stored after it with Release, brings it along.
        self.words
            .store_u64(self.base + error_cell(point), cell, Ordering::Relaxed);
        self.publish(point);
        Ok(())
    }

    fn check(&self, point: u64) -> Result<(), SignalPointError> {
        if point <= self.last {
            return Err(SignalPointError::NotLater {
                point,
                last: self.last,
            });
        }
        if point > MAX_POINT {
            return Err(SignalPointError::TooHigh { point });
        }
        Ok(())
    }

    fn publish(&mut self, point: u64) {
        self.last = point;
        self.bell = self.bell.wrapping_add(1);
        // ORDERING: Release: who sees the point sees its error, and the work that it stands for.
        self.words
            .store_u64(self.base + at::VALUE, point, Ordering::Release);
        // ORDERING: Release: who sees the bell sees the value.
        self.words
            .store_u32(self.base + at::BELL, self.bell, Ordering::Release);
        // ORDERING: between the value and the look for waiters, as theirs between announcing and looking at the value.
        fence(Ordering::SeqCst);
    }

    /// Wakes everybody who sleeps on this timeline. A system call.
    pub fn wake(&self) {
        wake(self.words.futex(self.base + at::BELL));
    }
}

/// The importers of a timeline as its owner knows them: where each says what it waits for.
#[derive(Debug)]
pub struct Importers<W> {
    known: Vec<Importer<W>>,
    newest: u64,
}

#[derive(Debug)]
struct Importer<W> {
    number: u64,
    words: W,
    cell: usize,
}

impl<W> Default for Importers<W> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            newest: 0,
        }
    }
}

impl<W: ReadWords> Importers<W> {
    /// Takes note of the import `number`, which announces in `cell` of the waiter page `words`. Imports are added in the order of their
    /// numbers. `false`, and nothing is noted, for a cell that is in no waiter page.
    pub fn add(&mut self, number: u64, words: W, cell: usize) -> bool {
        if !(waiter::FIRST..waiter::END).contains(&cell) {
            return false;
        }
        self.known.push(Importer { number, words, cell });
        self.newest = self.newest.max(number);
        true
    }

    /// Forgets all imports but those `present`. Those up to `newest` that were not added have come and gone.
    pub fn retain(&mut self, newest: u64, present: &[u64]) {
        self.newest = self.newest.max(newest);
        self.known.retain(|importer| present.contains(&importer.number));
    }

    /// The number of the newest import taken note of; 0 if none was.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Whether sleepers have to be woken after the signal of `point`: somebody waits for it, or somebody imported the timeline who is not
    /// known yet and may be asleep.
    pub fn must_be_woken<S: ReadWords>(&self, status: &TimelineStatus<S>, point: u64) -> bool {
        status.imports() > self.newest || self.any_waits(point)
    }

    /// Whether one of them waits for a point up to `point`.
    pub fn any_waits(&self, point: u64) -> bool {
        let is_due = |importer: &Importer<W>| {
            // ORDERING: Relaxed; the fence of the signal before it orders it.
            let lowest = importer.words.load_u64(importer.cell, Ordering::Relaxed);
            lowest != 0 && lowest <= point
        };
        self.known.iter().any(is_due)
    }
}
