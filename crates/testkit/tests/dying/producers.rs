//! Producers die or stop: the consumers get what was published, whole and in order, and are told.

use std::thread;

use wharf_memory::{Ordering, ReadWords as _};
use wharf_stream::Policy;
use wharf_stream::layout::ring;
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_testkit::dying::{Fuse, FuseTerms, GENERATION_CHANGE, Part, Received, Stage, consume};

use crate::sweep::{Victim, sweep};

const FRAMES: u64 = GENERATION_CHANGE + 8;
const SEATS: [(Policy, bool); 3] = [
    (Policy::Block, false),
    (Policy::Block, true),
    (Policy::Latest, false),
];

/// Whether the victim met its end.
fn live(fuse: FuseTerms) -> bool {
    let mut keep = Vec::new();
    let stage = Stage::new(&SEATS, &mut keep).unwrap();
    let broker = StatusWriter::new(stage.status.own().unwrap());
    let slots = 0..SEATS.len();
    slots
        .clone()
        .for_each(|slot| broker.set_slot(slot, slot as u64 + 1, SlotState::Live));
    let never = Fuse::new(FuseTerms::NEVER);
    let part = Part::Producer {
        stage: stage.clone(),
        frames: FRAMES,
    };
    thread::scope(|scope| {
        let consumers = slots.map(|seat| {
            scope.spawn({
                let (stage, never) = (&stage, &never);
                move || consume(stage, seat, never, None)
            })
        });
        let consumers: Vec<_> = consumers.collect();
        let (is_met, end) = Victim::start(part, fuse).meet().of_producer();
        broker.set_stream_state(end);
        stage.ring_all().unwrap();
        let received: Vec<_> = consumers
            .into_iter()
            .map(|one| one.join().unwrap().unwrap())
            .collect();
        let head = stage
            .ring
            .other()
            .unwrap()
            .load_u64(ring::HEAD, Ordering::Acquire);
        let is_whole = end == StreamState::Ended;
        assert!(!is_whole || head == FRAMES, "frame {head} is the last");
        check(&received, head);
        is_met
    })
}

/// All who take every frame got the same ones: all up to the head, and the next, perhaps, if the producer died between the two.
fn check(received: &[Received], head: u64) {
    let [one, other, newest] = received else { panic!() };
    assert_eq!(one, other);
    assert_eq!(one.frames, one.last);
    let admitted = one.frames > 0 || head > 0;
    assert!(
        !admitted || (head..=head + 1).contains(&one.last),
        "{one:?}, head {head}"
    );
    assert!(
        newest.last <= one.last && newest.frames + newest.skipped == newest.last,
        "{newest:?}"
    );
}

#[test]
fn producer_ends_at_any_store() {
    sweep(100, live);
}
