//! Producers are killed at random moments; their consumers are told, after every frame there was.

use std::thread::sleep;
use std::time::Duration;

use wharf_testkit::actor::{Behavior, Ending, Order, Role, Tally};
use wharf_testkit::{Pattern, Rng};

use super::world::{FRAME_BYTES, Idle, World, assert_complete, every_frame, latest, open};

const KILLS: usize = 60;
/// Producers killed while they allocate, make their stream or before anybody joins.
const EARLY_KILLS: usize = 20;
/// Two consumers of every frame, with depth 2 and 1, one of the latest with depth 2, and two to work with.
const BUFFERS: u32 = 7;

#[test]
fn random_kills_of_producers_end_the_stream_after_its_last_frame() {
    let mut rng = Rng::from_env("kills of producers");
    let world = World::new();
    let mut consumers =
        ["encoder", "second encoder", "viewer"].map(|label| world.enter(Role::Consumer, label));
    let mut frames = 0;
    for _ in 0..KILLS {
        let pattern = Pattern::whole(rng.next_u64());
        let mut producer = world.producer(BUFFERS, pattern);
        join_all(&mut producer, &mut consumers, pattern);
        let pause_us = [0, 100, 2000][usize::try_from(rng.below(3)).unwrap()];
        producer.actor.tell(&Order::Run { pause_us }).unwrap();
        sleep(rng.duration_up_to(Duration::from_millis(15)));
        // Sometimes it is known how far it came at least.
        let at_least = if rng.below(2) == 0 {
            producer.actor.pause().unwrap()
        } else {
            0
        };
        producer.actor.kill().unwrap();
        frames += check_all(&mut consumers, at_least);
        world.assert_no_streams();
    }
    eprintln!("{KILLS} kills of producers after {frames} frames in all");
    consumers.into_iter().for_each(Idle::close);
    world.finish();
}

fn join_all(producer: &mut Idle, consumers: &mut [Idle; 3], pattern: Pattern) {
    let token = producer.actor.token(3).unwrap();
    let holding = Behavior::Steady {
        keep: 2,
        hold_us: 500,
    };
    let all_terms = [
        every_frame(&token, 2, holding, pattern),
        every_frame(&token, 1, Behavior::Spinning, pattern),
        latest(&token, 2, holding, pattern),
    ];
    for (consumer, terms) in consumers.iter_mut().zip(all_terms) {
        consumer.actor.tell(&Order::Join(terms)).unwrap();
    }
    producer
        .actor
        .tell(&Order::AwaitConsumers {
            count: consumers.len(),
        })
        .unwrap();
}

/// Every consumer was told of the death, not of an end in order. Those of every frame agree on the last one and miss none; the one
/// of the latest frames may have passed the last one over while it held others. Returns how many frames there were.
fn check_all(consumers: &mut [Idle; 3], at_least: u64) -> u64 {
    let is_over = |tally: &Tally| tally.ending.is_some();
    let tallies = consumers
        .each_mut()
        .map(|consumer| consumer.await_tally("told of the end", is_over));
    for tally in &tallies {
        assert_eq!(tally.ending, Some(Ending::ProducerDied), "{tally:?}");
    }
    let last = tallies[0].last_seq;
    assert!(
        last >= at_least,
        "{at_least} frames were published, {last} received"
    );
    for tally in &tallies[..2] {
        assert!(last == 0 || tally.first_seq == 1, "{tally:?}");
        assert_eq!(
            (tally.last_seq, tally.received, tally.skipped),
            (last, last, 0),
            "{tally:?}"
        );
    }
    assert!(tallies[2].last_seq <= last, "{tallies:?}");
    for consumer in consumers {
        consumer.actor.leave().unwrap();
    }
    last
}

#[test]
fn producer_killed_before_anybody_came_leaves_nothing() {
    let mut rng = Rng::from_env("early kills of producers");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    for _ in 0..EARLY_KILLS {
        let mut producer = world.enter(Role::Producer, "camera");
        producer
            .actor
            .order(&open(BUFFERS, FRAME_BYTES, pattern))
            .unwrap();
        sleep(rng.duration_up_to(Duration::from_millis(3)));
        producer.actor.kill().unwrap();
        world.assert_no_records();
    }
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(1).unwrap();
    let behavior = Behavior::Steady { keep: 1, hold_us: 0 };
    let mut consumer = world.consumer("encoder", &every_frame(&token, 2, behavior, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 0 }).unwrap();
    consumer.await_more(50);
    let last = producer.actor.pause().unwrap();
    assert_complete(
        &consumer.await_tally("the last frame", |tally| tally.last_seq == last),
        last,
    );
    consumer.close();
    producer.close();
    world.finish();
}
