//! One of those who share a stream or a timeline writes arbitrary words into arbitrary cells of its own page, without a pause and on real
//! shared memory, and wakes everybody for nothing, while the others go about their business: what they check must hold.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;
use wharf_core::{Errno, FenceStatus};
use wharf_memory::{Deadline, Ordering, OwnedWords, ReadOnlyWords, ReadWords as _, WriteWords, wake};
use wharf_stream::layout::{consumer, ring};
use wharf_stream::stats::{Quantile, Watched};
use wharf_stream::timeline::layout::{MAX_POINT, page, point, status, waiter};
use wharf_stream::timeline::{
    End, Import, Importers, PointReader, PointWriter, TimelineStatus, TimelineStatusWriter, Until, Waiting,
    wait,
};
use wharf_stream::{
    CONSUMER_PAGE_CELLS, ClaimError, Departure, FrameInfo, MAX_BUFFERS, Policy, RING_PAGE_CELLS,
};

use crate::support::{ConsumerOf, Kind, Mapped, Place, ProducerOf, Stream};

/// What is written once.
#[derive(Debug, Clone, Copy)]
struct Scribble {
    cell: usize,
    word: u64,
    /// As a 32-bit word.
    is_narrow: bool,
    wakes: bool,
}

/// Words that look like something: a frame's number, a slot, an incarnation, a number about to wrap.
fn words() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..100_u64,
        (0..100_u64, 0..256_u64).prop_map(|(seq, buffer)| ring::word(seq, buffer)),
        (0..4_u64).prop_map(|below| u64::MAX - below),
        Just(u64::from(u32::MAX)),
        any::<u64>(),
    ]
}

/// Any word in one of these cells, or one of these words in its cell.
fn scribbles(
    cells: impl Strategy<Value = usize> + 'static,
    likely: impl Strategy<Value = (usize, u64)> + 'static,
) -> impl Strategy<Value = Vec<Scribble>> {
    let place = prop_oneof![(cells, words()), likely];
    let scribble = (place, any::<bool>(), prop::bool::weighted(0.1));
    let scribble = scribble.prop_map(|((cell, word), is_narrow, wakes)| Scribble {
        cell,
        word,
        is_narrow: is_narrow && u32::try_from(word).is_ok(),
        wakes,
    });
    prop::collection::vec(scribble, 1..40)
}

/// Writes the scribbles again and again until `is_over`.
fn scribble(page: &OwnedWords, scribbles: &[Scribble], is_over: &AtomicBool) {
    let mut round = scribbles.iter().cycle();
    while !is_over.load(Relaxed) {
        let Some(scribble) = round.next() else { return };
        if scribble.is_narrow {
            page.store_u32(scribble.cell, scribble.word as u32, Ordering::Release);
        } else {
            page.store_u64(scribble.cell, scribble.word, Ordering::Release);
        }
        if scribble.wakes {
            wake(page.futex(scribble.cell));
        }
    }
}

/// Runs `honest` beside somebody who scribbles into a page.
fn beside<T>(page: &OwnedWords, scribbles: &[Scribble], honest: impl FnOnce() -> T) -> T {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| scribble(page, scribbles, &is_over));
        // However this ends, the other one ends.
        let _over = Over(&is_over);
        honest()
    })
}

const FRAMES: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(30);
const DEPTH: usize = 2;
/// As many as two consumers need.
const BUFFERS: usize = 2 * DEPTH + 1;

/// Publishes the next frame, whatever the hostile consumer in slot 1 does, short of what a blocking one may do.
fn publish(producer: &mut ProducerOf<Mapped>, departures: &mut Vec<Departure>, is_blocking: bool) -> bool {
    let patience = Deadline::after(PATIENCE);
    loop {
        let dropped = producer.drop_departed();
        for (member, departure) in dropped {
            assert_eq!(member.slot(), 1, "an honest consumer is dropped");
            departures.push(departure);
        }
        if let Ok(buffer) = producer.try_acquire() {
            producer.publish(buffer, &FrameInfo::default()).unwrap();
            return true;
        }
        let blocked = producer.blocked();
        assert!(blocked.by.iter().all(|one| one.slot == 1), "{blocked:?}");
        if is_blocking {
            // It may keep what it is owed, and is named.
            return false;
        }
        assert!(!patience.has_passed(), "{blocked:?}");
        let slice = Some(Deadline::after(Duration::from_millis(1)));
        let (found, _) = producer.wait(slice, |producer| producer.try_acquire().ok());
        found.into_iter().for_each(|buffer| producer.abandon(buffer));
    }
}

/// An honest consumer takes the frame just published; it was not refilled while it was held.
fn take(honest: &mut ConsumerOf<Mapped>, seq: u64, producer: &mut ProducerOf<Mapped>) {
    let claim = honest.try_claim().unwrap().unwrap();
    assert_eq!((claim.seq, claim.skipped), (seq, 0));
    honest.describe(&claim, 4096).unwrap();
    let in_hand: Vec<_> = std::iter::from_fn(|| producer.acquire_now()).collect();
    assert!(!in_hand.contains(&claim.buffer), "it is being read");
    in_hand.into_iter().for_each(|buffer| producer.abandon(buffer));
    honest.release(claim.buffer);
}

fn beside_hostile_consumer(policy: Policy, scribbles: &[Scribble]) {
    let stream = Stream::<Mapped>::new(BUFFERS);
    let mut producer = stream.producer();
    let mut honest = stream.join(&mut producer, 0, DEPTH, Policy::Block);
    let Place { page, member, .. } = stream.place(1, DEPTH, policy);
    producer.admit(member);
    let watched = Watched::new(Mapped::other(&stream.ring), stream.status_page());
    let theirs = Mapped::other(&page);
    let mut departures = Vec::new();
    beside(&Mapped::own(&page), scribbles, || {
        for seq in 1..=FRAMES {
            if !publish(&mut producer, &mut departures, policy == Policy::Block) {
                return;
            }
            take(&mut honest, seq, &mut producer);
            // Any look at a page is a look: nothing of it is believed.
            let look = watched.consumer(&theirs, 1, 2);
            if let Some(look) = look {
                assert!(look.holds.len() <= MAX_BUFFERS);
                let _ = (look.received(), look.latency.quantile_ns(Quantile::P99));
            }
        }
    });
    let known = [Departure::Left, Departure::Misbehaved];
    assert!(departures.iter().all(|how| known.contains(how)), "{departures:?}");
    assert!(departures.len() <= 1);
}

/// A consumer beside a producer that writes garbage: frames go forward, its depth is kept, no buffer is held twice, and what makes no
/// sense is an error that says so.
fn beside_hostile_producer(policy: Policy, scribbles: &[Scribble]) {
    let stream = Stream::<Mapped>::new(BUFFERS);
    let mut producer = stream.producer();
    let mut consumer = stream.join(&mut producer, 0, DEPTH, policy);
    let page = Mapped::own(&stream.ring);
    let watched = Watched::new(Mapped::other(&stream.ring), stream.status_page());
    beside(&page, scribbles, || {
        let (mut last, mut held) = (0, Vec::new());
        for _ in 0..FRAMES {
            let slice = Some(Deadline::after(Duration::from_micros(200)));
            consumer.wait(slice);
            match consumer.try_claim() {
                Ok(None) => {}
                Ok(Some(claim)) => {
                    assert!(
                        claim.seq > last && claim.buffer < BUFFERS,
                        "{claim:?} after {last}"
                    );
                    assert!(!held.contains(&claim.buffer), "held twice");
                    last = claim.seq;
                    // Refused or not: it must not panic.
                    let _ = consumer.describe(&claim, 4096);
                    held.push(claim.buffer);
                }
                Err(ClaimError::HoldsTooMany { depth }) => {
                    assert_eq!((depth, held.len()), (DEPTH, DEPTH));
                    held.drain(..).for_each(|buffer| consumer.release(buffer));
                }
                Err(ClaimError::Corrupt(_)) => {}
            }
            assert!(held.len() <= DEPTH);
            let _ = (watched.layout_matches(), watched.producer());
        }
    });
}

struct Timeline {
    page: <Mapped as Kind>::Page,
    waiter: <Mapped as Kind>::Page,
    status: <Mapped as Kind>::Page,
    broker: TimelineStatusWriter<OwnedWords>,
}

impl Timeline {
    fn new() -> Self {
        let status = Mapped::page(status::END, &[]);
        Self {
            page: Mapped::page(page::END, &[]),
            waiter: Mapped::page(waiter::END, &[]),
            broker: TimelineStatusWriter::new(Mapped::own(&status)),
            status,
        }
    }

    fn import(&self) -> Import<ReadOnlyWords, OwnedWords> {
        Import::new(
            PointReader::new(Mapped::other(&self.page), page::BASE),
            TimelineStatus::new(Mapped::other(&self.status)),
            Waiting::new(Mapped::own(&self.waiter), waiter::FIRST),
        )
    }
}

/// Points beside an owner that writes garbage: what was signaled stays so, and the end ends all waits.
fn beside_hostile_owner(scribbles: &[Scribble]) {
    let timeline = Timeline::new();
    let import = timeline.import();
    beside(&Mapped::own(&timeline.page), scribbles, || {
        let mut highest = 0;
        for point in (1..200).step_by(10) {
            let deadline = Some(Deadline::after(Duration::from_micros(50)));
            let is_settled = wait(&[(&import, point)], Until::All, deadline, || None);
            let value = import.value();
            assert!(value >= highest, "from {highest} back to {value}");
            assert!(!is_settled || value >= point);
            highest = value;
        }
        timeline.broker.set_over(End::OwnerDied);
        let deadline = Some(Deadline::after(PATIENCE));
        assert!(wait(&[(&import, MAX_POINT)], Until::All, deadline, || None));
    });
    let value = import.value();
    let end = import.status(value.saturating_add(1));
    assert_eq!(end, FenceStatus::Failed(Errno::EOWNERDEAD));
}

/// An owner beside an importer that writes garbage, and an honest importer: each point arrives.
fn beside_hostile_waiter(scribbles: &[Scribble]) {
    const POINTS: u64 = 20;
    let (timeline, hostile) = (Timeline::new(), Mapped::page(waiter::END, &[]));
    let import = timeline.import();
    let mut owner = PointWriter::new(Mapped::own(&timeline.page), page::BASE);
    let mut importers = Importers::default();
    assert!(importers.add(1, Mapped::other(&hostile), waiter::FIRST));
    assert!(importers.add(2, Mapped::other(&timeline.waiter), waiter::FIRST));
    timeline.broker.set_imports(2);
    let status = TimelineStatus::new(Mapped::other(&timeline.status));
    beside(&Mapped::own(&hostile), scribbles, || {
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                (1..=POINTS).all(|point| {
                    let deadline = Some(Deadline::after(PATIENCE));
                    wait(&[(&import, point)], Until::All, deadline, || None)
                })
            });
            for point in 1..=POINTS {
                owner.signal(point).unwrap();
                if importers.must_be_woken(&status, point) {
                    owner.wake();
                }
            }
            assert!(waiter.join().unwrap());
        });
    });
}

/// All cells but that of [`consumer::LEFT`], which ends the story.
fn cells_of_consumer() -> impl Strategy<Value = usize> {
    (0..CONSUMER_PAGE_CELLS).prop_filter("it would leave", |cell| *cell != consumer::LEFT)
}

/// It claims to hold a frame that may be there, and to have come somewhere.
fn likely_of_consumer() -> impl Strategy<Value = (usize, u64)> {
    prop_oneof![
        (consumer::HOLDS..consumer::HOLDS + BUFFERS, 0..FRAMES),
        (consumer::CURSOR..consumer::CURSOR + 1, 0..FRAMES),
        (consumer::RELEASES..consumer::RELEASES + 1, 0..FRAMES),
        (consumer::WAITING..consumer::WAITING + 1, 0..4_u64),
    ]
}

/// It says of a frame that may come next that it lies in a buffer that there may be, and that it is the newest.
fn likely_of_ring() -> impl Strategy<Value = (usize, u64)> {
    let pretend = |(seq, buffer)| (ring::slot(seq), ring::word(seq, buffer));
    prop_oneof![
        4 => (1..12_u64, 0..BUFFERS as u64 + 3).prop_map(pretend),
        1 => (1..12_u64).prop_map(|seq| (ring::HEAD, seq)),
        1 => (1..12_u64).prop_map(|seq| (ring::ADMISSIONS, seq)),
    ]
}

fn likely_of_timeline() -> impl Strategy<Value = (usize, u64)> {
    prop_oneof![
        (Just(page::BASE + point::VALUE), 0..200_u64),
        (Just(page::BASE + point::BELL), 0..3_u64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn producer_and_others_go_on_beside_a_consumer_of_the_newest_frames_that_scribbles(
        scribbles in scribbles(cells_of_consumer(), likely_of_consumer()),
    ) {
        beside_hostile_consumer(Policy::Latest, &scribbles);
    }

    #[test]
    fn consumer_of_every_frame_that_scribbles_is_the_only_one_in_the_way(
        scribbles in scribbles(cells_of_consumer(), likely_of_consumer()),
    ) {
        beside_hostile_consumer(Policy::Block, &scribbles);
    }

    #[test]
    fn consumer_that_may_also_leave_by_scribbling_leaves_once(
        scribbles in scribbles(0..CONSUMER_PAGE_CELLS, likely_of_consumer()),
        last in any::<u32>(),
    ) {
        let leave = Scribble { cell: consumer::LEFT, word: u64::from(last), is_narrow: true, wakes: true };
        let scribbles: Vec<_> = scribbles.into_iter().chain([leave]).collect();
        beside_hostile_consumer(Policy::Latest, &scribbles);
    }

    #[test]
    fn consumers_survive_a_producer_that_scribbles(
        scribbles in scribbles(0..RING_PAGE_CELLS, likely_of_ring()),
        is_blocking in any::<bool>(),
    ) {
        let policy = if is_blocking { Policy::Block } else { Policy::Latest };
        beside_hostile_producer(policy, &scribbles);
    }

    #[test]
    fn who_waits_survives_an_owner_of_a_timeline_that_scribbles(
        scribbles in scribbles(0..page::END, likely_of_timeline()),
    ) {
        beside_hostile_owner(&scribbles);
    }

    #[test]
    fn owner_and_others_go_on_beside_an_importer_that_scribbles(
        scribbles in scribbles(0..waiter::END, (Just(waiter::FIRST), 0..25_u64)),
    ) {
        beside_hostile_waiter(&scribbles);
    }
}
