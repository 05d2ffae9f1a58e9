//! Owners of timelines and those who wait die or stop; the other side goes on.

use std::thread;

use wharf_stream::timeline::{End, TimelineStatusWriter};
use wharf_testkit::dying::{Fuse, FuseTerms, Part, TimelineStage, own_timeline, wait_for_points};

use crate::sweep::{Course, Victim, sweep};

const POINTS: u64 = 8;

fn stage() -> (
    TimelineStage,
    TimelineStatusWriter<wharf_memory::OwnedWords>,
    Vec<std::os::fd::OwnedFd>,
) {
    let mut keep = Vec::new();
    let stage = TimelineStage::new(&mut keep).unwrap();
    let broker = TimelineStatusWriter::new(stage.status.own().unwrap());
    (stage, broker, keep)
}

/// Whether the victim met its end.
fn own(fuse: FuseTerms) -> bool {
    let (stage, broker, _keep) = stage();
    let part = Part::Owner {
        stage: stage.clone(),
        points: POINTS,
    };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait_for_points(&stage, &Fuse::new(FuseTerms::NEVER), POINTS));
        let (is_met, is_dead) = match Victim::start(part, fuse).meet() {
            Course::Finished => (false, false),
            Course::Died => {
                broker.set_over(End::OwnerDied);
                (true, true)
            }
            Course::Stopped(victim) => {
                victim.resume();
                (true, false)
            }
        };
        let signaled = waiter.join().unwrap().unwrap();
        assert!(is_dead || signaled == POINTS, "{signaled} points");
        is_met
    })
}

/// Whether the victim met its end.
fn wait(fuse: FuseTerms) -> bool {
    let (stage, _broker, _keep) = stage();
    let part = Part::Waiter {
        stage: stage.clone(),
        points: POINTS,
    };
    thread::scope(|scope| {
        let owner = scope.spawn(|| {
            // The victim's process takes longer to start than all points take.
            thread::sleep(std::time::Duration::from_millis(4));
            own_timeline(&stage, &Fuse::new(FuseTerms::NEVER), POINTS)
        });
        let course = Victim::start(part, fuse).meet();
        owner.join().unwrap().unwrap();
        match course {
            Course::Finished => false,
            Course::Died => true,
            Course::Stopped(victim) => {
                victim.resume();
                true
            }
        }
    })
}

#[test]
fn owner_ends_at_any_store() {
    sweep(20, own);
}

#[test]
fn who_waits_ends_at_any_store() {
    sweep(8, wait);
}
