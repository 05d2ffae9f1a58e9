//! Models of doorbells, on the real code with loom's atomics. The pipe is a flag, and waiting for it a condition variable.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom_polling`. A ring that is lost leaves a thread
//! asleep, which loom reports as a deadlock.
#![cfg(loom)]

use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::sync::Arc;
use wharf_memory::{HeapWords, forbid_asymmetric_fences};
use wharf_stream::layout::{consumer, ring, status};
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_stream::{Claim, Consumer, Doorbell, Member, Policy, Producer, Waiting, ask_for_fences};

const SLOT: usize = 0;
const INCARNATION: u64 = 7;

type Words = Arc<HeapWords>;

/// A doorbell: rung or silent.
#[derive(Debug, Clone, Default)]
struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Doorbell for Bell {
    fn ring(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Bell {
    fn silence(&self) {
        *self.0.0.lock().unwrap() = false;
    }

    /// As poll does.
    fn wait(&self) {
        let mut is_rung = self.0.0.lock().unwrap();
        while !*is_rung {
            is_rung = self.0.1.wait(is_rung).unwrap();
        }
    }
}

/// The pages of a stream of one consumer, and the bells of both sides.
struct Pages {
    ring: Words,
    consumer: Words,
    status: Words,
    buffers: usize,
    consumers: Bell,
    producers: Bell,
    /// Both sides ask the other for full fences, and there are no others.
    fenced: bool,
}

impl Pages {
    fn new(buffers: usize) -> Self {
        Self::with_fences(buffers, false)
    }

    fn with_fences(buffers: usize, fenced: bool) -> Self {
        forbid_asymmetric_fences(false);
        let words =
            |wide: Vec<usize>, narrow: &[usize]| Arc::new(HeapWords::new(wide, narrow.iter().copied()));
        let slots = (1..=3).map(ring::slot);
        let generations = slots.clone().map(|slot| slot + ring::GENERATION);
        let admission = [ring::ADMISSIONS, ring::ADMISSIONS + 1];
        let fixed = [ring::HEAD, ring::OLDEST, ring::OLDEST_FROM];
        let holds = (0..buffers).map(|buffer| consumer::HOLDS + buffer);
        let news = [
            status::GENERATION,
            status::OFFERED_TO_PRODUCER,
            status::OFFERED_TO_CONSUMERS,
        ];
        let pages = Self {
            ring: words(
                slots.chain(generations).chain(admission).chain(fixed).collect(),
                &[ring::WAITING, ring::FENCED][..1 + usize::from(fenced)],
            ),
            consumer: words(
                holds.chain([consumer::CURSOR]).collect(),
                &[
                    consumer::RELEASES,
                    consumer::LEFT,
                    consumer::WAITING,
                    consumer::FENCED,
                ][..3 + usize::from(fenced)],
            ),
            status: words(
                [status::SLOTS].into_iter().chain(news).collect(),
                &[status::VERSION, status::STREAM],
            ),
            buffers,
            consumers: Bell::default(),
            producers: Bell::default(),
            fenced,
        };
        // Where it has no word to say so, this is nothing.
        ask_for_fences(&pages.consumer);
        StatusWriter::new(pages.status.clone()).set_slot(SLOT, INCARNATION, SlotState::Live);
        pages
    }

    fn producer(&self, depth: usize) -> Producer<Words, Words> {
        let mut producer = Producer::new(self.ring.clone(), self.status.clone(), self.buffers);
        producer.take_status_change();
        if self.fenced {
            producer.set_waiting(Waiting::Sleep);
            forbid_asymmetric_fences(true);
        }
        let member = Member::new(SLOT, INCARNATION, depth, Policy::Block, self.consumer.clone());
        producer.admit(member.with_bell(Box::new(self.consumers.clone())));
        producer
    }

    /// A consumer that has not looked yet, so that its bell is rung.
    fn consumer(&self, depth: usize) -> Consumer<Words, Words> {
        let pages = (self.ring.clone(), self.status.clone());
        let terms = (depth, Policy::Block);
        let mut consumer = Consumer::new(
            self.consumer.clone(),
            pages,
            (SLOT, INCARNATION),
            self.buffers,
            terms,
        );
        consumer.set_producers_bell(Arc::new(self.producers.clone()));
        self.consumers.ring();
        consumer
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    check_within(3, model);
}

/// With at most so many threads interrupted; long models would take hours with more.
fn check_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn publish(producer: &mut Producer<Words, Words>, buffer: usize) {
    assert!(producer.publish_with(buffer, |_, _| ()).is_some());
}

/// A buffer, asleep until there is one.
fn acquire(producer: &mut Producer<Words, Words>) -> usize {
    loop {
        if let Ok(buffer) = producer.try_acquire() {
            return buffer;
        }
        if let (Some(buffer), _) = producer.wait(None, |producer| producer.try_acquire().ok()) {
            return buffer;
        }
    }
}

/// One try, as `wharf::PolledConsumer::try_receive` does it.
fn try_receive(consumer: &mut Consumer<Words, Words>, bell: &Bell) -> Option<Claim> {
    let claim = |consumer: &mut Consumer<Words, Words>| {
        let claim = consumer.try_claim().unwrap()?;
        consumer.disarm_after(claim.seq);
        Some(claim)
    };
    if let Some(claim) = claim(consumer) {
        return Some(claim);
    }
    if !consumer.arm()
        && let Some(claim) = claim(consumer)
    {
        return Some(claim);
    }
    bell.silence();
    if consumer.settle() {
        return None;
    }
    bell.ring();
    claim(consumer)
}

/// Whoever tries once each time the bell is rung gets every frame, with `unasked` tries besides that nobody rang for.
fn polls(preemptions: usize, frames: usize, unasked: usize, fenced: bool) {
    check_within(preemptions, move || {
        let pages = Pages::with_fences(frames, fenced);
        // No more frames can be unclaimed than the ring has slots.
        let depth = frames.min(ring::SLOT_COUNT);
        let mut producer = pages.producer(depth);
        let (mut consumer, bell) = (pages.consumer(depth), pages.consumers.clone());
        let publishing = thread::spawn(move || {
            for _ in 0..frames {
                let buffer = acquire(&mut producer);
                publish(&mut producer, buffer);
            }
        });
        let (mut received, mut unasked) = (0, unasked);
        while received < frames {
            if unasked == 0 {
                bell.wait();
            } else {
                unasked -= 1;
            }
            if let Some(claim) = try_receive(&mut consumer, &bell) {
                received += 1;
                assert_eq!(claim.seq, received as u64);
                consumer.release(claim.buffer);
            }
        }
        publishing.join().unwrap();
    });
}

#[test]
fn no_ring_is_lost_between_publishing_and_polling() {
    polls(3, 2, 0, false);
}

#[test]
fn no_ring_is_lost_by_a_consumer_that_asked_for_fences() {
    polls(3, 2, 0, true);
}

#[test]
fn no_ring_is_lost_when_somebody_looks_unasked() {
    polls(2, 3, 2, false);
    polls(2, 3, 4, false);
}

#[test]
fn consumer_that_polls_before_it_is_let_in_gets_its_first_frames() {
    check(|| {
        let pages = Pages::new(2);
        let (mut consumer, bell) = (pages.consumer(2), pages.consumers.clone());
        let receiving = thread::spawn(move || {
            for seq in 1..=2 {
                loop {
                    bell.wait();
                    if let Some(claim) = try_receive(&mut consumer, &bell) {
                        assert_eq!(claim.seq, seq);
                        break;
                    }
                }
            }
        });
        let mut producer = pages.producer(2);
        for _ in 0..2 {
            let buffer = producer.try_acquire().unwrap();
            publish(&mut producer, buffer);
        }
        receiving.join().unwrap();
    });
}

#[test]
fn end_of_the_stream_is_seen_by_who_polls() {
    check(|| {
        let pages = Pages::new(1);
        let _producer = pages.producer(1);
        let (mut consumer, bell) = (pages.consumer(1), pages.consumers.clone());
        let (status, broker) = (pages.status.clone(), pages.consumers.clone());
        let ending = thread::spawn(move || {
            StatusWriter::new(status).set_stream_state(StreamState::Ended);
            broker.ring();
        });
        while consumer.stream_state() == StreamState::Running {
            bell.wait();
            assert!(try_receive(&mut consumer, &bell).is_none());
        }
        ending.join().unwrap();
    });
}

/// One try, as `wharf::PolledProducer::try_acquire` does it.
fn try_acquire(producer: &mut Producer<Words, Words>, armed: &mut bool, bell: &Bell) -> Option<usize> {
    let disarm = |producer: &mut Producer<Words, Words>, armed: &mut bool| {
        if std::mem::take(armed) {
            producer.disarm();
            bell.ring();
        }
    };
    let mut found = producer.try_acquire().ok();
    if found.is_none() && !*armed {
        producer.arm();
        *armed = true;
        found = producer.try_acquire().ok();
    }
    if found.is_none() {
        bell.silence();
        found = producer.try_acquire().ok();
    }
    if found.is_some() {
        disarm(producer, armed);
    }
    found
}

#[test]
fn no_ring_is_lost_between_releasing_and_a_producer_that_polls() {
    producer_polls(false);
}

#[test]
fn no_ring_is_lost_by_a_producer_that_polls_and_asked_for_fences() {
    producer_polls(true);
}

fn producer_polls(fenced: bool) {
    check(move || {
        let pages = Pages::with_fences(1, fenced);
        let mut producer = pages.producer(1);
        let (mut consumer, bell) = (pages.consumer(1), pages.producers.clone());
        bell.ring();
        let receiving = thread::spawn(move || {
            let mut received = 0;
            while received < 2 {
                match consumer.try_claim().unwrap() {
                    Some(claim) => {
                        received += 1;
                        consumer.release(claim.buffer);
                    }
                    None => {
                        consumer.wait(None);
                    }
                }
            }
        });
        let mut armed = false;
        for _ in 0..2 {
            let buffer = loop {
                bell.wait();
                if let Some(buffer) = try_acquire(&mut producer, &mut armed, &bell) {
                    break buffer;
                }
            };
            publish(&mut producer, buffer);
        }
        receiving.join().unwrap();
    });
}
