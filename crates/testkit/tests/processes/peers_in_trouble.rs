//! What the table in `docs/peers-under-stress.md` says and no other test shows.

use rustix::process::Signal;
use std::thread::sleep;
use std::time::Duration;
use wharf_testkit::actor::{Behavior, Ending, Order, Report};
use wharf_testkit::{Pattern, Rng};

use super::world::{Idle, World, assert_complete, await_state, every_frame};

const DEPTH: u32 = 3;
const BUFFERS: u32 = DEPTH + 2;

const STEADY: Behavior = Behavior::Steady { keep: 1, hold_us: 0 };

/// A producer and a consumer that takes every frame, in a world of their own.
fn pair(seed: &str, label: &str, behavior: Behavior) -> (World, Idle, Idle) {
    let pattern = Pattern::whole(Rng::from_env(seed).next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(1).unwrap();
    let consumer = world.consumer(label, &every_frame(&token, DEPTH, behavior, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    (world, producer, consumer)
}

/// Publishes until the only consumer, which takes every frame, has as many as it may.
fn fill_queue(producer: &mut Idle) {
    for _ in 0..=DEPTH {
        let order = Order::PublishOne { patience_ms: 50 };
        if let Report::Blocked { by, .. } = producer.actor.ask(&order).unwrap() {
            assert_eq!(by[0].frames, DEPTH as usize, "{by:?}");
            return;
        }
    }
    panic!("a queue of {DEPTH} is never full");
}

#[test]
fn producer_asleep_goes_on_when_the_consumer_is_killed_that_holds_a_frame_and_has_a_full_queue() {
    let (world, mut producer, mut consumer) = pair("killed with a full queue", "hoarder", Behavior::Hoarding);
    fill_queue(&mut producer);
    consumer.await_tally("holding", |tally| tally.holding > 0);

    let patient = Order::PublishOne { patience_ms: 20_000 };
    producer.actor.order(&patient).unwrap();
    await_state(producer.actor.pid(), 'S');
    consumer.actor.kill().unwrap();
    let report = producer.actor.report().unwrap();
    assert!(matches!(report, Report::Published { .. }), "{report:?}");
    producer.acquire_all(BUFFERS);
    producer.close();
    world.finish();
}

#[test]
fn consumer_asleep_in_an_idle_stream_is_told_that_the_producer_was_killed() {
    let (world, mut producer, mut consumer) = pair("killed producer", "encoder", STEADY);
    let publish = Order::PublishOne { patience_ms: 1000 };
    producer.actor.ask(&publish).unwrap();
    consumer.await_tally("the frame", |tally| tally.received == 1);
    producer.actor.kill().unwrap();
    let told = consumer.await_tally("told", |tally| tally.ending.is_some());
    assert_eq!((told.ending, told.received), (Some(Ending::ProducerDied), 1));
    consumer.close();
    world.finish();
}

#[test]
fn stop_of_a_second_and_a_half_costs_no_frame() {
    let (world, mut producer, mut consumer) = pair("long stop", "encoder", STEADY);
    producer.actor.tell(&Order::Run { pause_us: 1000 }).unwrap();
    consumer.await_more(20);
    consumer.actor.signal(Signal::STOP).unwrap();
    await_state(consumer.actor.pid(), 'T');
    sleep(Duration::from_millis(1500));
    consumer.actor.signal(Signal::CONT).unwrap();
    consumer.await_more(20);
    let last = producer.actor.pause().unwrap();
    let tally = consumer.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&tally, last);
    consumer.close();
    producer.close();
    world.finish();
}

/// Memory of a process that is in use, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn slow_consumer_holds_the_producer_back_loses_nothing_and_takes_no_more_memory() {
    const FRAMES: u64 = 100;
    const ALLOWED_KIB: u64 = 1024;
    let behavior = Behavior::Steady {
        keep: 1,
        hold_us: 20_000,
    };
    let (world, mut producer, mut consumer) = pair("slow consumer", "slow", behavior);
    producer.actor.tell(&Order::Run { pause_us: 0 }).unwrap();
    consumer.await_more(20);
    let pids = [producer.actor.pid(), consumer.actor.pid(), world.broker().pid()];
    let before = pids.map(resident_kib);
    consumer.await_more(FRAMES);
    let after = pids.map(resident_kib);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + ALLOWED_KIB, "from {before} to {after} KiB");
    }
    let last = producer.actor.pause().unwrap();
    let received = consumer.actor.tally().unwrap().received;
    assert!(
        last <= received + u64::from(DEPTH),
        "{last} published, {received} received"
    );
    let tally = consumer.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&tally, last);
    consumer.close();
    producer.close();
    world.finish();
}
