//! The broker's page: who lives.

use crate::layout::{MAGIC, MAGIC_CELL, MAX_CONSUMERS, status as at};
use wharf_memory::{FutexWord, Ordering, ReadWords, WriteWords, wake};

/// What has become of the consumer in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Nobody has it.
    Free,
    /// A consumer has it.
    Live,
    /// The consumer left, was cut off or died: what it held is free again.
    Gone,
}

/// What has become of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamState {
    /// The producer is at work.
    Running,
    /// The producer ended the stream in order.
    Ended,
    /// The producer's process or session died.
    ProducerDied,
}

/// Where the buffers of a stream are, and where they are being moved to. Generations are numbered from 1, upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generations {
    /// The generation in use.
    pub current: u64,
    /// The one the producer is to take and be ready for.
    pub for_producer: Option<u64>,
    /// The one consumers are to take and be ready for.
    pub for_consumers: Option<u64>,
}

/// What one side of a stream is told about the buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GenerationNews {
    /// The generation in use.
    pub current: u64,
    /// The one that this side is to take and be ready for.
    pub offered: Option<u64>,
}

impl SlotState {
    const fn bits(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Live => 1,
            Self::Gone => 2,
        }
    }
}

impl StreamState {
    const fn word(self) -> u32 {
        match self {
            Self::Running => 0,
            Self::Ended => 1,
            Self::ProducerDied => 2,
        }
    }
}

/// The broker's side: writes the page and wakes whoever sleeps on it.
#[derive(Debug)]
pub struct StatusWriter<W> {
    words: W,
}

impl<W: WriteWords> StatusWriter<W> {
    /// Takes a zeroed page of [`STATUS_PAGE_CELLS`](crate::STATUS_PAGE_CELLS) cells: all slots free, the stream running.
    pub fn new(words: W) -> Self {
        words.store_u64(MAGIC_CELL, MAGIC, Ordering::Release);
        Self { words }
    }

    /// Records what has become of the consumer `incarnation` in `slot` and wakes sleepers. A slot outside
    /// `0..MAX_CONSUMERS` is ignored.
    pub fn set_slot(&self, slot: usize, incarnation: u64, state: SlotState) {
        if slot < MAX_CONSUMERS {
            // ORDERING: Release, so that who sees the new version sees the slot.
            self.words.store_u64(
                at::SLOTS + slot,
                incarnation << 2 | state.bits(),
                Ordering::Release,
            );
            self.announce();
        }
    }

    /// Records what has become of the stream and wakes sleepers.
    pub fn set_stream_state(&self, state: StreamState) {
        self.words.store_u32(at::STREAM, state.word(), Ordering::Release);
        self.announce();
    }

    /// Records where the buffers are and wakes sleepers.
    pub fn set_generations(&self, generations: Generations) {
        let put = |cell, value| self.words.store_u64(cell, value, Ordering::Release);
        // The order matters: who sees an offer withdrawn sees whether the generation offered came into use.
        put(at::GENERATION, generations.current);
        put(at::OFFERED_TO_PRODUCER, generations.for_producer.unwrap_or(0));
        put(at::OFFERED_TO_CONSUMERS, generations.for_consumers.unwrap_or(0));
        self.announce();
    }

    fn announce(&self) {
        // ORDERING: Release publishes the change before the version; sleepers compare with the version they saw.
        self.words.increment_u32(at::VERSION, Ordering::Release);
        wake(self.words.futex(at::VERSION));
    }
}

/// Everybody else's side of the page.
#[derive(Debug)]
pub(crate) struct StatusPage<W> {
    words: W,
}

impl<W: ReadWords> StatusPage<W> {
    pub(crate) fn new(words: W) -> Self {
        Self { words }
    }

    pub(crate) fn version(&self) -> u32 {
        // ORDERING: Acquire, so that the changes counted are seen.
        self.words.load_u32(at::VERSION, Ordering::Acquire)
    }

    pub(crate) fn version_word(&self) -> FutexWord<'_> {
        self.words.futex(at::VERSION)
    }

    /// An unknown state counts as dead: the broker's page is trusted, a layout mix-up must not hang anybody.
    pub(crate) fn stream_state(&self) -> StreamState {
        match self.words.load_u32(at::STREAM, Ordering::Acquire) {
            0 => StreamState::Running,
            1 => StreamState::Ended,
            _ => StreamState::ProducerDied,
        }
    }

    pub(crate) fn news_for_producer(&self) -> GenerationNews {
        self.news(at::OFFERED_TO_PRODUCER)
    }

    pub(crate) fn news_for_consumers(&self) -> GenerationNews {
        self.news(at::OFFERED_TO_CONSUMERS)
    }

    fn news(&self, offered: usize) -> GenerationNews {
        // ORDERING: Acquire, and this one first: see `StatusWriter::set_generations`.
        let offered = self.words.load_u64(offered, Ordering::Acquire);
        GenerationNews {
            current: self.words.load_u64(at::GENERATION, Ordering::Acquire),
            offered: (offered != 0).then_some(offered),
        }
    }

    /// Whether the consumer `incarnation` still has `slot`. Nobody has one outside `0..MAX_CONSUMERS`.
    pub(crate) fn is_live(&self, slot: usize, incarnation: u64) -> bool {
        let live = incarnation << 2 | SlotState::Live.bits();
        slot < MAX_CONSUMERS && self.words.load_u64(at::SLOTS + slot, Ordering::Acquire) == live
    }
}
