//! Models of streams that move to other memory while frames flow, on the real code with loom's atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom_moving`. A frame in memory that its reader
//! has not fails an assertion; a lost wake-up leaves a thread asleep, which loom reports as a deadlock.
#![cfg(loom)]

mod modelled;

use loom::thread;
use wharf_memory::WriteWords as _;
use wharf_stream::layout::ring;
use wharf_stream::status::{Generations, StatusWriter};
use wharf_stream::{Consumer, Policy, Producer};

use modelled::{Contents, Pages, Words, check};

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
        let mut producer = self.pages.producer(Policy::Latest);
        producer.switch(1, BUFFERS);
        producer
    }

    fn follower(&self) -> Follower {
        Follower {
            consumer: self.pages.consumer(Policy::Latest),
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
