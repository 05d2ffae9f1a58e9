//! Processes that are killed while devices work for them.

use std::sync::mpsc;
use wharf::core::{Errno, Fence, FenceStatus, Usage};
use wharf::{JoinOptions, ReadyError, Token};

use crate::common::player::{Player, orders, role, say, session};
use crate::common::{Fixture, PATIENCE, info, spec};
use crate::support::{SHORT, SIZE, work};

/// What a process of its own does, if this is one.
#[test]
fn other_process() {
    let Some(part) = role() else { return };
    let session = session("victim");
    let never = work(1);
    if part == "producer" {
        let buffers = session.allocate(&spec(SIZE as u64, 3)).unwrap();
        let mut producer = session.create_stream("preview", buffers, 8).unwrap();
        say(producer.token(1).unwrap().reveal());
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        let frame = producer.acquire(PATIENCE).unwrap();
        producer
            .publish_when(frame, &info(SIZE as u64), &never.fence())
            .unwrap();
        orders().next();
    } else {
        let token = Token::new(orders().next().unwrap());
        let mut consumer = session.join(&token, JoinOptions::every_frame(1)).unwrap();
        consumer.receive(PATIENCE).unwrap().release_after(&never.fence());
        say("lent");
        orders().next();
    }
}

fn victim(fixture: &Fixture, part: &str) -> Player {
    Player::start("deaths::other_process", part, fixture.broker.socket_path())
}

#[test]
fn contents_of_a_killed_producer_are_bad() {
    for broker_dies in [false, true] {
        let fixture = Fixture::new();
        let victim = victim(&fixture, "producer");
        let token = Token::new(victim.hear());
        let mut consumer = fixture
            .session("viewer")
            .join(&token, JoinOptions::every_frame(2))
            .unwrap();
        let frame = consumer.receive(PATIENCE).unwrap();
        let (sender, told) = mpsc::channel();
        let callback = move |fence: &Fence| sender.send(fence.status()).unwrap();
        assert!(frame.acquire_fence().unwrap().add_callback(callback).is_added());
        let fixture = (!broker_dies).then_some(fixture);
        victim.kill();
        let errno = Errno::EOWNERDEAD;
        assert_eq!(frame.wait_ready(PATIENCE), Err(ReadyError::Bad { seq: 1, errno }));
        assert_eq!(
            told.recv_timeout(PATIENCE.unwrap()),
            Ok(FenceStatus::Failed(errno))
        );
        assert!(frame.buffer().reservation().is_signaled(Usage::Write));
        drop(fixture);
    }
}

#[test]
fn buffer_that_a_killed_consumer_lent_is_filled_again() {
    for asynchronous in [false, true] {
        let fixture = Fixture::new();
        let mut producer = fixture.producer(2);
        let mut victim = victim(&fixture, "consumer");
        victim.order(producer.token(1).unwrap().reveal());
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        let frame = producer.acquire(PATIENCE).unwrap();
        producer.publish(frame, &info(SIZE as u64)).unwrap();
        assert_eq!(victim.hear(), "lent");
        if asynchronous {
            let frame = producer.acquire_async(PATIENCE).unwrap();
            let fence = frame.release_fences()[0].clone();
            let (sender, told) = mpsc::channel();
            let callback = move |fence: &Fence| sender.send(fence.status()).unwrap();
            assert!(fence.add_callback(callback).is_added());
            victim.kill();
            let died = FenceStatus::Failed(Errno::EOWNERDEAD);
            assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(died));
            assert!(frame.wait_idle(PATIENCE));
            producer.publish(frame, &info(SIZE as u64)).unwrap();
        } else {
            assert!(producer.acquire(SHORT).is_err());
            victim.kill();
            producer.acquire(PATIENCE).unwrap();
        }
    }
}
