//! Frames with fences: producers die or stop before their frames have contents, consumers while they wait for them or read on.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use wharf_memory::{Ordering, ReadWords as _};
use wharf_stream::Policy;
use wharf_stream::layout::{points, ring};
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_testkit::dying::{
    Course as Frames, FENCED_GENERATION_CHANGE, Fuse, FuseTerms, Part, Read, Stage, UNFINISHED, fill, read,
};
use wharf_testkit::eventually;

use crate::sweep::{Course, Victim, sweep};

const PATIENCE: Duration = Duration::from_secs(20);
const FRAMES: u64 = FENCED_GENERATION_CHANGE + 4;
const SEATS: [(Policy, bool); 3] = [
    (Policy::Block, false),
    (Policy::Block, false),
    (Policy::Latest, false),
];
/// The seat of a consumer that is the victim.
const SEAT: usize = 0;

fn all_live(stage: &Stage) -> StatusWriter<wharf_memory::OwnedWords> {
    let broker = StatusWriter::new(stage.status.own().unwrap());
    let slots = 0..stage.seats.len();
    slots.for_each(|slot| broker.set_slot(slot, slot as u64 + 1, SlotState::Live));
    broker
}

/// Whether the victim met its end. Adds frames whose contents died to `orphaned`.
fn live_of_producer(fuse: FuseTerms, orphaned: &AtomicU64) -> bool {
    let mut keep = Vec::new();
    let stage = Stage::new(&SEATS, &mut keep).unwrap();
    let broker = all_live(&stage);
    let never = Fuse::new(FuseTerms::NEVER);
    let part = Part::FencedProducer {
        stage: stage.clone(),
        frames: FRAMES,
    };
    thread::scope(|scope| {
        let consumers = [0, 1, 2].map(|seat| {
            let (stage, never) = (&stage, &never);
            scope.spawn(move || read(stage, seat, never, None))
        });
        let (is_met, end) = Victim::start(part, fuse).meet().of_producer();
        broker.set_stream_state(end);
        stage.ring_all().unwrap();
        let read = consumers.map(|one| one.join().unwrap().unwrap());
        let is_dead = end == StreamState::ProducerDied;
        assert!(is_dead || read[0].received.last == FRAMES && read[0].orphaned.is_empty());
        check(&read, &stage);
        orphaned.fetch_add(read[0].orphaned.len() as u64, SeqCst);
        is_met
    })
}

/// All who take every frame got the same ones, with the same contents: all that were finished, no others.
fn check(read: &[Read; 3], stage: &Stage) {
    let [one, other, newest] = read;
    assert_eq!(one, other);
    assert_eq!(one.received.frames, one.received.last);
    assert!(one.orphaned.len() <= UNFINISHED, "{one:?}");
    let page = stage.ring.other().unwrap();
    for (buffer, seq) in &one.orphaned {
        let reached = page.load_u64(ring::POINTS + points::value(*buffer), Ordering::Acquire);
        assert!(reached < *seq, "frame {seq} was finished");
    }
    let is_known = |frame: &(usize, u64)| one.orphaned.contains(frame);
    assert!(newest.orphaned.iter().all(is_known), "{newest:?}, {one:?}");
    // The last may be in its slot and not be the newest yet.
    assert!(newest.received.last <= one.received.last, "{newest:?}, {one:?}");
    let newest = &newest.received;
    assert_eq!(newest.frames + newest.skipped, newest.last);
}

/// Whether the victim met its end. Adds buffers that it had lent when it died to `orphaned`.
fn live_of_consumer(policy: Policy, fuse: FuseTerms, orphaned: &AtomicU64) -> bool {
    let mut keep = Vec::new();
    let stage = Stage::new(&[(policy, false), (Policy::Block, false)], &mut keep).unwrap();
    let broker = all_live(&stage);
    let frames = Frames::default();
    let never = Fuse::new(FuseTerms::NEVER);
    let part = Part::FencedConsumer {
        stage: stage.clone(),
        seat: SEAT,
        frames: FRAMES,
    };
    thread::scope(|scope| {
        let producer = scope.spawn(|| fill(&stage, &never, &frames));
        let survivor = scope.spawn(|| read(&stage, 1, &never, None));
        let is_met = match Victim::start(part, fuse).meet() {
            Course::Finished => false,
            Course::Died => {
                // The producer comes to wait for what it has.
                thread::sleep(Duration::from_millis(2));
                broker.set_slot(SEAT, SEAT as u64 + 1, SlotState::Gone);
                stage.ring_all().unwrap();
                true
            }
            Course::Stopped(victim) => {
                thread::sleep(Duration::from_millis(3));
                victim.resume();
                true
            }
        };
        let from = frames.published();
        let goes_on = || match frames.published() {
            now if now >= from + 10 || producer.is_finished() => Ok(()),
            now => Err(format!("from {from} to {now}")),
        };
        eventually(PATIENCE, goes_on).unwrap();
        frames.end();
        let filled = producer.join().unwrap().unwrap();
        broker.set_stream_state(StreamState::Ended);
        let read = survivor.join().unwrap().unwrap();
        assert_eq!(
            (read.received.frames, read.received.last),
            (filled.last, filled.last)
        );
        assert_eq!((filled.departed, read.orphaned.len()), (1, 0));
        assert!(filled.lent > 0, "{filled:?}");
        orphaned.fetch_add(filled.orphaned, SeqCst);
        is_met
    })
}

/// As [`sweep`], of lives in some of which something must be orphaned.
fn sweep_orphans(at_least: u64, live: impl Fn(FuseTerms, &AtomicU64) -> bool + Sync) {
    let orphaned = AtomicU64::new(0);
    sweep(at_least, |fuse| live(fuse, &orphaned));
    let orphaned = orphaned.into_inner();
    eprintln!("{orphaned} orphaned");
    assert!(orphaned > 0, "nobody died with work undone");
}

#[test]
fn producer_with_unfinished_frames_ends_at_any_store() {
    sweep_orphans(80, live_of_producer);
}

#[test]
fn one_of_every_frame_that_waits_for_contents_and_lends_ends_at_any_store() {
    sweep_orphans(50, |fuse, orphaned| {
        live_of_consumer(Policy::Block, fuse, orphaned)
    });
}

#[test]
fn one_of_the_newest_frames_that_waits_for_contents_and_lends_ends_at_any_store() {
    sweep_orphans(50, |fuse, orphaned| {
        live_of_consumer(Policy::Latest, fuse, orphaned)
    });
}
