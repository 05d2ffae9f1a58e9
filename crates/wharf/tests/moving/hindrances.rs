//! Moves that somebody hinders, or tries to.

use rustix::io::Errno;
use std::thread;
use std::time::Duration;
use wharf::{Hindrance, JoinOptions, MoveContract, Reallocation, Role};

use crate::common::{Fixture, PATIENCE, publish_whole, to};
use crate::support::{blockers, run_until};

#[test]
fn silent_consumer_is_named_and_nothing_has_changed() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(6);
    let mut good = fixture.join(&mut producer, JoinOptions::latest(1));
    let mut silent = fixture.join(&mut producer, JoinOptions::latest(1));
    let soon = Reallocation {
        deadline: Duration::from_millis(200),
        ..to(8192, 6)
    };
    let generation = producer.begin_move(&soon).unwrap();
    let error = loop {
        publish_whole(&mut producer);
        assert_eq!(good.receive(PATIENCE).unwrap().generation(), 1);
        match producer.is_moved(generation) {
            Ok(moved) => assert!(!moved),
            Err(error) => break error,
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(error.errno(), Errno::BUSY);
    let silent_viewer = ("viewer".to_owned(), Role::Consumer, Hindrance::Silent);
    assert_eq!(blockers(&error), [silent_viewer]);
    publish_whole(&mut producer);
    assert_eq!(good.receive(PATIENCE).unwrap().generation(), 1);
    assert_eq!(silent.receive(PATIENCE).unwrap().generation(), 1);
    assert_eq!(fixture.booked_bytes(), 6 * 4096);
    assert_eq!((producer.stats().moves.failed, good.stats().moves.failed), (1, 1));
    assert_eq!(silent.stats().moves.failed, 0, "it never knew");
    // The number is not used again, and the next move is as good as any.
    assert_eq!(producer.begin_move(&to(8192, 6)).unwrap(), 3);
    run_until(&mut producer, &mut [&mut good, &mut silent], 3);
    assert_eq!(producer.is_moved(2).unwrap_err().errno(), Errno::BUSY);
    assert_eq!(producer.is_moved(4).unwrap_err().errno(), Errno::STALE);
}

#[test]
fn second_move_at_a_time_is_refused() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let _idle = fixture.join(&mut producer, JoinOptions::latest(1));
    producer.begin_move(&to(8192, 4)).unwrap();
    let error = producer.begin_move(&to(8192, 4)).unwrap_err();
    assert_eq!(error.errno(), Errno::ALREADY);
}

#[test]
fn pinned_participants_are_named_before_anything_is_allocated() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let options = JoinOptions::latest(1).with_contract(MoveContract::Pinned);
    let pinned = fixture.join(&mut producer, options);
    let error = producer.begin_move(&to(8192, 4)).unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    let viewer = ("viewer".to_owned(), Role::Consumer, Hindrance::Pinned);
    assert_eq!(blockers(&error), [viewer]);
    assert!(error.to_string().contains("viewer"), "{error}");
    assert_eq!(fixture.booked_bytes(), 4 * 4096);
    drop(pinned);
    let mut other = fixture.join_after(&mut producer, JoinOptions::latest(1));
    assert_eq!(producer.begin_move(&to(8192, 4)).unwrap(), 2);
    let token = producer.token(1).unwrap();
    let error = fixture.session("late").join(&token, options).unwrap_err();
    assert_eq!(error.errno(), Errno::ALREADY);
    run_until(&mut producer, &mut [&mut other], 2);
    fixture.session("late").join(&token, options).unwrap();
}

#[test]
fn revocable_consumer_that_is_silent_is_cut_off_and_the_move_goes_on() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut good = fixture.join(&mut producer, JoinOptions::latest(1));
    let options = JoinOptions::latest(1).with_contract(MoveContract::Revocable);
    let mut revocable = fixture.join(&mut producer, options);
    let soon = Reallocation {
        deadline: Duration::from_millis(100),
        ..to(8192, 4)
    };
    producer.begin_move(&soon).unwrap();
    run_until(&mut producer, &mut [&mut good], 2);
    let error = revocable.receive(PATIENCE).unwrap_err();
    assert_eq!(error.errno(), Errno::CONNRESET, "{error}");
}
