//! Deaths of producers, consumers and brokers while others poll. Contract: S4, S7.

use crate::common::player::{Player, orders, role, say, session};
use crate::common::{Fixture, PATIENCE, SOON, info, spec};
use crate::support::{SIZE_BYTES, is_ready, is_ready_now, publish, receive, settle};
use wharf::{JoinOptions, PolledConsumer, ReceiveError, Token};

/// No test, but what other processes do that tests start.
#[test]
fn role_in_another_process() {
    match role().as_deref() {
        Some("producer") => {
            let session = session("camera");
            let set = session.allocate(&spec(SIZE_BYTES, 4)).unwrap();
            let mut producer = session.create_stream("preview", set, 4).unwrap();
            say(producer.token(4).unwrap().reveal());
            for order in orders() {
                if order == "admit" {
                    assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
                    say("admitted");
                } else {
                    publish(&mut producer);
                    say("published");
                }
            }
        }
        Some("consumer") => {
            let token = Token::new(orders().next().unwrap());
            let mut consumer = session("viewer")
                .join(&token, JoinOptions::every_frame(1))
                .unwrap();
            say("joined");
            let held = consumer.receive(PATIENCE).unwrap();
            say(held.seq());
            orders().next();
        }
        _ => {}
    }
}

fn start(fixture: &Fixture, role: &str) -> Player {
    Player::start(
        "deaths::role_in_another_process",
        role,
        fixture.broker.socket_path(),
    )
}

/// A producer in another process that has published a frame, and a consumer here.
fn watched_producer(fixture: &Fixture) -> (Player, PolledConsumer) {
    let mut producer = start(fixture, "producer");
    let token = Token::new(producer.hear());
    let session = fixture.session("viewer");
    let consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    assert_eq!(producer.ask("admit"), "admitted");
    (producer, consumer)
}

#[test]
fn death_of_the_producer_is_ready_after_its_last_frame() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer) = watched_producer(&fixture);
    settle(&mut consumer);
    assert_eq!(producer.ask("publish"), "published");
    producer.kill();
    assert_eq!(receive(&mut consumer).unwrap().seq(), 1);
    assert!(matches!(
        receive(&mut consumer),
        Err(ReceiveError::ProducerDied { .. })
    ));
    assert!(is_ready_now(&consumer), "it stays so");
}

#[test]
fn without_a_broker_frames_go_on_and_the_death_of_the_producer_is_ready() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer) = watched_producer(&fixture);
    settle(&mut consumer);
    drop(fixture);
    assert!(is_ready(&consumer, SOON), "the broker hung up");
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer), "once is enough");
    assert_eq!(producer.ask("publish"), "published");
    assert_eq!(receive(&mut consumer).unwrap().seq(), 1);
    settle(&mut consumer);
    producer.kill();
    assert!(matches!(
        receive(&mut consumer),
        Err(ReceiveError::ProducerDied { .. })
    ));
}

#[test]
fn consumer_whose_broker_dies_before_it_is_let_in_is_told() {
    let fixture = Fixture::new();
    let producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    settle(&mut consumer);
    drop(fixture);
    // What the broker says while it ends may come first.
    let error = receive(&mut consumer).unwrap_err();
    assert!(
        matches!(
            error,
            ReceiveError::Stranded { .. } | ReceiveError::ProducerDied { .. }
        ),
        "{error}"
    );
}

#[test]
fn death_of_a_consumer_gives_a_polling_producer_its_buffers_back_with_and_without_a_broker() {
    for without_broker in [false, true] {
        let fixture = Fixture::new();
        let mut producer = fixture.polled_producer(2);
        let mut consumer = start(&fixture, "consumer");
        assert_eq!(consumer.ask(producer.token(1).unwrap().reveal()), "joined");
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        let frame = producer.try_acquire().unwrap().unwrap();
        producer.publish(frame, &info(100)).unwrap();
        assert_eq!(consumer.hear(), "1");
        while producer.try_acquire().unwrap().is_some() {}
        let broker = (!without_broker).then_some(fixture);
        // It tells once that the broker hung up.
        while is_ready_now(&producer) {
            assert!(producer.try_acquire().unwrap().is_none());
        }
        consumer.kill();
        let frame = loop {
            assert!(is_ready(&producer, SOON), "nobody said that the consumer died");
            if let Some(frame) = producer.try_acquire().unwrap() {
                break frame;
            }
        };
        producer.publish(frame, &info(100)).unwrap();
        drop(broker);
    }
}

#[test]
fn who_is_cut_off_is_told() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let options = JoinOptions::every_frame(1).with_contract(wharf::MoveContract::Revocable);
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, options).unwrap();
    assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
    settle(&mut consumer);
    let to = wharf::Reallocation {
        size_bytes: 20_000,
        count: 4,
        deadline: std::time::Duration::from_millis(50),
        plan: "",
    };
    let generation = producer.begin_move(&to).unwrap();
    while !producer.is_moved(generation).unwrap() {
        drop(producer.acquire(PATIENCE).unwrap());
    }
    assert!(matches!(receive(&mut consumer), Err(ReceiveError::CutOff { .. })));
}
