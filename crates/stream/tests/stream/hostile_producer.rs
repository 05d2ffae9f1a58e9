//! What a producer that has lost its mind, or means harm, can do to a consumer: nothing but waste its time.

use proptest::prelude::*;
use wharf_memory::{Deadline, Ordering, ReadWords, WriteWords};
use wharf_stream::layout::{points, ring};
use wharf_stream::{Claim, ClaimError, Corrupt, MAX_BUFFERS, Policy, RING_PAGE_CELLS, Waiting};

use crate::support::{ConsumerOf, Heap, Kind, Place, Stream};

const BUFFERS: usize = 5;
const SLOT: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// The producer stores any word anywhere.
    Store {
        cell: usize,
        word: u64,
    },
    /// The producer makes this frame look published in this buffer, whatever was there.
    Pretend {
        seq: u64,
        buffer: usize,
    },
    /// The producer admits the consumer from this frame on, again perhaps.
    Admit {
        first: u64,
    },
    Claim,
    Release {
        index: usize,
    },
    Wait,
}

/// Numbers at which something wraps, shifts out or rewinds.
fn words() -> impl Strategy<Value = u64> {
    let near = |point: u64| (0..6_u64).prop_map(move |distance| point.wrapping_sub(3).wrapping_add(distance));
    prop_oneof![
        0..80_u64,
        near(1 << 32),
        near(1 << 56),
        near(0),
        near(1 << 63),
        any::<u64>(),
        (0..80_u64, 0..256_u64).prop_map(|(seq, buffer)| ring::word(seq, buffer)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let cells = prop_oneof![
        Just(ring::HEAD),
        Just(ring::WAITING),
        Just(ring::FENCED),
        Just(ring::ADMISSIONS + 2 * SLOT),
        (0..80_u64).prop_map(ring::slot),
        0..RING_PAGE_CELLS,
    ];
    prop_oneof![
        4 => (cells, words()).prop_map(|(cell, word)| Step::Store { cell, word }),
        4 => (words(), 0..BUFFERS + 2).prop_map(|(seq, buffer)| Step::Pretend { seq, buffer }),
        1 => words().prop_map(|first| Step::Admit { first }),
        6 => Just(Step::Claim),
        3 => (0..BUFFERS).prop_map(|index| Step::Release { index }),
        1 => Just(Step::Wait),
    ]
}

struct Victim {
    ring: <Heap as Kind>::Own,
    consumer: ConsumerOf<Heap>,
    depth: usize,
    held: Vec<Claim>,
    last_seq: u64,
}

impl Victim {
    fn new(depth: usize, policy: Policy) -> Self {
        let stream = Stream::<Heap>::new(BUFFERS);
        let Place { consumer, .. } = stream.place(SLOT, depth, policy);
        let depth = depth.clamp(1, MAX_BUFFERS);
        Self {
            ring: Heap::own(&stream.ring),
            consumer,
            depth,
            held: Vec::new(),
            last_seq: 0,
        }
    }

    fn store(&self, cell: usize, word: u64) {
        let narrow = [
            ring::WAITING,
            ring::FENCED,
            ring::POINTS + points::SLEEPERS,
            ring::POINTS + points::BELL,
        ];
        if narrow.contains(&cell) {
            self.ring.store_u32(cell, word as u32, Ordering::Release);
        } else {
            self.ring.store_u64(cell, word, Ordering::Release);
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Store { cell, word } => self.store(cell, word),
            Step::Pretend { seq, buffer } => {
                self.store(ring::slot(seq), ring::word(seq, buffer as u64));
                self.store(ring::HEAD, seq);
            }
            Step::Admit { first } => {
                self.store(ring::ADMISSIONS + 2 * SLOT, first);
                let incarnation = self.consumer.incarnation();
                self.store(ring::ADMISSIONS + 2 * SLOT + 1, incarnation);
            }
            Step::Claim => self.claim(),
            Step::Release { index } if index < self.held.len() => {
                self.consumer.release(self.held.swap_remove(index).buffer);
            }
            Step::Release { index } => self.consumer.release(index + MAX_BUFFERS),
            Step::Wait => {
                self.consumer
                    .wait(Some(Deadline::after(std::time::Duration::ZERO)));
            }
        }
    }

    fn claim(&mut self) {
        match self.consumer.try_claim() {
            Ok(None) => {}
            Ok(Some(claim)) => {
                assert!(claim.buffer < BUFFERS);
                assert!(claim.seq > self.last_seq, "frames go forward only");
                assert!(
                    self.held.iter().all(|held| held.buffer != claim.buffer),
                    "held twice"
                );
                assert_eq!(
                    self.ring.load_u64(ring::slot(claim.seq), Ordering::Acquire),
                    ring::word(claim.seq, claim.buffer as u64)
                );
                // Refused or not: it must not panic.
                let _ = self.consumer.describe(&claim, 4096);
                self.last_seq = claim.seq;
                self.held.push(claim);
                assert!(self.held.len() <= self.depth);
            }
            Err(ClaimError::HoldsTooMany { depth }) => assert_eq!(self.held.len(), depth),
            Err(ClaimError::Corrupt(Corrupt::MissingFrame { seq })) => {
                assert!(seq > self.last_seq);
                self.last_seq = seq;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn consumer_survives_any_ring_page(
        depth in prop_oneof![0..4_usize, Just(usize::MAX)],
        is_blocking in any::<bool>(),
        steps in prop::collection::vec(steps(), 1..60),
    ) {
        let policy = if is_blocking { Policy::Block } else { Policy::Latest };
        let mut victim = Victim::new(depth, policy);
        victim.run(&Step::Admit { first: 1 });
        for step in &steps {
            victim.run(step);
        }
    }
}

#[test]
fn head_at_the_end_of_numbers_costs_a_latest_consumer_no_search() {
    let mut victim = Victim::new(usize::MAX, Policy::Latest);
    victim.run(&Step::Admit { first: 1 });
    victim.store(ring::HEAD, u64::MAX);
    assert_eq!(victim.consumer.try_claim(), Ok(None));
    assert_eq!(victim.consumer.try_claim(), Ok(None));
}

#[test]
fn missing_frames_are_reported_one_by_one_and_counted() {
    let mut victim = Victim::new(2, Policy::Block);
    victim.run(&Step::Admit { first: 1 });
    victim.run(&Step::Pretend { seq: 3, buffer: 1 });
    for seq in [1, 2] {
        let missing = ClaimError::Corrupt(Corrupt::MissingFrame { seq });
        assert_eq!(victim.consumer.try_claim(), Err(missing));
    }
    let claim = victim.consumer.try_claim().unwrap().unwrap();
    assert_eq!((claim.seq, claim.buffer, claim.skipped), (3, 1, 2));
}

#[test]
fn frame_that_is_promised_and_does_not_come_is_reported_to_who_waits_for_it() {
    for waiting in [Waiting::Spin, Waiting::Sleep] {
        let mut victim = Victim::new(2, Policy::Block);
        victim.consumer.set_waiting(waiting);
        victim.run(&Step::Admit { first: 1 });
        assert_eq!(victim.consumer.try_claim(), Ok(None));
        victim.store(ring::HEAD, 1);
        victim.run(&Step::Wait);
        let missing = ClaimError::Corrupt(Corrupt::MissingFrame { seq: 1 });
        assert_eq!(victim.consumer.try_claim(), Err(missing), "{waiting:?}");
    }
}

#[test]
fn rewound_head_hides_frames_but_repeats_none() {
    let mut victim = Victim::new(3, Policy::Latest);
    victim.run(&Step::Admit { first: 1 });
    victim.run(&Step::Pretend { seq: 9, buffer: 0 });
    victim.run(&Step::Claim);
    victim.run(&Step::Pretend { seq: 9, buffer: 1 });
    victim.run(&Step::Pretend { seq: 8, buffer: 2 });
    assert_eq!(victim.consumer.try_claim(), Ok(None));
    assert_eq!(victim.held.len(), 1);
}

#[test]
fn ring_of_another_layout_is_recognised() {
    let mut victim = Victim::new(1, Policy::Block);
    assert!(!victim.consumer.layout_matches());
    victim.run(&Step::Store {
        cell: wharf_stream::layout::MAGIC_CELL,
        word: wharf_stream::layout::MAGIC,
    });
    assert!(victim.consumer.layout_matches());
}
