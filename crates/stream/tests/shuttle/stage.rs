//! A stream of four consumers, who they are, and its pages.

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;
use std::sync::Arc;
use wharf_memory::{HeapWords, ReadWords as _};
use wharf_stream::layout::{ASLEEP, consumer, ring, status};
use wharf_stream::status::{SlotState, StatusWriter};
use wharf_stream::{Claim, Policy};

pub(crate) const CONSUMERS: usize = 4;

pub(crate) type Words = Arc<HeapWords>;

/// How a consumer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It stays until it has the last frame.
    Last,
    /// It leaves in order after so many frames, with those that it holds.
    Leaves(u64),
    /// It dies after so many.
    Dies(u64),
    /// It stays until it is told that the stream is over.
    End,
}

/// What a consumer does between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing.
    Quick,
    /// If it takes every frame, it releases none before the producer sleeps.
    KeepsWaiting,
    /// It claims nothing before all buffers have had a frame since its last.
    Lags,
}

/// What a consumer asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) policy: Policy,
    pub(crate) depth: usize,
    pub(crate) exit: Exit,
    /// The first frame after it is let in.
    pub(crate) first: u64,
    pub(crate) manner: Manner,
}

impl Seat {
    /// One with any policy and depth.
    pub(crate) fn any(manner: Manner) -> Self {
        Self {
            policy: match thread_rng().gen_bool(0.5) {
                true => Policy::Block,
                false => Policy::Latest,
            },
            depth: thread_rng().gen_range(1..=2),
            exit: Exit::Last,
            first: 1,
            manner,
        }
    }
}

/// A stream: its pages, its buffers, and what it is used for.
pub(crate) struct Stage {
    pub(crate) ring: Words,
    pub(crate) consumers: [Words; CONSUMERS],
    pub(crate) status: Words,
    pub(crate) broker: StatusWriter<Words>,
    /// A word for the contents of each buffer: the number of the frame.
    pub(crate) buffers: Vec<AtomicU64>,
    pub(crate) seats: [Seat; CONSUMERS],
    pub(crate) frames: u64,
}

impl Stage {
    pub(crate) fn new(seats: [Seat; CONSUMERS]) -> Arc<Self> {
        let buffers = thread_rng().gen_range(3..=4);
        let words =
            |wide: Vec<usize>, narrow: &[usize]| Arc::new(HeapWords::new(wide, narrow.iter().copied()));
        let slots = (0..ring::SLOT_COUNT as u64).map(ring::slot);
        let in_ring = slots.flat_map(|slot| [slot, slot + ring::GENERATION]);
        let admissions = (0..2 * CONSUMERS).map(|cell| ring::ADMISSIONS + cell);
        let of_consumer = || {
            (0..buffers)
                .map(|buffer| consumer::HOLDS + buffer)
                .chain([consumer::CURSOR])
        };
        let of_broker = (0..CONSUMERS).map(|slot| status::SLOTS + slot).collect();
        let status = words(of_broker, &[status::VERSION, status::STREAM]);
        let stage = Self {
            ring: words(
                in_ring.chain(admissions).chain([ring::HEAD]).collect(),
                &[ring::WAITING],
            ),
            consumers: std::array::from_fn(|_| {
                let narrow = [consumer::RELEASES, consumer::LEFT, consumer::WAITING];
                words(of_consumer().collect(), &narrow)
            }),
            broker: StatusWriter::new(status.clone()),
            status,
            buffers: (0..buffers).map(|_| AtomicU64::new(0)).collect(),
            seats,
            frames: thread_rng().gen_range(6..=10),
        };
        (0..CONSUMERS).for_each(|slot| stage.broker.set_slot(slot, incarnation(slot), SlotState::Live));
        Arc::new(stage)
    }

    pub(crate) fn assert_whole(&self, claim: &Claim) {
        let contents = self.buffers[claim.buffer].load(Ordering::SeqCst);
        assert_eq!(contents, claim.seq, "torn frame");
    }

    /// Waits until every consumer sleeps or is about to.
    pub(crate) fn await_sleep(&self) {
        let is_asleep = |page: &Words| page.load_u32(consumer::WAITING, Ordering::SeqCst) == ASLEEP;
        until(|| self.consumers.iter().all(is_asleep));
    }
}

pub(crate) fn incarnation(slot: usize) -> u64 {
    slot as u64 + 7
}

pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}
