//! What a consumer is given, the kernel does not let it write. Contract: S5.

use std::collections::BTreeSet;

use wharf_testkit::actor::{Attempt, Behavior, Order, Report, Role};
use wharf_testkit::{Pattern, Rng};

use super::world::{World, every_frame};

const BUFFERS: u32 = 4;

#[test]
fn consumer_can_write_nothing_of_what_it_is_given() {
    let pattern = Pattern::whole(Rng::from_env("read-only consumer").next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(2).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, Behavior::Hoarding, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    for _ in 0..2 {
        producer
            .actor
            .ask(&Order::PublishOne { patience_ms: 1000 })
            .unwrap();
    }
    encoder.await_tally("holding all it can", |tally| tally.holding == 2);

    let mut intruder = world.enter(Role::Intruder, "intruder");
    let order = Order::Intrude {
        socket: world.socket(),
        token,
    };
    let Report::Attempts(attempts) = intruder.actor.ask(&order).unwrap() else {
        panic!("no attempts")
    };
    assert_all_failed(&attempts);

    // It looks at the frames it holds once more as it leaves, and goes on receiving whole ones.
    assert_eq!(encoder.actor.leave().unwrap().received, 2);
    for idle in [producer, encoder, intruder] {
        idle.close();
    }
    world.finish();
}

fn assert_all_failed(attempts: &[Attempt]) {
    for attempt in attempts {
        assert!(
            attempt.errno.is_some() && attempt.is_unchanged,
            "succeeded: {attempt:?}"
        );
    }
    let targets: BTreeSet<_> = attempts.iter().map(|attempt| attempt.target.as_str()).collect();
    let expected = [
        "buffer 0",
        "buffer 1",
        "buffer 2",
        "buffer 3",
        "ring page",
        "status page",
    ];
    assert!(targets.into_iter().eq(expected));
    eprintln!("{} attacks failed", attempts.len());
}
