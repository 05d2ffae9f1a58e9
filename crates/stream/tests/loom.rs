//! Models of the hand-over, of falling asleep and of waking up, on the real code with loom's atomics.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-stream --test loom`. A torn frame fails an assertion;
//! a lost wake-up leaves a thread asleep, which loom reports as a deadlock.
#![cfg(loom)]

mod modelled;

use loom::thread;
use wharf_memory::WriteWords as _;
use wharf_stream::layout::ring;
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_stream::{Places, Policy, Producer};

use modelled::{Asking, Contents, INCARNATION, Pages, SLOT, Words, check};

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
fn both_sides_sleep(policy: Policy, frames: u64, asking: Asking) {
    check(move || {
        let pages = Pages::asking(1, asking);
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
    both_sides_sleep(Policy::Latest, 1, Asking::Nobody);
}

#[test]
fn no_wake_up_is_lost_between_releasing_and_a_blocked_producer() {
    both_sides_sleep(Policy::Block, 2, Asking::Nobody);
}

#[test]
fn no_wake_up_is_lost_by_a_consumer_that_asked_for_fences() {
    both_sides_sleep(Policy::Latest, 1, Asking::Both);
    both_sides_sleep(Policy::Latest, 1, Asking::Consumer);
}

#[test]
fn no_wake_up_is_lost_by_a_producer_that_asked_for_fences() {
    both_sides_sleep(Policy::Block, 2, Asking::Both);
    both_sides_sleep(Policy::Block, 2, Asking::Producer);
}

#[test]
fn consumer_that_joins_while_the_producer_publishes_gets_its_first_frame() {
    joins_while_the_producer_publishes(Asking::Nobody);
    joins_while_the_producer_publishes(Asking::Consumer);
}

fn joins_while_the_producer_publishes(asking: Asking) {
    check(move || {
        let pages = Pages::asking(1, asking);
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
        let mut producer = pages.producer(Policy::Block);
        let mut consumer = pages.consumer(Policy::Block);
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
