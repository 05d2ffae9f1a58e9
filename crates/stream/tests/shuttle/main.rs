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

mod maker;
mod stage;
mod viewer;

use maker::Maker;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};
use stage::{CONSUMERS, Exit, Manner, Seat, Stage};
use viewer::Viewer;
use wharf_stream::Policy;
use wharf_stream::status::StreamState;

/// So many of each kind.
const SCHEDULES: usize = 5000;

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

/// The life of a stream. In the end nobody has anything.
fn live(seats: [Seat; CONSUMERS], before: fn(&Stage)) {
    let stage = Stage::new(seats);
    let viewers = std::array::from_fn::<_, CONSUMERS, _>(|slot| {
        let viewer = Viewer::new(&stage, slot);
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

fn any_seats(manner: Manner) -> [Seat; CONSUMERS] {
    std::array::from_fn(|_| Seat::any(manner))
}

#[test]
fn everybody_gets_whole_frames_in_order_and_a_blocking_one_all_of_them() {
    check(|| live(any_seats(Manner::Quick), |_| ()));
}

#[test]
fn frames_taken_back_from_those_who_lag_are_read_by_nobody() {
    check(|| {
        let mut seats = any_seats(Manner::Lags);
        for seat in &mut seats {
            // So deep that they are after the oldest frames, as the producer is.
            (seat.policy, seat.depth) = (Policy::Latest, 3);
        }
        live(seats, |_| ());
    });
}

#[test]
fn one_that_joins_late_gets_what_comes_from_then_on() {
    check(|| {
        let mut seats = any_seats(Manner::Quick);
        seats[3].first = thread_rng().gen_range(2..=4);
        live(seats, |_| ());
    });
}

#[test]
fn who_leaves_or_dies_with_frames_in_hand_holds_nobody_up() {
    check(|| {
        let mut seats = any_seats(Manner::Quick);
        seats[1].exit = Exit::Leaves(thread_rng().gen_range(1..=4));
        seats[2].exit = Exit::Dies(thread_rng().gen_range(1..=4));
        live(seats, |_| ());
    });
}

#[test]
fn all_who_sleep_are_woken_by_each_frame_and_by_the_end() {
    check(|| {
        let mut seats = any_seats(Manner::Quick);
        seats[3].first = thread_rng().gen_range(1..=2);
        seats.iter_mut().for_each(|seat| seat.exit = Exit::End);
        live(seats, Stage::await_sleep);
    });
}

#[test]
fn producer_that_sleeps_is_woken_by_whoever_is_in_its_way() {
    check(|| live(any_seats(Manner::KeepsWaiting), |_| ()));
}
