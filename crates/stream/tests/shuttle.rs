//! One producer and four consumers, more than loom can try in full, in random schedules on the real code: rings, claims, releases, sleeping and
//! waking.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test --release -p wharf-stream --test shuttle`. A torn, lost or misplaced frame fails an
//! assertion; a lost wake-up leaves a thread asleep, which shuttle reports as a deadlock. A failure prints its seed; it comes again with
//! `SHUTTLE_RANDOM_SEED`.
//!
//! Shuttle's memory is sequentially consistent, and its fences do nothing: what is seen here is a step that is missing or in the wrong place. Orderings and
//! fences that are too weak are for the models of loom.
#![cfg(shuttle)]

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{Config, Runner, thread};
use std::collections::VecDeque;
use std::sync::Arc;
use wharf_memory::{HeapWords, ReadWords as _, WriteWords as _};
use wharf_stream::layout::{ASLEEP, consumer, ring, status};
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_stream::{Claim, ClaimError, Consumer, Member, Places, Policy, Producer, leave};

const CONSUMERS: usize = 4;
/// So many of each kind.
const SCHEDULES: usize = 1000;
/// What a buffer holds while it is being filled.
const FILLING: u64 = u64::MAX;

type Words = Arc<HeapWords>;

fn check(model: fn()) {
    // Random switches, and few at the worst moments.
    run(RandomScheduler::new(SCHEDULES), model);
    run(PctScheduler::new(4, SCHEDULES), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 17;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(model);
}

/// How a consumer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It stays until it has the last frame.
    Last,
    /// It leaves in order after so many frames, with those that it holds.
    Leaves(u64),
    /// It dies after so many.
    Dies(u64),
    /// It stays until it is told that the stream is over.
    End,
}

/// What a consumer asked for.
#[derive(Debug, Clone, Copy)]
struct Seat {
    policy: Policy,
    depth: usize,
    exit: Exit,
    /// The first frame after it is let in.
    first: u64,
}

impl Seat {
    fn any() -> Self {
        Self {
            policy: match thread_rng().gen_bool(0.5) {
                true => Policy::Block,
                false => Policy::Latest,
            },
            depth: thread_rng().gen_range(1..=2),
            exit: Exit::Last,
            first: 1,
        }
    }
}

/// A stream: its pages, its buffers, and what it is used for.
struct Stage {
    ring: Words,
    consumers: [Words; CONSUMERS],
    status: Words,
    broker: StatusWriter<Words>,
    /// A word for the contents of each buffer: the number of the frame.
    buffers: Vec<AtomicU64>,
    seats: [Seat; CONSUMERS],
    frames: u64,
}

impl Stage {
    fn new(seats: [Seat; CONSUMERS]) -> Arc<Self> {
        let buffers = thread_rng().gen_range(3..=4);
        let words =
            |wide: Vec<usize>, narrow: &[usize]| Arc::new(HeapWords::new(wide, narrow.iter().copied()));
        let slots = (0..ring::SLOT_COUNT as u64).map(ring::slot);
        let in_ring = slots.flat_map(|slot| [slot, slot + ring::GENERATION]);
        let admissions = (0..2 * CONSUMERS).map(|cell| ring::ADMISSIONS + cell);
        let of_consumer = || {
            (0..buffers)
                .map(|buffer| consumer::HOLDS + buffer)
                .chain([consumer::CURSOR])
        };
        let of_broker = (0..CONSUMERS).map(|slot| status::SLOTS + slot).collect();
        let status = words(of_broker, &[status::VERSION, status::STREAM]);
        let stage = Self {
            ring: words(
                in_ring.chain(admissions).chain([ring::HEAD]).collect(),
                &[ring::WAITING],
            ),
            consumers: std::array::from_fn(|_| {
                let narrow = [consumer::RELEASES, consumer::LEFT, consumer::WAITING];
                words(of_consumer().collect(), &narrow)
            }),
            broker: StatusWriter::new(status.clone()),
            status,
            buffers: (0..buffers).map(|_| AtomicU64::new(0)).collect(),
            seats,
            frames: thread_rng().gen_range(6..=10),
        };
        (0..CONSUMERS).for_each(|slot| stage.broker.set_slot(slot, incarnation(slot), SlotState::Live));
        Arc::new(stage)
    }

    fn assert_whole(&self, claim: &Claim) {
        let contents = self.buffers[claim.buffer].load(Ordering::SeqCst);
        assert_eq!(contents, claim.seq, "torn frame");
    }

    /// Waits until every consumer sleeps or is about to.
    fn await_sleep(&self) {
        let is_asleep = |page: &Words| page.load_u32(consumer::WAITING, Ordering::SeqCst) == ASLEEP;
        until(|| self.consumers.iter().all(is_asleep));
    }
}

fn incarnation(slot: usize) -> u64 {
    slot as u64 + 7
}

struct Viewer {
    stage: Arc<Stage>,
    slot: usize,
    consumer: Consumer<Words, Words>,
    held: VecDeque<Claim>,
    last: u64,
    received: u64,
    /// Where it can, it releases nothing before the producer sleeps.
    keeps_producer_waiting: bool,
}

impl Viewer {
    fn new(stage: &Arc<Stage>, slot: usize) -> Self {
        let Seat {
            policy, depth, first, ..
        } = stage.seats[slot];
        let pages = (stage.ring.clone(), stage.status.clone());
        let page = stage.consumers[slot].clone();
        let who = (slot, incarnation(slot));
        Self {
            consumer: Consumer::new(page, pages, who, stage.buffers.len(), (depth, policy)),
            stage: stage.clone(),
            slot,
            held: VecDeque::new(),
            last: first - 1,
            received: 0,
            keeps_producer_waiting: false,
        }
    }

    /// Receives until it goes, asleep while there is nothing.
    fn receive(mut self) {
        while !self.has_enough() {
            let state = self.consumer.stream_state();
            match self.consumer.try_claim() {
                Ok(Some(claim)) => self.take(claim),
                Ok(None) if state != StreamState::Running => break,
                Ok(None) => {
                    self.release_down_to(0);
                    self.consumer.wait(None);
                }
                Err(ClaimError::HoldsTooMany { depth }) => self.release_down_to(depth - 1),
                Err(error) => panic!("{error}"),
            }
        }
        self.go();
    }

    fn has_enough(&self) -> bool {
        match self.seat().exit {
            Exit::Last => self.last == self.stage.frames,
            Exit::Leaves(frames) | Exit::Dies(frames) => {
                self.received == frames || self.last == self.stage.frames
            }
            Exit::End => false,
        }
    }

    /// Goes; out of order with what it holds.
    fn go(mut self) {
        let (stage, slot) = (self.stage.clone(), self.slot);
        match self.seat().exit {
            Exit::Leaves(_) => leave(&stage.consumers[slot], &stage.ring, None),
            Exit::Dies(_) => stage.broker.set_slot(slot, incarnation(slot), SlotState::Gone),
            Exit::Last | Exit::End => {
                assert_eq!(self.last, stage.frames, "not the last frame");
                self.release_down_to(0);
            }
        }
    }

    fn seat(&self) -> Seat {
        self.stage.seats[self.slot]
    }

    fn take(&mut self, claim: Claim) {
        assert_eq!(self.consumer.generation(&claim), claim.seq, "torn description");
        assert_eq!(claim.seq, self.last + 1 + claim.skipped, "lost or out of order");
        let Seat { policy, depth, .. } = self.seat();
        assert!(policy == Policy::Latest || claim.skipped == 0, "lost: {claim:?}");
        self.stage.assert_whole(&claim);
        self.last = claim.seq;
        self.received += 1;
        self.held.push_back(claim);
        let is_in_the_way = policy == Policy::Block && claim.seq + depth as u64 <= self.stage.frames;
        if self.keeps_producer_waiting && is_in_the_way {
            until(|| self.stage.ring.load_u32(ring::WAITING, Ordering::SeqCst) == ASLEEP);
        }
        let kept = thread_rng().gen_range(0..=self.held.len());
        self.release_down_to(kept);
    }

    fn release_down_to(&mut self, count: usize) {
        while self.held.len() > count {
            let claim = self.held.pop_front().unwrap();
            self.stage.assert_whole(&claim);
            self.consumer.release(claim.buffer);
        }
    }
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

struct Maker {
    stage: Arc<Stage>,
    producer: Producer<Words, Words>,
}

impl Maker {
    fn new(stage: &Arc<Stage>) -> Self {
        let mut producer = Producer::new(stage.ring.clone(), stage.status.clone(), stage.buffers.len());
        producer.take_status_change();
        Self {
            stage: stage.clone(),
            producer,
        }
    }

    /// Lets those in whose first frame is the next.
    fn admit(&mut self) {
        for (slot, seat) in self.stage.seats.iter().enumerate() {
            if seat.first == self.producer.head() + 1 {
                let page = self.stage.consumers[slot].clone();
                let member = Member::new(slot, incarnation(slot), seat.depth, seat.policy, page);
                self.producer.admit(member);
            }
        }
    }

    /// Publishes all frames, asleep while it is blocked; before each it does something.
    fn publish_all(&mut self, before: fn(&Stage)) {
        for seq in 1..=self.stage.frames {
            before(&self.stage);
            self.admit();
            let buffer = self.acquire();
            let contents = &self.stage.buffers[buffer];
            contents.store(FILLING, Ordering::SeqCst);
            contents.store(seq, Ordering::SeqCst);
            // The frame's slot says its number once more, so that a slot copied while it is written shows.
            let describe = |ring: &Words, places: Places| {
                ring.store_u64(places.slot + ring::GENERATION, seq, Ordering::Relaxed);
            };
            assert_eq!(self.producer.publish_with(buffer, describe), Some(seq));
        }
    }

    fn acquire(&mut self) -> usize {
        loop {
            if self.producer.take_status_change() || self.producer.has_departures() {
                self.producer.drop_departed();
            }
            if let Some(buffer) = self.producer.acquire_now() {
                return buffer;
            }
            if let (Some(buffer), _) = self.producer.wait(None, Producer::acquire_now) {
                return buffer;
            }
        }
    }
}

/// The life of a stream. In the end nobody has anything.
fn live(seats: [Seat; CONSUMERS], keeps_producer_waiting: bool, before: fn(&Stage)) {
    let stage = Stage::new(seats);
    let viewers = std::array::from_fn::<_, CONSUMERS, _>(|slot| {
        let mut viewer = Viewer::new(&stage, slot);
        viewer.keeps_producer_waiting = keeps_producer_waiting;
        thread::spawn(move || viewer.receive())
    });
    let mut maker = Maker::new(&stage);
    maker.publish_all(before);
    if seats.iter().any(|seat| seat.exit == Exit::End) {
        before(&stage);
        stage.broker.set_stream_state(StreamState::Ended);
    }
    for viewer in viewers {
        viewer.join().unwrap();
    }
    maker.acquire();
    assert_eq!(maker.producer.blocked().by, []);
}

fn any_seats() -> [Seat; CONSUMERS] {
    std::array::from_fn(|_| Seat::any())
}

#[test]
fn everybody_gets_whole_frames_in_order_and_a_blocking_one_all_of_them() {
    check(|| live(any_seats(), false, |_| ()));
}

#[test]
fn one_that_joins_late_gets_what_comes_from_then_on() {
    check(|| {
        let mut seats = any_seats();
        seats[3].first = thread_rng().gen_range(2..=4);
        live(seats, false, |_| ());
    });
}

#[test]
fn who_leaves_or_dies_with_frames_in_hand_holds_nobody_up() {
    check(|| {
        let mut seats = any_seats();
        seats[1].exit = Exit::Leaves(thread_rng().gen_range(1..=4));
        seats[2].exit = Exit::Dies(thread_rng().gen_range(1..=4));
        live(seats, false, |_| ());
    });
}

#[test]
fn all_who_sleep_are_woken_by_each_frame_and_by_the_end() {
    check(|| {
        let mut seats = any_seats();
        seats[3].first = thread_rng().gen_range(1..=2);
        seats.iter_mut().for_each(|seat| seat.exit = Exit::End);
        live(seats, false, Stage::await_sleep);
    });
}

#[test]
fn producer_that_sleeps_is_woken_by_whoever_is_in_its_way() {
    check(|| live(any_seats(), true, |_| ()));
}
