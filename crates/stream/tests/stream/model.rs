//! Random operations against a model that knows who has what.

mod reference;

use std::collections::BTreeMap;

use proptest::prelude::*;
use wharf_stream::{Claim, ClaimError, Departure, FrameInfo, Policy, leave};

use crate::support::{ConsumerOf, Heap, Kind, ProducerOf, Stream};
use reference::{Model, Presence, Terms};

#[derive(Debug, Clone)]
enum Operation {
    Acquire,
    /// Publishes, or abandons, one of the buffers in hand.
    Publish {
        index: usize,
    },
    Abandon {
        index: usize,
    },
    Join {
        slot: usize,
        depth: usize,
        policy: Policy,
    },
    Claim {
        index: usize,
    },
    Release {
        index: usize,
        held: usize,
    },
    /// A consumer leaves in order, or the broker buries it.
    Leave {
        index: usize,
    },
    Bury {
        index: usize,
    },
    DropDeparted,
}

fn operations() -> impl Strategy<Value = Operation> {
    let policies = prop_oneof![Just(Policy::Block), Just(Policy::Latest)];
    prop_oneof![
        8 => Just(Operation::Acquire),
        7 => any::<usize>().prop_map(|index| Operation::Publish { index }),
        1 => any::<usize>().prop_map(|index| Operation::Abandon { index }),
        2 => (0..6_usize, 1..4_usize, policies)
            .prop_map(|(slot, depth, policy)| Operation::Join { slot, depth, policy }),
        12 => any::<usize>().prop_map(|index| Operation::Claim { index }),
        10 => (any::<usize>(), any::<usize>()).prop_map(|(index, held)| Operation::Release { index, held }),
        1 => any::<usize>().prop_map(|index| Operation::Leave { index }),
        1 => any::<usize>().prop_map(|index| Operation::Bury { index }),
        2 => Just(Operation::DropDeparted),
    ]
}

/// One consumer that the code under test has.
struct Subject {
    consumer: ConsumerOf<Heap>,
    page: <Heap as Kind>::Own,
    held: Vec<Claim>,
}

/// The code under test beside the model, doing the same.
struct Pair {
    stream: Stream<Heap>,
    producer: ProducerOf<Heap>,
    in_hand: Vec<usize>,
    /// By incarnation: those that may still act.
    subjects: BTreeMap<u64, Subject>,
    model: Model,
}

impl Pair {
    fn new(buffers: usize) -> Self {
        let stream = Stream::new(buffers);
        Self {
            producer: stream.producer(),
            stream,
            in_hand: Vec::new(),
            subjects: BTreeMap::new(),
            model: Model::new(buffers),
        }
    }

    fn run(&mut self, operation: &Operation) {
        match *operation {
            Operation::Acquire => self.acquire(),
            Operation::Publish { index } | Operation::Abandon { index } if !self.in_hand.is_empty() => {
                let buffer = self.in_hand.swap_remove(index % self.in_hand.len());
                if matches!(operation, Operation::Publish { .. }) {
                    let seq = self.producer.publish(buffer, &FrameInfo::default());
                    assert_eq!(seq, Some(self.model.publish(buffer)));
                } else {
                    self.producer.abandon(buffer);
                    self.model.abandon(buffer);
                }
            }
            Operation::Join { slot, depth, policy } => self.join(slot, Terms { depth, policy }),
            Operation::Claim { index } => self.with_subject(index, Self::claim),
            Operation::Release { index, held } => {
                self.with_subject(index, |pair, incarnation| pair.release(incarnation, held));
            }
            Operation::Leave { index } => self.with_subject(index, Self::leave),
            Operation::Bury { index } => self.with_subject(index, Self::bury),
            Operation::DropDeparted => self.drop_departed(),
            Operation::Publish { .. } | Operation::Abandon { .. } => {}
        }
    }

    fn with_subject(&mut self, index: usize, action: impl FnOnce(&mut Self, u64)) {
        let count = self.subjects.len().max(1);
        if let Some(incarnation) = self.subjects.keys().nth(index % count).copied() {
            action(self, incarnation);
        }
    }

    fn acquire(&mut self) {
        match self.producer.try_acquire() {
            Ok(buffer) => {
                // S2: what a live consumer holds is never filled again.
                let holds = |subject: &Subject| {
                    subject.consumer.is_member() && subject.held.iter().any(|claim| claim.buffer == buffer)
                };
                assert!(!self.subjects.values().any(holds), "buffer {buffer} is held");
                self.model.acquire(buffer);
                self.in_hand.push(buffer);
            }
            Err(mut blocked) => {
                blocked.by.sort_by_key(|blocker| blocker.incarnation);
                assert_eq!(blocked, self.model.blocked().unwrap());
            }
        }
    }

    fn join(&mut self, slot: usize, terms: Terms) {
        if self
            .subjects
            .values()
            .any(|subject| subject.consumer.slot() == slot)
        {
            return;
        }
        let place = self.stream.place(slot, terms.depth, terms.policy);
        self.producer.admit(place.member);
        let incarnation = place.consumer.incarnation();
        self.model.join((slot, incarnation), terms);
        let subject = Subject {
            consumer: place.consumer,
            page: Heap::own(&place.page),
            held: Vec::new(),
        };
        self.subjects.insert(incarnation, subject);
    }

    fn claim(&mut self, incarnation: u64) {
        let subject = self.subjects.get_mut(&incarnation).unwrap();
        let claimed = subject.consumer.try_claim();
        match (self.model.claim(incarnation), claimed) {
            (Ok(Some((seq, buffer, skipped))), Ok(Some(claim))) => {
                assert_eq!((claim.seq, claim.buffer, claim.skipped), (seq, buffer, skipped));
                subject.held.push(claim);
            }
            (Ok(None), Ok(None)) => {}
            (Err(depth), Err(ClaimError::HoldsTooMany { depth: actual })) => assert_eq!(actual, depth),
            (expected, claimed) => panic!("{claimed:?} instead of {expected:?}"),
        }
    }

    fn release(&mut self, incarnation: u64, held: usize) {
        let subject = self.subjects.get_mut(&incarnation).unwrap();
        if !subject.held.is_empty() {
            let claim = subject.held.swap_remove(held % subject.held.len());
            subject.consumer.release(claim.buffer);
            self.model.release(incarnation, claim.buffer);
        }
    }

    fn leave(&mut self, incarnation: u64) {
        let subject = self.subjects.remove(&incarnation).unwrap();
        leave(&subject.page, &Heap::other(&self.stream.ring), None);
        self.model.depart(incarnation, Presence::Left);
    }

    fn bury(&mut self, incarnation: u64) {
        let mut subject = self.subjects.remove(&incarnation).unwrap();
        self.stream.bury(&subject.consumer);
        self.model.depart(incarnation, Presence::Gone);
        assert_eq!(subject.consumer.try_claim(), Ok(None));
    }

    fn drop_departed(&mut self) {
        let departed = self.producer.drop_departed();
        let presence = |departure| match departure {
            Departure::Left => Presence::Left,
            Departure::Gone => Presence::Gone,
            other => panic!("an honest consumer departed as {other:?}"),
        };
        let mut departed: Vec<_> = departed
            .into_iter()
            .map(|(member, departure)| (member.incarnation(), presence(departure)))
            .collect();
        departed.sort_by_key(|(incarnation, _)| *incarnation);
        assert_eq!(departed, self.model.drop_departed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hand_over_does_what_the_model_does(
        buffers in 1..7_usize,
        operations in prop::collection::vec(operations(), 1..200),
    ) {
        let mut pair = Pair::new(buffers);
        for operation in &operations {
            pair.run(operation);
        }
    }
}
