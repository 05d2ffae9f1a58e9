//! Buffers that devices work on when their frames are given back.

use std::thread;
use std::time::{Duration, Instant};
use wharf::core::{Usage, Wait};
use wharf::{AcquireError, JoinOptions, PublishError, ReceiveError};

use crate::common::{PATIENCE, info};
use crate::support::{Pair, SHORT, SIZE, noted, work};

#[test]
fn buffer_is_not_filled_while_a_device_reads_it() {
    let (mut pair, read) = Pair::lent(2, JoinOptions::every_frame(1));
    let error = pair.producer.acquire(SHORT).unwrap_err();
    let AcquireError::TimedOut { consumers, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((consumers[0].label.as_str(), consumers[0].frames), ("viewer", 1));
    thread::scope(|scope| {
        let acquired = scope.spawn(|| pair.producer.acquire(PATIENCE).map(drop));
        thread::sleep(Duration::from_millis(10));
        read.signal();
        acquired.join().unwrap().unwrap();
    });
}

#[test]
fn buffer_on_which_devices_work_is_handed_out_with_their_fences() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let (filled, read) = (work(1), work(1));
    pair.publish_when(&filled.fence());
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert_eq!(noted(frame.buffer(), Usage::Write), 1);
    frame.release_after(&read.fence());
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    assert_eq!(frame.release_fences().len(), 2, "one reads, and one writes");
    assert_eq!(noted(frame.buffer(), Usage::Write), 1);
    assert_eq!(noted(frame.buffer(), Usage::Read), 2);
    assert!(!frame.buffer().reservation().is_signaled(Usage::Read));
    assert!(!frame.wait_idle(SHORT));
    filled.signal();
    assert!(!frame.wait_idle(SHORT));
    read.signal();
    assert!(frame.wait_idle(PATIENCE));
    assert!(frame.buffer().reservation().is_signaled(Usage::Read));
    pair.producer.publish(frame, &info(SIZE as u64)).unwrap();
}

#[test]
fn frame_that_is_not_idle_is_not_published_and_stays_in_hand() {
    let (mut pair, read) = Pair::lent(2, JoinOptions::every_frame(1));
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    let refused = pair.producer.publish(frame, &info(SIZE as u64));
    assert!(matches!(refused, Err(PublishError::NotIdle { pending: 1 })));
    let in_hand = pair.producer.acquire_async(SHORT);
    assert!(matches!(in_hand, Err(AcquireError::AllInHand { .. })));
    read.signal();
    // Another thread gives it back.
    let give_up = Instant::now() + PATIENCE.unwrap();
    while let Err(error) = pair.producer.acquire(SHORT) {
        assert!(Instant::now() < give_up, "{error}");
        thread::yield_now();
    }
}

#[test]
fn consumer_stays_until_its_device_is_done() {
    let (mut pair, read) = Pair::lent(2, JoinOptions::every_frame(1));
    drop(pair.consumer);
    assert!(pair.producer.acquire(SHORT).is_err());
    assert_eq!(pair.producer.consumers().count(), 1);
    read.signal();
    pair.producer.acquire(PATIENCE).unwrap();
}

#[test]
fn lent_frames_count_against_the_depth() {
    let (mut pair, read) = Pair::lent(4, JoinOptions::latest(1));
    pair.publish();
    let refused = pair.consumer.receive(SHORT);
    assert!(matches!(
        refused,
        Err(ReceiveError::HoldsTooMany { depth: 1, .. })
    ));
    read.signal();
    assert_eq!(pair.consumer.receive(PATIENCE).unwrap().seq(), 2);
}

#[test]
fn nothing_grows_on_reservations() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    for number in 1..=200 {
        let (fill, read) = (work(number), work(number));
        let frame = pair.producer.acquire_async(PATIENCE).unwrap();
        pair.producer
            .publish_when(frame, &info(SIZE as u64), &fill.fence())
            .unwrap();
        let frame = pair.consumer.receive(PATIENCE).unwrap();
        let buffer = frame.buffer().clone();
        frame.release_after(&read.fence());
        for buffer in pair.producer.buffers().iter().chain([&buffer]) {
            let guard = buffer.reservation().lock(&Wait::forever()).unwrap();
            assert!(guard.fences(Usage::Bookkeep).count() <= 4);
        }
        fill.signal();
        read.signal();
    }
}
