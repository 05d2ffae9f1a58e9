//! Models of the hand-over, of falling asleep and of waking up, on the real code with loom's atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom`. A torn frame fails an assertion;
//! a lost wake-up leaves a thread asleep, which loom reports as a deadlock.
#![cfg(loom)]

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;
use wharf_memory::{HeapWords, TrackedCell, WriteWords as _};
use wharf_stream::layout::{consumer, ring, status};
use wharf_stream::status::{Generations, SlotState, StatusWriter, StreamState};
use wharf_stream::{Claim, Consumer, Member, Places, Policy, Producer};

const SLOT: usize = 0;
const INCARNATION: u64 = 7;

type Words = Arc<HeapWords>;

/// The pages of a stream of `buffers` buffers, one consumer and three frames at most.
struct Pages {
    ring: Words,
    consumer: Words,
    status: Words,
    buffers: usize,
}

impl Pages {
    fn new(buffers: usize) -> Self {
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
            ring: words(slots.chain(generations).chain(fixed), [ring::WAITING]),
            consumer: words(
                holds.chain([consumer::CURSOR]),
                [consumer::RELEASES, consumer::LEFT, consumer::WAITING],
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
        };
        // The broker records a consumer before either side hears of the other.
        StatusWriter::new(pages.status.clone()).set_slot(SLOT, INCARNATION, SlotState::Live);
        pages
    }

    fn producer(&self, policy: Policy) -> Producer<Words, Words> {
        let mut producer = Producer::new(self.ring.clone(), self.status.clone(), self.buffers);
        producer.take_status_change();
        producer.admit(Member::new(SLOT, INCARNATION, 1, policy, self.consumer.clone()));
        producer
    }

    fn consumer(&self, policy: Policy) -> Consumer<Words, Words> {
        let pages = (self.ring.clone(), self.status.clone());
        Consumer::new(
            self.consumer.clone(),
            pages,
            (SLOT, INCARNATION),
            self.buffers,
            (1, policy),
        )
    }
}

fn words(wide: impl IntoIterator<Item = usize>, narrow: impl IntoIterator<Item = usize>) -> Words {
    Arc::new(HeapWords::new(wide, narrow))
}

/// One word per buffer stands for a frame's contents; a whole frame holds its own sequence number. The cell beside it lets loom
/// check that reads and refills are ordered, not only that they happened to agree.
#[derive(Clone)]
struct Contents(Arc<Vec<(TrackedCell, AtomicU64)>>);

impl Contents {
    fn new(buffers: usize) -> Self {
        Self(Arc::new((0..buffers).map(|_| Default::default()).collect()))
    }

    fn fill(&self, buffer: usize, seq: u64) {
        let (accesses, value) = &self.0[buffer];
        accesses.write();
        value.store(seq, Ordering::Relaxed);
    }

    fn assert_whole(&self, claim: &Claim) {
        let (accesses, value) = &self.0[claim.buffer];
        accesses.read();
        assert_eq!(value.load(Ordering::Relaxed), claim.seq, "torn frame");
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// The frame's slot says its number once more, so that a slot copied while it is written shows.
fn publish(producer: &mut Producer<Words, Words>, contents: &Contents, buffer: usize) {
    let seq = producer.head() + 1;
    contents.fill(buffer, seq);
    let describe = |ring: &Words, places: Places| {
        ring.store_u64(
            places.slot + ring::GENERATION,
            seq,
            wharf_memory::Ordering::Relaxed,
        );
    };
    assert!(producer.publish_with(buffer, describe).is_some());
}

/// The producer refills its only buffer as soon as it may while the consumer reads.
fn refill_against_claims(policy: Policy) {
    check(move || {
        let pages = Pages::new(1);
        let contents = Contents::new(1);
        let mut producer = pages.producer(policy);
        let mut consumer = pages.consumer(policy);
        let seen = contents.clone();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                if let Ok(Some(claim)) = consumer.try_claim() {
                    assert_eq!(consumer.generation(&claim), claim.seq, "torn description");
                    seen.assert_whole(&claim);
                    seen.assert_whole(&claim);
                    consumer.release(claim.buffer);
                }
            }
        });
        for _ in 0..3 {
            if let Ok(buffer) = producer.try_acquire() {
                publish(&mut producer, &contents, buffer);
            }
        }
        reader.join().unwrap();
    });
}

#[test]
fn frame_taken_back_from_a_latest_consumer_is_never_read() {
    refill_against_claims(Policy::Latest);
}

#[test]
fn frame_owed_to_a_blocking_consumer_is_never_refilled() {
    refill_against_claims(Policy::Block);
}

/// A consumer that sleeps whenever there is nothing gets every frame of a producer that sleeps whenever it is blocked.
fn both_sides_sleep(policy: Policy, frames: u64) {
    check(move || {
        let pages = Pages::new(1);
        let contents = Contents::new(1);
        let mut producer = pages.producer(policy);
        let mut consumer = pages.consumer(policy);
        let seen = contents.clone();
        let reader = thread::spawn(move || {
            let mut last = 0;
            while last < frames {
                match consumer.try_claim().unwrap() {
                    Some(claim) => {
                        seen.assert_whole(&claim);
                        last = claim.seq;
                        consumer.release(claim.buffer);
                    }
                    None => {
                        consumer.wait(None);
                    }
                }
            }
        });
        for _ in 0..frames {
            let buffer = loop {
                if let Ok(buffer) = producer.try_acquire() {
                    break buffer;
                }
                if let (Some(buffer), _) = producer.wait(None, |producer| producer.try_acquire().ok()) {
                    break buffer;
                }
            };
            publish(&mut producer, &contents, buffer);
        }
        reader.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_between_publishing_and_falling_asleep() {
    both_sides_sleep(Policy::Latest, 1);
}

#[test]
fn no_wake_up_is_lost_between_releasing_and_a_blocked_producer() {
    both_sides_sleep(Policy::Block, 2);
}

#[test]
fn consumer_that_joins_while_the_producer_publishes_gets_its_first_frame() {
    check(|| {
        let pages = Pages::new(1);
        let contents = Contents::new(1);
        let mut consumer = pages.consumer(Policy::Block);
        let seen = contents.clone();
        let reader = thread::spawn(move || {
            loop {
                match consumer.try_claim().unwrap() {
                    Some(claim) => break seen.assert_whole(&claim),
                    None => {
                        consumer.wait(None);
                    }
                }
            }
        });
        let mut producer = pages.producer(Policy::Block);
        let buffer = producer.try_acquire().unwrap();
        publish(&mut producer, &contents, buffer);
        reader.join().unwrap();
    });
}

#[test]
fn sleeping_consumer_learns_of_the_end() {
    check(|| {
        let pages = Pages::new(1);
        let _producer = pages.producer(Policy::Latest);
        let mut consumer = pages.consumer(Policy::Latest);
        let broker = StatusWriter::new(pages.status.clone());
        let ending = thread::spawn(move || broker.set_stream_state(StreamState::ProducerDied));
        while consumer.stream_state() == StreamState::Running {
            consumer.wait(None);
        }
        ending.join().unwrap();
    });
}

#[test]
fn blocked_producer_learns_that_its_consumer_died() {
    check(|| {
        let pages = Pages::new(1);
        let contents = Contents::new(1);
        let mut producer = pages.producer(Policy::Block);
        let buffer = producer.try_acquire().unwrap();
        publish(&mut producer, &contents, buffer);
        let broker = StatusWriter::new(pages.status.clone());
        let death = thread::spawn(move || broker.set_slot(SLOT, INCARNATION, SlotState::Gone));
        let acquire = |producer: &mut Producer<Words, Words>| {
            if producer.take_status_change() {
                producer.drop_departed();
            }
            producer.try_acquire().ok()
        };
        while acquire(&mut producer).is_none() {
            if producer.wait(None, acquire).0.is_some() {
                break;
            }
        }
        assert!(producer.members().is_empty());
        death.join().unwrap();
    });
}

#[test]
fn blocked_producer_learns_that_its_consumer_left() {
    check(|| {
        let pages = Pages::new(1);
        let contents = Contents::new(1);
        let mut producer = pages.producer(Policy::Block);
        let buffer = producer.try_acquire().unwrap();
        publish(&mut producer, &contents, buffer);
        let (page, ring) = (pages.consumer.clone(), pages.ring.clone());
        let leaving = thread::spawn(move || wharf_stream::leave(&page, &ring, None));
        loop {
            producer.drop_departed();
            if producer.try_acquire().is_ok() {
                break;
            }
            // As its users do: departures are looked for outside.
            if producer
                .wait(None, |producer| producer.try_acquire().ok())
                .0
                .is_some()
            {
                break;
            }
        }
        assert!(producer.members().is_empty());
        leaving.join().unwrap();
    });
}

#[test]
fn frame_released_by_another_thread_wakes_a_blocked_producer() {
    check(|| {
        let pages = Pages::new(2);
        let contents = Contents::new(2);
        let mut producer = Producer::new(pages.ring.clone(), pages.status.clone(), 2);
        producer.take_status_change();
        producer.admit(Member::new(
            SLOT,
            INCARNATION,
            2,
            Policy::Block,
            pages.consumer.clone(),
        ));
        let mut consumer = Consumer::new(
            pages.consumer.clone(),
            (pages.ring.clone(), pages.status.clone()),
            (SLOT, INCARNATION),
            2,
            (2, Policy::Block),
        );
        for _ in 0..2 {
            let buffer = producer.try_acquire().unwrap();
            publish(&mut producer, &contents, buffer);
        }
        let releasing = [(); 2].map(|()| {
            let claim = consumer.try_claim().unwrap().unwrap();
            let (page, ring, seen) = (pages.consumer.clone(), pages.ring.clone(), contents.clone());
            thread::spawn(move || {
                seen.assert_whole(&claim);
                wharf_stream::release(&page, &ring, None, claim.buffer);
            })
        });
        let acquired = loop {
            if let Ok(buffer) = producer.try_acquire() {
                break buffer;
            }
            if let (Some(buffer), _) = producer.wait(None, |producer| producer.try_acquire().ok()) {
                break buffer;
            }
        };
        publish(&mut producer, &contents, acquired);
        for thread in releasing {
            thread.join().unwrap();
        }
    });
}

/// Moves a stream from generation 1 to 2 while frames flow. Each generation has memory of its own.
struct Moving {
    pages: Pages,
    contents: [Contents; 2],
}

const BUFFERS: usize = 2;

impl Moving {
    /// The second generation is offered from the start.
    fn new() -> Self {
        let pages = Pages::new(BUFFERS);
        StatusWriter::new(pages.status.clone()).set_generations(Generations {
            current: 1,
            for_producer: Some(2),
            for_consumers: Some(2),
        });
        Self {
            pages,
            contents: [Contents::new(BUFFERS), Contents::new(BUFFERS)],
        }
    }

    fn producer(&self) -> Producer<Words, Words> {
        let mut producer = Producer::new(self.pages.ring.clone(), self.pages.status.clone(), BUFFERS);
        producer.switch(1, BUFFERS);
        producer.take_status_change();
        let page = self.pages.consumer.clone();
        producer.admit(Member::new(SLOT, INCARNATION, BUFFERS, Policy::Latest, page));
        producer
    }

    fn follower(&self) -> Follower {
        let pages = (self.pages.ring.clone(), self.pages.status.clone());
        let page = self.pages.consumer.clone();
        Follower {
            consumer: Consumer::new(
                page,
                pages,
                (SLOT, INCARNATION),
                BUFFERS,
                (BUFFERS, Policy::Latest),
            ),
            broker: StatusWriter::new(self.pages.status.clone()),
            contents: self.contents.clone(),
            has: vec![1],
            last: 0,
        }
    }
}

/// The broker's word that everybody is ready.
fn commit(broker: &StatusWriter<Words>) {
    broker.set_generations(Generations {
        current: 2,
        for_producer: None,
        for_consumers: None,
    });
}

/// A consumer that takes what it is offered and lets go of what it is told is over.
struct Follower {
    consumer: Consumer<Words, Words>,
    broker: StatusWriter<Words>,
    contents: [Contents; 2],
    /// The generations it has mapped.
    has: Vec<u64>,
    last: u64,
}

impl Follower {
    fn follow(&mut self) {
        let offered = self.consumer.take_news().and_then(|news| news.offered);
        if offered == Some(2) && !self.has.contains(&2) {
            self.has.push(2);
            // The last to be ready: the broker commits.
            commit(&self.broker);
        }
        if let Some(oldest) = self.consumer.oldest_generation() {
            self.has.retain(|generation| *generation >= oldest);
        }
    }

    fn receive(&mut self) {
        self.follow();
        if let Ok(Some(claim)) = self.consumer.try_claim() {
            let generation = self.consumer.generation(&claim);
            assert!(
                self.has.contains(&generation),
                "a frame in a generation it has not"
            );
            assert!(claim.seq > self.last, "out of order");
            self.last = claim.seq;
            self.contents[usize::try_from(generation).unwrap() - 1].assert_whole(&claim);
            self.consumer.release(claim.buffer);
        }
    }
}

fn fill_and_publish(producer: &mut Producer<Words, Words>, contents: &[Contents; 2], buffer: usize) {
    let generation = producer.generation_in_hand(buffer).unwrap();
    contents[usize::try_from(generation).unwrap() - 1].fill(buffer, producer.head() + 1);
    let published = producer.publish_with(buffer, |ring, places| {
        let cell = places.slot + ring::GENERATION;
        ring.store_u64(cell, generation, wharf_memory::Ordering::Relaxed);
    });
    assert!(published.is_some());
}

fn switch_if_committed(producer: &mut Producer<Words, Words>) {
    if producer.generation() == 1 && producer.news().current == 2 {
        producer.switch(2, BUFFERS);
    }
}

/// A producer with a buffer in hand across the switch; `tamper` may write into its ring before it publishes that one.
fn move_under_frames(receipts: usize, tamper: fn(&Words, u64)) {
    check(move || {
        let moving = Moving::new();
        let (contents, mut follower) = (moving.contents.clone(), moving.follower());
        let mut producer = moving.producer();
        let reader = thread::spawn(move || (0..receipts).for_each(|_| follower.receive()));
        let in_hand = producer.try_acquire().unwrap();
        switch_if_committed(&mut producer);
        tamper(&moving.pages.ring, producer.head());
        fill_and_publish(&mut producer, &contents, in_hand);
        switch_if_committed(&mut producer);
        for _ in 0..2 {
            if let Ok(buffer) = producer.try_acquire() {
                fill_and_publish(&mut producer, &contents, buffer);
            }
        }
        reader.join().unwrap();
    });
}

#[test]
fn no_frame_lies_in_a_generation_its_consumer_has_not_yet_or_not_any_more() {
    move_under_frames(3, |_, _| ());
}

#[test]
#[should_panic(expected = "a frame in a generation it has not")]
fn generation_said_to_be_over_too_early_is_noticed_by_the_model() {
    move_under_frames(3, |ring, head| {
        ring.store_u64(ring::OLDEST_FROM, head + 1, wharf_memory::Ordering::Relaxed);
        ring.store_u64(ring::OLDEST, 2, wharf_memory::Ordering::Release);
    });
}

#[test]
#[should_panic(expected = "a frame in a generation it has not")]
fn generation_put_into_use_before_its_consumer_is_ready_is_noticed_by_the_model() {
    check(|| {
        let moving = Moving::new();
        let (contents, mut follower) = (moving.contents.clone(), moving.follower());
        let mut producer = moving.producer();
        let broker = StatusWriter::new(moving.pages.status.clone());
        let reader = thread::spawn(move || (0..2).for_each(|_| follower.receive()));
        commit(&broker);
        switch_if_committed(&mut producer);
        let buffer = producer.try_acquire().unwrap();
        fill_and_publish(&mut producer, &contents, buffer);
        reader.join().unwrap();
    });
}

/// A consumer that sleeps does its part, and a producer that sleeps because it is blocked learns that all have done theirs.
#[test]
fn both_sides_asleep_learn_of_the_move() {
    check(|| {
        let pages = Pages::new(1);
        let broker = StatusWriter::new(pages.status.clone());
        let mut consumer = pages.consumer(Policy::Latest);
        consumer.take_news();
        let mut producer = pages.producer(Policy::Latest);
        producer.switch(1, 1);
        let reader = thread::spawn(move || {
            while consumer.take_news().and_then(|news| news.offered) != Some(2) {
                consumer.wait(None);
            }
            let broker = StatusWriter::new(pages.status.clone());
            commit(&broker);
        });
        let offer = Generations {
            current: 1,
            for_producer: None,
            for_consumers: Some(2),
        };
        broker.set_generations(offer);
        while producer.news().current != 2 {
            producer.take_status_change();
            if producer.news().current != 2 {
                producer.wait(None, |_| None::<()>);
            }
        }
        reader.join().unwrap();
    });
}
