//! Moving to other buffers while frames flow: which generation a frame lies in, and when the one before is over. Contract: N5.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use wharf_memory::{Deadline, WaitOutcome};
use wharf_stream::status::{GenerationNews, Generations};
use wharf_stream::{Claim, FrameInfo, MAX_BUFFERS, Policy};

use crate::support::{
    ConsumerOf, Heap, Kind, ProducerOf, Stream, claim, on_both_kinds_of_page, publish, publish_many,
};

const COUNT: usize = 4;

fn offer(current: u64, for_producer: Option<u64>, for_consumers: Option<u64>) -> Generations {
    Generations {
        current,
        for_producer,
        for_consumers,
    }
}

/// A stream in generation 1 with a consumer.
fn moving<K: Kind>(depth: usize, policy: Policy) -> (Stream<K>, ProducerOf<K>, ConsumerOf<K>) {
    let stream = Stream::<K>::new(COUNT);
    stream.broker.set_generations(offer(1, None, None));
    let mut producer = stream.producer();
    producer.switch(1, COUNT);
    let mut consumer = stream.join(&mut producer, 0, depth, policy);
    consumer.take_news();
    (stream, producer, consumer)
}

fn each_side_is_told_what_is_offered_to_it<K: Kind>() {
    let (stream, producer, mut consumer) = moving::<K>(1, Policy::Latest);
    for (page, to_producer, to_consumer) in [
        (offer(1, Some(2), None), Some(2), None),
        (offer(1, Some(2), Some(2)), Some(2), Some(2)),
        (offer(2, None, None), None, None),
    ] {
        stream.broker.set_generations(page);
        let news = |offered| GenerationNews {
            current: page.current,
            offered,
        };
        assert_eq!(producer.news(), news(to_producer));
        assert_eq!(consumer.news(), news(to_consumer));
        let is_news = page != offer(1, Some(2), None);
        assert_eq!(consumer.take_news(), is_news.then_some(news(to_consumer)));
        assert_eq!(consumer.take_news(), None, "it is told once");
    }
}

fn consumer_does_not_sleep_on_news_it_has_not_taken<K: Kind>() {
    let (stream, _producer, mut consumer) = moving::<K>(1, Policy::Latest);
    let soon = || Some(Deadline::after(Duration::from_millis(1)));
    assert_eq!(consumer.wait(soon()), WaitOutcome::TimedOut);
    stream.broker.set_generations(offer(1, Some(2), Some(2)));
    assert_eq!(consumer.wait(None), WaitOutcome::Retry);
    consumer.take_news();
    assert_eq!(consumer.wait(soon()), WaitOutcome::TimedOut);
}

fn frame_lies_in_the_generation_its_buffer_was_acquired_in<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(3, Policy::Block);
    let early = producer.try_acquire().unwrap();
    producer.switch(2, COUNT);
    let late = producer.try_acquire().unwrap();
    assert_eq!(producer.generation_in_hand(early), Some(1));
    assert_eq!(producer.generation_in_hand(late), Some(2));
    assert_eq!(
        (producer.generation_in_hand(3), producer.generation_in_hand(99)),
        (None, None)
    );
    for buffer in [late, early] {
        // What the caller says of it does not count.
        let info = FrameInfo {
            generation: 77,
            ..FrameInfo::default()
        };
        producer.publish(buffer, &info).unwrap();
    }
    for (buffer, generation) in [(late, 2), (early, 1)] {
        let claim = claim(&mut consumer);
        assert_eq!((claim.buffer, consumer.generation(&claim)), (buffer, generation));
        assert_eq!(consumer.describe(&claim, 1).unwrap().0.generation, generation);
    }
}

fn generation_is_over_when_nothing_of_it_is_in_hand_and_the_consumer_has_come_that_far<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(3, Policy::Block);
    assert_eq!(
        consumer.oldest_generation(),
        None,
        "it does not know yet where it begins"
    );
    publish(&mut producer);
    let early = producer.try_acquire().unwrap();
    producer.switch(2, COUNT);
    let claimed = claim(&mut consumer);
    consumer.release(claimed.buffer);
    assert_eq!(consumer.oldest_generation(), Some(1), "a frame is in hand");
    producer.publish(early, &FrameInfo::default()).unwrap();
    assert_eq!(consumer.oldest_generation(), None, "a frame is not claimed");
    let claimed = claim(&mut consumer);
    consumer.release(claimed.buffer);
    assert_eq!(consumer.oldest_generation(), Some(2));
    let given_up = producer.try_acquire().unwrap();
    producer.switch(3, COUNT);
    assert_eq!(consumer.oldest_generation(), Some(2));
    producer.abandon(given_up);
    assert_eq!(consumer.oldest_generation(), Some(3));
}

/// Else one that goes along and claims nothing would make the producer keep the memory of every generation.
fn frames_that_a_latest_consumer_will_not_claim_any_more_keep_no_buffers<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(2, Policy::Latest);
    publish_many(&mut producer, COUNT);
    producer.switch(2, 3);
    assert_eq!(producer.oldest_in_use(), 1, "it may claim the newest two");
    publish_many(&mut producer, COUNT);
    assert_eq!(producer.oldest_in_use(), 2);
    let claim = claim(&mut consumer);
    assert_eq!(consumer.generation(&claim), 2);
}

fn frame_beyond_the_buffers_that_is_held_keeps_them<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(1, Policy::Latest);
    publish_many(&mut producer, COUNT);
    let last = claim(&mut consumer);
    producer.switch(2, 2);
    publish_many(&mut producer, COUNT);
    assert_eq!((last.buffer, producer.oldest_in_use()), (3, 1));
    consumer.release(last.buffer);
    assert_eq!(producer.oldest_in_use(), 2);
}

fn old_buffers_are_in_use_until_their_last_frame_is_given_back<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(2, Policy::Block);
    publish(&mut producer);
    producer.switch(2, COUNT);
    publish(&mut producer);
    assert_eq!(producer.oldest_in_use(), 1, "not claimed");
    let held = claim(&mut consumer);
    assert_eq!(producer.oldest_in_use(), 1, "held");
    consumer.release(held.buffer);
    assert_eq!(producer.oldest_in_use(), 2);
}

fn fewer_buffers_are_acquired_and_the_frames_beyond_them_are_received<K: Kind>() {
    let (_stream, mut producer, mut consumer) = moving::<K>(4, Policy::Block);
    let all: Vec<_> = (0..COUNT).map(|_| producer.try_acquire().unwrap()).collect();
    for buffer in &all[..3] {
        producer.publish(*buffer, &FrameInfo::default()).unwrap();
    }
    producer.abandon(all[3]);
    producer.switch(2, 1);
    // It has three frames and may have one more: only the first index is left for it, and it has that.
    assert!(producer.try_acquire().is_err());
    for buffer in &all[..3] {
        let claim = claim(&mut consumer);
        assert_eq!((claim.buffer, consumer.generation(&claim)), (*buffer, 1));
        consumer.release(claim.buffer);
    }
    for _ in 0..5 {
        assert_eq!(publish(&mut producer), 0);
        let claim = claim(&mut consumer);
        assert_eq!(consumer.generation(&claim), 2);
        consumer.release(claim.buffer);
    }
    producer.switch(3, MAX_BUFFERS + 9);
    let in_hand: Vec<_> = std::iter::from_fn(|| producer.try_acquire().ok()).collect();
    assert_eq!(in_hand.len(), COUNT, "as many as the consumer may have");
}

fn indices_grow_up_to_the_limit<K: Kind>() {
    let stream = Stream::<K>::new(1);
    let mut producer = stream.producer();
    producer.switch(1, MAX_BUFFERS + 9);
    let mut in_hand: Vec<_> = std::iter::from_fn(|| producer.try_acquire().ok()).collect();
    in_hand.sort_unstable();
    assert_eq!(in_hand, (0..MAX_BUFFERS).collect::<Vec<_>>());
}

on_both_kinds_of_page! {
    each_side_is_told_what_is_offered_to_it,
    consumer_does_not_sleep_on_news_it_has_not_taken,
    frame_lies_in_the_generation_its_buffer_was_acquired_in,
    generation_is_over_when_nothing_of_it_is_in_hand_and_the_consumer_has_come_that_far,
    old_buffers_are_in_use_until_their_last_frame_is_given_back,
    frames_that_a_latest_consumer_will_not_claim_any_more_keep_no_buffers,
    frame_beyond_the_buffers_that_is_held_keeps_them,
    fewer_buffers_are_acquired_and_the_frames_beyond_them_are_received,
    indices_grow_up_to_the_limit,
}

#[derive(Debug, Clone)]
enum Step {
    Switch(usize),
    Acquire,
    Publish,
    Abandon,
    Claim(usize),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1_usize..7).prop_map(Step::Switch),
        6 => Just(Step::Acquire),
        5 => Just(Step::Publish),
        1 => Just(Step::Abandon),
        6 => (0_usize..2).prop_map(Step::Claim),
        5 => (0_usize..2).prop_map(Step::Release),
    ]
}

/// A consumer, what it holds, and the oldest generation it was told can come.
struct Follower {
    consumer: ConsumerOf<Heap>,
    held: VecDeque<(Claim, u64)>,
    oldest: u64,
    last: u64,
}

/// The memory of all generations: which frame lies where.
#[derive(Default)]
struct Memory {
    frames: BTreeMap<(u64, usize), u64>,
    counts: BTreeMap<u64, usize>,
}

impl Memory {
    fn check(&self, claim: &Claim, generation: u64) {
        assert!(claim.buffer < self.counts[&generation], "no such buffer");
        assert_eq!(self.frames[&(generation, claim.buffer)], claim.seq, "torn");
    }
}

fn play(steps: &[Step]) {
    let stream = Stream::<Heap>::new(MAX_BUFFERS);
    let mut producer = stream.producer();
    let mut memory = Memory::default();
    producer.switch(1, COUNT);
    memory.counts.insert(1, COUNT);
    let mut followers = [Policy::Block, Policy::Latest].map(|policy| Follower {
        consumer: stream.join(&mut producer, policy as usize, 2, policy),
        held: VecDeque::new(),
        oldest: 0,
        last: 0,
    });
    let mut in_hand = VecDeque::new();
    for step in steps {
        match step {
            Step::Switch(count) => {
                let generation = producer.generation() + 1;
                memory.counts.insert(generation, *count);
                producer.switch(generation, *count);
            }
            Step::Acquire => in_hand.extend(producer.try_acquire().ok()),
            Step::Publish => {
                if let Some(buffer) = in_hand.pop_front() {
                    let generation = producer.generation_in_hand(buffer).unwrap();
                    memory.frames.insert((generation, buffer), producer.head() + 1);
                    producer.publish(buffer, &FrameInfo::default()).unwrap();
                }
            }
            Step::Abandon => in_hand
                .pop_back()
                .into_iter()
                .for_each(|buffer| producer.abandon(buffer)),
            Step::Claim(which) => followers[*which].claim(&memory),
            Step::Release(which) => followers[*which].release(&memory),
        }
        let oldest = producer.oldest_in_use();
        let mut held = followers.iter().flat_map(|follower| &follower.held);
        assert!(held.all(|(_, generation)| *generation >= oldest), "it is held");
    }
    // Nothing is in the way of the rest.
    in_hand.into_iter().for_each(|buffer| producer.abandon(buffer));
    let [every, _] = &mut followers;
    while every.last < producer.head() {
        every.release(&memory);
        every.claim(&memory);
    }
}

impl Follower {
    fn claim(&mut self, memory: &Memory) {
        if let Some(oldest) = self.consumer.oldest_generation() {
            assert!(oldest >= self.oldest, "it was over before");
            self.oldest = oldest;
        }
        if let Ok(Some(claim)) = self.consumer.try_claim() {
            let generation = self.consumer.generation(&claim);
            assert!(generation >= self.oldest, "a frame in a generation that is over");
            assert_eq!(claim.seq, self.last + 1 + claim.skipped);
            self.last = claim.seq;
            memory.check(&claim, generation);
            self.held.push_back((claim, generation));
        }
    }

    fn release(&mut self, memory: &Memory) {
        if let Some((claim, generation)) = self.held.pop_front() {
            memory.check(&claim, generation);
            self.consumer.release(claim.buffer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_moves_when_frames_stay_whole_in_order_and_where_they_are_said_to_be(
        steps in prop::collection::vec(step(), 0..300),
    ) {
        play(&steps);
    }
}
