//! The broker's page about a timeline.

use super::layout::{mark, status as at};
use super::reader::End;
use wharf_memory::{FutexWord, Ordering, ReadWords, WriteWords, wake};

/// What has become of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineState {
    /// Its owner may signal.
    Running,
    /// It is over.
    Over(End),
}

/// The broker's side: writes the page and wakes whoever sleeps on it.
#[derive(Debug)]
pub struct TimelineStatusWriter<W> {
    words: W,
}

impl<W: WriteWords> TimelineStatusWriter<W> {
    /// Takes a zeroed page of [`status::END`](super::layout::status::END) cells: running, no imports.
    pub fn new(words: W) -> Self {
        mark(&words);
        Self { words }
    }

    /// Records that the timeline is over and wakes sleepers.
    pub fn set_over(&self, end: End) {
        let word = match end {
            End::Dropped => 1,
            End::OwnerDied => 2,
        };
        // ORDERING: Release, so that who sees the new version sees the state.
        self.words.store_u32(at::STATE, word, Ordering::Release);
        self.announce();
    }

    /// Records that imports came or went; `newest` is the number of the newest there was. Nobody is woken: only the owner cares, when it
    /// signals next. To be called before the importer is told.
    pub fn set_imports(&self, newest: u64) {
        // ORDERING: Release, as above. The importer hears of its import after this; see the module's argument.
        self.words.store_u64(at::IMPORTS, newest, Ordering::Release);
        self.words.increment_u32(at::VERSION, Ordering::Release);
    }

    fn announce(&self) {
        // ORDERING: Release publishes the change before the version; sleepers compare with the version they saw.
        self.words.increment_u32(at::VERSION, Ordering::Release);
        wake(self.words.futex(at::VERSION));
    }
}

/// Everybody else's side of the page.
#[derive(Debug)]
pub struct TimelineStatus<W> {
    words: W,
}

impl<W: ReadWords> TimelineStatus<W> {
    /// Reads the page that a broker writes.
    pub fn new(words: W) -> Self {
        Self { words }
    }

    /// Counts changes. To be read before what it counts.
    pub fn version(&self) -> u32 {
        self.version_word().1
    }

    /// The word to sleep on, and its value now.
    pub fn version_word(&self) -> (FutexWord<'_>, u32) {
        let word = self.words.futex(at::VERSION);
        // ORDERING: Acquire, so that the changes counted are seen.
        (word, word.load(Ordering::Acquire))
    }

    /// Whether the timeline is over. An unknown state counts as the owner's death: the broker's page is trusted, a layout mix-up must
    /// not hang anybody.
    pub fn state(&self) -> TimelineState {
        match self.words.load_u32(at::STATE, Ordering::Acquire) {
            0 => TimelineState::Running,
            1 => TimelineState::Over(End::Dropped),
            _ => TimelineState::Over(End::OwnerDied),
        }
    }

    /// The number of the newest import; 0 before the first.
    pub fn imports(&self) -> u64 {
        // ORDERING: Acquire; for the owner the fence of its signal orders it.
        self.words.load_u64(at::IMPORTS, Ordering::Acquire)
    }
}
