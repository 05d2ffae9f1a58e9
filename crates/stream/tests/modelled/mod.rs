//! What the models of the hand-over share: the pages of a stream with few cells, and buffers whose accesses loom watches.
#![allow(dead_code, reason = "each program of models uses some of it")]

use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use wharf_memory::{HeapWords, TrackedCell, forbid_asymmetric_fences};
use wharf_stream::layout::{consumer, ring, status};
use wharf_stream::status::{SlotState, StatusWriter};
use wharf_stream::{Claim, Consumer, Member, Policy, Producer, Waiting, ask_for_fences};

pub(crate) const SLOT: usize = 0;
pub(crate) const INCARNATION: u64 = 7;

pub(crate) type Words = Arc<HeapWords>;

/// Who asks the other side for full fences. Where both do, there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Nobody,
    Consumer,
    Producer,
    Both,
}

/// The pages of a stream of `buffers` buffers, one consumer and three frames at most.
pub(crate) struct Pages {
    pub(crate) ring: Words,
    pub(crate) consumer: Words,
    pub(crate) status: Words,
    pub(crate) buffers: usize,
    pub(crate) asking: Asking,
}

impl Pages {
    pub(crate) fn new(buffers: usize) -> Self {
        Self::asking(buffers, Asking::Nobody)
    }

    pub(crate) fn asking(buffers: usize, asking: Asking) -> Self {
        forbid_asymmetric_fences(false);
        let of_ring = matches!(asking, Asking::Producer | Asking::Both).then_some(ring::FENCED);
        let of_consumer = matches!(asking, Asking::Consumer | Asking::Both).then_some(consumer::FENCED);
        let slots = (1..=3).map(ring::slot);
        let generations = slots.clone().map(|slot| slot + ring::GENERATION);
        let fixed = [
            ring::HEAD,
            ring::ADMISSIONS,
            ring::ADMISSIONS + 1,
            ring::OLDEST,
            ring::OLDEST_FROM,
        ];
        let holds = (0..buffers).map(|buffer| consumer::HOLDS + buffer);
        let pages = Self {
            ring: words(
                slots.chain(generations).chain(fixed),
                [ring::WAITING].into_iter().chain(of_ring),
            ),
            consumer: words(
                holds.chain([consumer::CURSOR]),
                [consumer::RELEASES, consumer::LEFT, consumer::WAITING]
                    .into_iter()
                    .chain(of_consumer),
            ),
            status: words(
                [
                    status::SLOTS,
                    status::GENERATION,
                    status::OFFERED_TO_PRODUCER,
                    status::OFFERED_TO_CONSUMERS,
                ],
                [status::VERSION, status::STREAM],
            ),
            buffers,
            asking,
        };
        // Where it has no word to say so, this is nothing.
        ask_for_fences(&pages.consumer);
        // The broker records a consumer before either side hears of the other.
        StatusWriter::new(pages.status.clone()).set_slot(SLOT, INCARNATION, SlotState::Live);
        pages
    }

    pub(crate) fn producer(&self, policy: Policy) -> Producer<Words, Words> {
        let mut producer = Producer::new(self.ring.clone(), self.status.clone(), self.buffers);
        producer.take_status_change();
        if matches!(self.asking, Asking::Producer | Asking::Both) {
            producer.set_waiting(Waiting::Sleep);
        }
        forbid_asymmetric_fences(self.asking == Asking::Both);
        producer.admit(Member::new(
            SLOT,
            INCARNATION,
            self.buffers,
            policy,
            self.consumer.clone(),
        ));
        producer
    }

    pub(crate) fn consumer(&self, policy: Policy) -> Consumer<Words, Words> {
        let pages = (self.ring.clone(), self.status.clone());
        Consumer::new(
            self.consumer.clone(),
            pages,
            (SLOT, INCARNATION),
            self.buffers,
            (self.buffers, policy),
        )
    }
}

fn words(wide: impl IntoIterator<Item = usize>, narrow: impl IntoIterator<Item = usize>) -> Words {
    Arc::new(HeapWords::new(wide, narrow))
}

/// One word per buffer stands for a frame's contents; a whole frame holds its own sequence number. The cell beside it lets loom
/// check that reads and refills are ordered, not only that they happened to agree.
#[derive(Clone)]
pub(crate) struct Contents(Arc<Vec<(TrackedCell, AtomicU64)>>);

impl Contents {
    pub(crate) fn new(buffers: usize) -> Self {
        Self(Arc::new((0..buffers).map(|_| Default::default()).collect()))
    }

    pub(crate) fn fill(&self, buffer: usize, seq: u64) {
        let (accesses, value) = &self.0[buffer];
        accesses.write();
        value.store(seq, Ordering::Relaxed);
    }

    pub(crate) fn assert_whole(&self, claim: &Claim) {
        let (accesses, value) = &self.0[claim.buffer];
        accesses.read();
        assert_eq!(value.load(Ordering::Relaxed), claim.seq, "torn frame");
    }
}

pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}
