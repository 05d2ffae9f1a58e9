//! Models of frames published before their contents and read after their release, on the real code with loom's atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom_lending`. A device that works in a buffer that is somebody
//! else's by then is an unordered access, which loom reports; a lost wake-up leaves a thread asleep, which it reports as a deadlock.
#![cfg(loom)]

use loom::thread;
use std::sync::Arc;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{HeapWords, TrackedCell};
use wharf_stream::layout::{consumer, points, ring, status};
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_stream::{
    Claim, Consumer, FrameInfo, Member, Points, PointsWriter, Policy, Producer, Sleepers, lend, settle,
};

const SLOT: usize = 0;
const INCARNATION: u64 = 7;

type Words = Arc<HeapWords>;

/// The pages of a stream of one buffer and one consumer, and the buffer.
#[derive(Clone)]
struct Pages {
    ring: Words,
    consumer: Words,
    status: Words,
    memory: Arc<TrackedCell>,
}

impl Pages {
    fn new() -> Self {
        let narrow = |base: usize| [base + points::BELL, base + points::SLEEPERS];
        let wide = |base: usize| [base + points::value(0), base + points::value(0) + 1];
        let slots = (1..=2).map(ring::slot);
        let fixed = [ring::HEAD, ring::ADMISSIONS, ring::ADMISSIONS + 1];
        let pages = Self {
            ring: Arc::new(HeapWords::new(
                slots.chain(fixed).chain(wide(ring::POINTS)),
                narrow(ring::POINTS).into_iter().chain([ring::WAITING]),
            )),
            consumer: Arc::new(HeapWords::new(
                wide(consumer::POINTS)
                    .into_iter()
                    .chain([consumer::HOLDS, consumer::CURSOR]),
                narrow(consumer::POINTS).into_iter().chain([consumer::RELEASES]),
            )),
            status: Arc::new(HeapWords::new([status::SLOTS], [status::VERSION, status::STREAM])),
            memory: Arc::default(),
        };
        StatusWriter::new(pages.status.clone()).set_slot(SLOT, INCARNATION, SlotState::Live);
        pages
    }

    fn producer(&self) -> Producer<Words, Words> {
        let mut producer = Producer::new(self.ring.clone(), self.status.clone(), 1);
        producer.take_status_change();
        producer
    }

    fn member(&self) -> Member<Words> {
        Member::new(SLOT, INCARNATION, 1, Policy::Block, self.consumer.clone())
    }

    fn consumer(&self) -> Consumer<Words, Words> {
        let pages = (self.ring.clone(), self.status.clone());
        Consumer::new(
            self.consumer.clone(),
            pages,
            (SLOT, INCARNATION),
            1,
            (1, Policy::Block),
        )
    }

    fn of_producer(&self) -> Points<Words, Words> {
        Points::of_producer(
            (self.ring.clone(), self.status.clone()),
            Arc::new(Sleepers::of_consumer(self.consumer.clone())),
        )
    }

    fn of_consumer(&self) -> Points<Words, Words> {
        Points::of_consumer(
            (self.consumer.clone(), self.status.clone()),
            (SLOT, INCARNATION),
            Arc::new(Sleepers::of_producer(self.ring.clone())),
        )
    }

    /// The producer's device fills the buffer.
    fn fill(&self, error: Option<Errno>) {
        self.memory.write();
        PointsWriter::of_producer(self.ring.clone()).finish((0, 1), error, [&self.consumer]);
    }

    /// The consumer gives the frame back, then its device reads it.
    fn lend(&self, claim: &Claim) {
        let point = lend(&self.consumer, &self.ring, None, claim.buffer).unwrap();
        self.memory.read();
        let mut points = PointsWriter::of_consumer(self.consumer.clone());
        settle(&mut points, (&self.ring, None), (claim.buffer, point), None);
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Acquires the buffer, asleep while there is none.
fn acquire(producer: &mut Producer<Words, Words>) {
    while producer.acquire_now().is_none() {
        if producer.wait(None, Producer::acquire_now).0.is_some() {
            return;
        }
    }
}

#[test]
fn who_waits_for_contents_is_woken_and_sees_them() {
    check(|| {
        let pages = Pages::new();
        let mut producer = pages.producer();
        producer.admit(pages.member());
        acquire(&mut producer);
        producer.publish_unfinished(0, &FrameInfo::default()).unwrap();
        let claim = pages.consumer().try_claim().unwrap().unwrap();
        let device = pages.clone();
        let filling = thread::spawn(move || device.fill(Some(Errno::EIO)));
        let points = pages.of_producer();
        assert!(points.wait((0, claim.seq), None, || None));
        assert_eq!(points.status(0, claim.seq), FenceStatus::Failed(Errno::EIO));
        pages.memory.read();
        filling.join().unwrap();
    });
}

#[test]
fn who_waits_for_contents_learns_that_the_producer_died() {
    check(|| {
        let pages = Pages::new();
        let broker = StatusWriter::new(pages.status.clone());
        let death = thread::spawn(move || broker.set_stream_state(StreamState::ProducerDied));
        assert!(pages.of_producer().wait((0, 1), None, || None));
        death.join().unwrap();
    });
}

#[test]
fn producer_is_woken_by_its_own_device_and_fills_after_it() {
    check(|| {
        let pages = Pages::new();
        let mut producer = pages.producer();
        acquire(&mut producer);
        producer.publish_unfinished(0, &FrameInfo::default()).unwrap();
        let device = pages.clone();
        let filling = thread::spawn(move || device.fill(None));
        acquire(&mut producer);
        pages.memory.write();
        filling.join().unwrap();
    });
}

/// The consumer lends the only frame; the producer fills the buffer again, which it gets by `acquire`.
fn lent_frame_is_filled_again(
    acquire_again: impl Fn(&Pages, &mut Producer<Words, Words>) + Copy + Send + Sync + 'static,
) {
    check(move || {
        let pages = Pages::new();
        let mut producer = pages.producer();
        producer.admit(pages.member());
        acquire(&mut producer);
        pages.memory.write();
        producer.publish(0, &FrameInfo::default()).unwrap();
        let other = pages.clone();
        let reading = thread::spawn(move || {
            let claim = other.consumer().try_claim().unwrap().unwrap();
            other.lend(&claim);
        });
        acquire_again(&pages, &mut producer);
        pages.memory.write();
        reading.join().unwrap();
    });
}

#[test]
fn lent_frame_is_filled_only_after_the_device_has_read_it() {
    lent_frame_is_filled_again(|_, producer| acquire(producer));
}

#[test]
fn who_acquires_a_lent_buffer_is_woken_when_the_device_has_read_it() {
    lent_frame_is_filled_again(|pages, producer| {
        let lent = |producer: &mut Producer<Words, Words>| {
            let idle = producer.acquire_now().map(|_| None);
            idle.or_else(|| producer.try_acquire_lent().map(Some))
        };
        let lent = loop {
            if let Some(lent) = lent(producer) {
                break lent;
            }
            if let (Some(lent), _) = producer.wait(None, lent) {
                break lent;
            }
        };
        if let Some(lent) = lent {
            assert_eq!(lent.by, [(SLOT, INCARNATION)]);
            assert!(pages.of_consumer().wait((0, lent.seq), None, || None));
        }
    });
}
