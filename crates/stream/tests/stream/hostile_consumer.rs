//! What a consumer that means harm can do to the producer and to other consumers by what it writes into its page.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use wharf_memory::{Deadline, Ordering, WriteWords};
use wharf_stream::layout::consumer;
use wharf_stream::{Claim, Departure, FrameInfo, MAX_BUFFERS, Policy, leave};

use crate::support::{
    ConsumerOf, Heap, Kind, Mapped, NARROW, Place, ProducerOf, Stream, claim, frame_in, publish,
};

#[derive(Debug, Clone)]
enum Step {
    /// The hostile consumer stores any word anywhere.
    Store {
        cell: usize,
        word: u64,
    },
    /// It claims to hold whatever frame is in each of these buffers, one bit each.
    HoldWhatIsThere {
        buffers: u8,
    },
    Publish,
    AcquireAndAbandon,
    DropDeparted,
    Wait,
    /// An honest consumer claims a frame.
    Claim,
    /// An honest consumer releases its oldest one.
    Release,
}

fn words() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..20_u64,
        (0..5_u64).prop_map(|below| u64::MAX - below),
        (0..5_u64).prop_map(|below| (1 << 56) - below),
        any::<u64>(),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let cells = prop_oneof![
        Just(consumer::CURSOR),
        Just(consumer::RELEASES),
        Just(consumer::WAITING),
        Just(consumer::FENCED),
        consumer::HOLDS..consumer::HOLDS + MAX_BUFFERS,
    ];
    prop_oneof![
        4 => (cells, words()).prop_map(|(cell, word)| Step::Store { cell, word }),
        2 => any::<u8>().prop_map(|buffers| Step::HoldWhatIsThere { buffers }),
        6 => Just(Step::Publish),
        1 => Just(Step::AcquireAndAbandon),
        1 => Just(Step::DropDeparted),
        1 => Just(Step::Wait),
        3 => Just(Step::Claim),
        3 => Just(Step::Release),
    ]
}

struct Scene {
    ring: <Heap as Kind>::Other,
    hostile: <Heap as Kind>::Own,
    producer: ProducerOf<Heap>,
    honest: ConsumerOf<Heap>,
    held: Vec<Claim>,
    last_seq: u64,
}

/// Depth of the honest consumer, which takes the newest frames.
const HONEST_DEPTH: usize = 2;

impl Scene {
    /// As many buffers as the broker would insist on for these consumers.
    fn new(hostile_depth: usize) -> Self {
        let stream = Stream::<Heap>::new(hostile_depth + HONEST_DEPTH + 1);
        let mut producer = stream.producer();
        let Place { page, member, .. } = stream.place(1, hostile_depth, Policy::Latest);
        producer.admit(member);
        let honest = stream.join(&mut producer, 0, HONEST_DEPTH, Policy::Latest);
        producer.take_status_change();
        Self {
            ring: Heap::other(&stream.ring),
            hostile: Heap::own(&page),
            producer,
            honest,
            held: Vec::new(),
            last_seq: 0,
        }
    }

    fn store(&self, cell: usize, word: u64) {
        if NARROW.contains(&cell) {
            self.hostile.store_u32(cell, word as u32, Ordering::Release);
        } else {
            self.hostile.store_u64(cell, word, Ordering::Release);
        }
    }

    /// Acquires a buffer, which no consumer may prevent.
    fn acquire(&mut self) -> usize {
        let buffer = self.producer.try_acquire().unwrap();
        assert!(
            self.held.iter().all(|claim| claim.buffer != buffer),
            "an honest consumer reads it"
        );
        buffer
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Store { cell, word } => self.store(cell, word),
            Step::HoldWhatIsThere { buffers } => {
                for buffer in (0..8).filter(|buffer| buffers & 1 << buffer != 0) {
                    let seq = frame_in(&self.ring, buffer);
                    self.store(consumer::HOLDS + buffer, seq);
                }
            }
            Step::Publish => {
                let buffer = self.acquire();
                self.producer.publish(buffer, &FrameInfo::default()).unwrap();
            }
            Step::AcquireAndAbandon => {
                let buffer = self.acquire();
                self.producer.abandon(buffer);
            }
            Step::DropDeparted => {
                for (member, departure) in self.producer.drop_departed() {
                    assert_eq!((member.slot(), departure), (1, Departure::Misbehaved));
                }
            }
            Step::Wait => {
                let deadline = Deadline::after(Duration::ZERO);
                let found = self
                    .producer
                    .wait(Some(deadline), |producer| producer.try_acquire().ok());
                self.producer.abandon(found.0.unwrap());
            }
            Step::Claim if self.held.len() < HONEST_DEPTH => {
                if let Some(claim) = self.honest.try_claim().unwrap() {
                    assert!(claim.seq > self.last_seq);
                    self.last_seq = claim.seq;
                    self.held.push(claim);
                }
            }
            Step::Release if !self.held.is_empty() => self.honest.release(self.held.remove(0).buffer),
            Step::Claim | Step::Release => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn producer_goes_on_and_honest_consumers_are_safe_whatever_one_writes(
        hostile_depth in 1..4_usize,
        steps in prop::collection::vec(steps(), 1..80),
    ) {
        let mut scene = Scene::new(hostile_depth);
        for step in &steps {
            scene.run(step);
        }
    }
}

/// Has a consumer of depth 2 claim that it holds the newest `count` frames of a stream of five.
fn claim_to_hold(count: usize) -> (ProducerOf<Heap>, <Heap as Kind>::Own) {
    let stream = Stream::<Heap>::new(5);
    let mut producer = stream.producer();
    let Place { page, member, .. } = stream.place(0, 2, Policy::Latest);
    producer.admit(member);
    let hostile = Heap::own(&page);
    let used = [(); 5].map(|()| publish(&mut producer));
    for (index, buffer) in used.into_iter().enumerate().skip(5 - count) {
        hostile.store_u64(consumer::HOLDS + buffer, index as u64 + 1, Ordering::Release);
    }
    (producer, hostile)
}

#[test]
fn consumer_that_holds_more_than_its_depth_is_cut_off_when_it_is_in_the_way() {
    let (mut producer, _page) = claim_to_hold(5);
    assert!(producer.try_acquire().is_ok());
    assert!(producer.members().is_empty());
    let departed = producer.drop_departed();
    let [(member, Departure::Misbehaved)] = departed.as_slice() else {
        panic!("{departed:?}")
    };
    assert_eq!((member.slot(), member.incarnation()), (0, 1));
    assert!(producer.drop_departed().is_empty());
}

#[test]
fn consumer_that_holds_its_depth_is_left_alone() {
    let (mut producer, _page) = claim_to_hold(2);
    let acquired = [(); 3].map(|()| producer.try_acquire());
    assert!(acquired.iter().all(Result::is_ok));
    let blocked = producer.try_acquire().unwrap_err();
    assert_eq!(blocked.by.iter().map(|blocker| blocker.frames).sum::<usize>(), 2);
    assert_eq!(producer.members().len(), 1);
}

#[test]
fn hold_on_a_frame_that_is_not_there_counts_for_nothing() {
    let (mut producer, page) = claim_to_hold(0);
    for buffer in 0..MAX_BUFFERS {
        page.store_u64(consumer::HOLDS + buffer, 77, Ordering::Release);
    }
    assert!([(); 5].iter().all(|()| producer.try_acquire().is_ok()));
    assert_eq!(producer.members().len(), 1);
}

#[test]
fn rewound_cursor_of_a_blocking_consumer_stops_its_producer_and_names_it() {
    let stream = Stream::<Heap>::new(4);
    let mut producer = stream.producer();
    let mut place = stream.place(0, 3, Policy::Block);
    producer.admit(place.member);
    for _ in 0..3 {
        publish(&mut producer);
        let claim = claim(&mut place.consumer);
        place.consumer.release(claim.buffer);
    }
    publish(&mut producer);
    let page = Heap::own(&place.page);
    page.store_u64(consumer::CURSOR, 0, Ordering::Release);
    let mut acquired = 0;
    let blocked = loop {
        match producer.try_acquire() {
            Ok(_) => acquired += 1,
            Err(blocked) => break blocked,
        }
    };
    assert!(acquired <= 3);
    assert!(blocked.by.iter().all(|blocker| blocker.slot == 0));
    leave(&page, &Heap::other(&stream.ring), None);
    assert_eq!(producer.drop_departed().len(), 1);
}

/// The page is rewritten all the time, so that no two looks at it agree.
#[test]
fn restless_consumer_does_not_bring_the_producer_to_a_halt() {
    const FRAMES: usize = 500;
    let stream = Stream::<Mapped>::new(4);
    let mut producer = stream.producer();
    let mut honest = stream.join(&mut producer, 0, 2, Policy::Latest);
    let Place { page, member, .. } = stream.place(1, 1, Policy::Latest);
    producer.admit(member);
    let (hostile, ring) = (Mapped::own(&page), Mapped::other(&stream.ring));
    let is_over = AtomicBool::new(false);
    let patience = Deadline::after(Duration::from_secs(60));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_usize.. {
                for buffer in 0..4 {
                    let seq = frame_in(&ring, buffer);
                    let word = if (round + buffer) % 7 == 0 { 0 } else { seq };
                    hostile.store_u64(consumer::HOLDS + buffer, word, Ordering::Release);
                }
                if is_over.load(Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..FRAMES {
            let buffer = loop {
                match producer.try_acquire() {
                    Ok(buffer) => break Some(buffer),
                    Err(_) if patience.has_passed() => break None,
                    Err(_) => std::hint::spin_loop(),
                }
            };
            let Some(buffer) = buffer else { break };
            producer.publish(buffer, &FrameInfo::default()).unwrap();
            let claim = claim(&mut honest);
            honest.release(claim.buffer);
        }
        is_over.store(true, Relaxed);
    });
    assert_eq!(producer.head(), FRAMES as u64);
}
