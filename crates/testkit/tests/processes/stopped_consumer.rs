//! A consumer of every frame stops; the producer waits, says for whom, and goes on when it does.

use rustix::process::Signal;
use wharf_testkit::actor::{Behavior, Order, Report};
use wharf_testkit::{Pattern, Rng};

use super::world::{Idle, World, assert_complete, await_state, every_frame, latest};

const DEPTH: u32 = 3;
const BUFFERS: u32 = DEPTH + 2 + 1;

#[test]
fn stopped_consumer_blocks_the_producer_is_named_and_resumes_without_loss() {
    let mut rng = Rng::from_env("stopped consumer");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(2).unwrap();
    let behavior = Behavior::Steady {
        keep: 1,
        hold_us: 100,
    };
    let mut encoder = world.consumer("slow encoder", &every_frame(&token, DEPTH, behavior, pattern));
    let mut viewer = world.consumer("viewer", &latest(&token, 2, behavior, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();

    for _ in 0..5 {
        producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
        encoder.await_more(20);
        encoder.actor.signal(Signal::STOP).unwrap();
        await_state(encoder.actor.pid(), 'T');
        producer.actor.pause().unwrap();

        assert_blocked(&mut producer, encoder.actor.pid());
        encoder.actor.signal(Signal::CONT).unwrap();
    }
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    encoder.await_more(20);
    let last = producer.actor.pause().unwrap();
    assert_complete(
        &encoder.await_tally("the last frame", |tally| tally.last_seq == last),
        last,
    );
    viewer.await_tally("the last frame", |tally| tally.last_seq == last);
    encoder.close();
    viewer.close();
    producer.close();
    world.finish();
}

/// Shows that the producer can publish no more frames than a stopped consumer may have, and says why.
fn assert_blocked(producer: &mut Idle, pid: u32) {
    let mut publish = || {
        producer
            .actor
            .ask(&Order::PublishOne { patience_ms: 100 })
            .unwrap()
    };
    let (mut report, mut more) = (publish(), 0);
    while let Report::Published { .. } = report {
        more += 1;
        assert!(
            more <= DEPTH,
            "{more} frames published past a stopped consumer of every frame"
        );
        report = publish();
    }
    let Report::Blocked { message, by } = report else {
        panic!("not blocked: {report:?}")
    };
    let culprit = by.iter().find(|consumer| consumer.pid == pid).unwrap();
    assert_eq!(
        (culprit.label.as_str(), culprit.frames),
        ("slow encoder", 3),
        "{by:?}"
    );
    assert!(
        message.contains(&format!("slow encoder (pid {pid}) has 3")),
        "{message}"
    );
}
