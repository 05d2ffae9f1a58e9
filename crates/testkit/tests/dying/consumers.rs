//! Consumers die or stop: the producer and the other consumer go on.

use std::thread;
use std::time::Duration;

use wharf_stream::Policy;
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_testkit::dying::{Course as Frames, Fuse, FuseTerms, Part, Stage, consume, produce};
use wharf_testkit::eventually;

use crate::sweep::{Course, Victim, sweep};

const PATIENCE: Duration = Duration::from_secs(20);
/// How many frames the victim takes: some before and some after the move to other buffers.
const FRAMES: u64 = 10;
/// The victim's seat.
const SEAT: usize = 0;

/// Whether the victim met its end.
fn live(policy: Policy, polls: bool, fuse: FuseTerms) -> bool {
    let mut keep = Vec::new();
    let stage = Stage::new(&[(policy, polls), (Policy::Block, false)], &mut keep).unwrap();
    let broker = StatusWriter::new(stage.status.own().unwrap());
    (0..2).for_each(|slot| broker.set_slot(slot, slot as u64 + 1, SlotState::Live));
    let frames = Frames::default();
    let never = Fuse::new(FuseTerms::NEVER);
    let part = Part::Consumer {
        stage: stage.clone(),
        seat: SEAT,
        frames: FRAMES,
    };
    thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&stage, &never, frames.clone()));
        let survivor = scope.spawn(|| consume(&stage, 1, &never, None));
        let goes_on = |by: u64| {
            let from = frames.published();
            eventually(PATIENCE, || match frames.published() {
                now if now >= from + by || producer.is_finished() => Ok(()),
                now => Err(format!("from {from} to {now}")),
            })
        };
        let is_met = match Victim::start(part, fuse).meet() {
            Course::Finished => false,
            Course::Died => {
                broker.set_slot(SEAT, SEAT as u64 + 1, SlotState::Gone);
                stage.ring_all().unwrap();
                true
            }
            Course::Stopped(victim) => {
                match policy {
                    // Until the slot of any frame that the victim looks at has been used again.
                    Policy::Latest => goes_on(70).unwrap(),
                    Policy::Block => thread::sleep(Duration::from_millis(3)),
                }
                victim.resume();
                true
            }
        };
        goes_on(10).unwrap();
        frames.end();
        let published = producer.join().unwrap().unwrap();
        broker.set_stream_state(StreamState::Ended);
        stage.ring_all().unwrap();
        let received = survivor.join().unwrap().unwrap();
        assert_eq!((received.frames, received.last), (published.last, published.last));
        assert_eq!(published.departed, 1);
        is_met
    })
}

#[test]
fn one_of_every_frame_that_sleeps_ends_at_any_store() {
    sweep(50, |fuse| live(Policy::Block, false, fuse));
}

#[test]
fn one_of_every_frame_that_polls_ends_at_any_store() {
    sweep(50, |fuse| live(Policy::Block, true, fuse));
}

#[test]
fn one_of_the_newest_frames_that_sleeps_ends_at_any_store() {
    sweep(50, |fuse| live(Policy::Latest, false, fuse));
}

#[test]
fn one_of_the_newest_frames_that_polls_ends_at_any_store() {
    sweep(50, |fuse| live(Policy::Latest, true, fuse));
}
