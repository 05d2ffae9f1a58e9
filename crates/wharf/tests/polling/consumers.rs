//! Consumers that poll.

use crate::common::{Fixture, SOON};
use crate::support::{is_ready, is_ready_now, publish, publish_many, receive, settle};
use rustix::event::epoll;
use std::time::Duration;
use wharf::{JoinOptions, ReceiveError};

#[test]
fn one_try_each_time_the_descriptor_is_ready_gets_every_frame() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(5);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(3));
    let feeding = std::thread::spawn(move || {
        for number in 0..2000 {
            publish(&mut producer);
            if number % 7 == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        producer.finish().unwrap();
    });
    for seq in 1..=2000 {
        assert_eq!(receive(&mut consumer).unwrap().seq(), seq);
    }
    assert!(matches!(receive(&mut consumer), Err(ReceiveError::Ended { .. })));
    feeding.join().unwrap();
}

#[test]
fn edge_triggered_loop_that_tries_until_nothing_is_found_gets_every_frame() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(5);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(3));
    let edges = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&edges, &consumer, epoll::EventData::new_u64(0), flags).unwrap();
    let feeding = std::thread::spawn(move || publish_many(&mut producer, 2000));
    let mut next = 1;
    while next <= 2000 {
        let mut events = Vec::with_capacity(4);
        let patience = rustix::event::Timespec::try_from(SOON).unwrap();
        let spare = rustix::buffer::spare_capacity(&mut events);
        assert_eq!(
            epoll::wait(&edges, spare, Some(&patience)),
            Ok(1),
            "stuck before {next}"
        );
        while let Ok(Some(frame)) = consumer.try_receive() {
            assert_eq!(frame.seq(), next);
            next += 1;
        }
    }
    feeding.join().unwrap();
}

#[test]
fn descriptor_is_silent_while_there_is_nothing() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(5);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(3));
    assert!(is_ready_now(&consumer), "it has not looked yet");
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
    publish(&mut producer);
    assert!(is_ready(&consumer, SOON));
    assert!(is_ready_now(&consumer), "until somebody has looked");
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
}

#[test]
fn frames_left_behind_by_an_unasked_try_keep_the_descriptor_ready() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(6));
    for count in 1..=6_usize {
        settle(&mut consumer);
        publish_many(&mut producer, count);
        for _ in 0..count {
            // Nobody polls in between.
            assert!(is_ready_now(&consumer), "there are frames");
            assert!(consumer.try_receive().unwrap().is_some());
        }
    }
}

#[test]
fn producer_makes_no_call_for_a_consumer_that_is_awake() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(8);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(6));
    settle(&mut consumer);
    publish_many(&mut producer, 4);
    // Two in a row: it is awake.
    consumer.try_receive().unwrap().unwrap();
    consumer.try_receive().unwrap().unwrap();
    consumer.try_receive().unwrap().unwrap();
    consumer.try_receive().unwrap().unwrap();
    assert!(is_ready_now(&consumer), "rung before, and not silenced");
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
}

#[test]
fn consumer_of_the_latest_frames_is_told_and_skips() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(3);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::latest(1));
    settle(&mut consumer);
    publish_many(&mut producer, 9);
    assert_eq!(receive(&mut consumer).unwrap().seq(), 9);
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer));
}

#[test]
fn who_holds_too_many_frames_is_told_so_and_goes_on_after_dropping_one() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(2));
    publish(&mut producer);
    publish(&mut producer);
    let held = [receive(&mut consumer).unwrap(), receive(&mut consumer).unwrap()];
    assert!(matches!(
        consumer.try_receive(),
        Err(ReceiveError::HoldsTooMany { depth: 2, .. })
    ));
    drop(held);
    publish(&mut producer);
    assert_eq!(receive(&mut consumer).unwrap().seq(), 3);
}

#[test]
fn end_of_the_stream_is_ready_and_stays_so() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::every_frame(2));
    publish(&mut producer);
    settle(&mut consumer);
    producer.finish().unwrap();
    for _ in 0..3 {
        assert!(is_ready(&consumer, SOON));
        assert!(matches!(consumer.try_receive(), Err(ReceiveError::Ended { .. })));
    }
}

#[test]
fn many_streams_share_one_event_loop() {
    let fixture = Fixture::new();
    let mut producers: Vec<_> = (0..8).map(|_| fixture.producer(4)).collect();
    let consumers = producers.iter_mut();
    let mut consumers: Vec<_> = consumers
        .map(|producer| fixture.join_polled(producer, JoinOptions::every_frame(2)))
        .collect();
    let feeding = producers.into_iter().map(|mut producer| {
        std::thread::spawn(move || {
            publish_many(&mut producer, 200);
            producer.finish().unwrap();
        })
    });
    let feeding: Vec<_> = feeding.collect();
    let all = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (index, consumer) in consumers.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&all, consumer, data, epoll::EventFlags::IN).unwrap();
    }
    let mut received = [0; 8];
    let mut running = 8;
    while running > 0 {
        let mut events = Vec::with_capacity(8);
        let patience = rustix::event::Timespec::try_from(SOON).unwrap();
        let spare = rustix::buffer::spare_capacity(&mut events);
        assert_ne!(epoll::wait(&all, spare, Some(&patience)), Ok(0), "{received:?}");
        for event in &events {
            let index = usize::try_from(event.data.u64()).unwrap();
            match consumers[index].try_receive() {
                Ok(Some(frame)) => {
                    received[index] += 1;
                    assert_eq!(frame.seq(), received[index]);
                }
                Ok(None) => {}
                Err(ReceiveError::Ended { .. }) => {
                    running -= 1;
                    epoll::delete(&all, &consumers[index]).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(received, [200; 8]);
    feeding.into_iter().for_each(|thread| thread.join().unwrap());
}
