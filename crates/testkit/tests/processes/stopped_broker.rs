//! The broker stops and goes on; frames flow all the time, and nobody who comes meanwhile is forgotten. Contract: P6.

use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
use wharf_testkit::actor::{Behavior, Order, Report, Role};
use wharf_testkit::{Pattern, Rng};

use super::world::{World, assert_complete, assert_refused, await_state, every_frame, latest};

const STEADY: Behavior = Behavior::Steady {
    keep: 1,
    hold_us: 100,
};
/// Two consumers of every frame with depth 2, and some to spare.
const BUFFERS: u32 = 9;

#[test]
fn stopped_broker_does_not_stop_the_frames_and_a_join_waits_for_it() {
    let mut rng = Rng::from_env("stopped broker");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(10).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, STEADY, pattern));
    let mut late = world.enter(Role::Consumer, "late");
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    encoder.await_more(10);

    world.broker().signal(Signal::STOP).unwrap();
    await_state(world.broker().pid(), 'T');
    late.actor
        .order(&Order::Join(latest(&token, 2, STEADY, pattern)))
        .unwrap();
    encoder.await_more(100);
    // A join that has been asked for but cannot be answered holds nobody up.
    sleep(Duration::from_millis(300));
    encoder.await_more(100);
    world.broker().signal(Signal::CONT).unwrap();

    assert_eq!(late.actor.report().unwrap(), Report::Done);
    late.await_more(20);
    let last = producer.actor.pause().unwrap();
    assert_complete(
        &encoder.await_tally("the last frame", |tally| tally.last_seq == last),
        last,
    );
    late.await_tally("the last frame", |tally| tally.last_seq == last);
    for idle in [producer, encoder, late] {
        idle.close();
    }
    world.finish();
}

/// The broker stops for longer than a consumer waits to be let in, and then lets it in after all.
#[test]
fn join_that_was_given_up_holds_nobody_up() {
    let pattern = Pattern::whole(Rng::from_env("join given up").next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(10).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, STEADY, pattern));
    let mut late = world.enter(Role::Consumer, "late");
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 1000 }).unwrap();

    world.broker().signal(Signal::STOP).unwrap();
    await_state(world.broker().pid(), 'T');
    let join = Order::Join(every_frame(&token, 2, STEADY, pattern));
    let report = late.actor.ask(&join).unwrap();
    assert_refused(&report, Errno::TIMEDOUT, "did not answer");
    world.broker().signal(Signal::CONT).unwrap();

    encoder.await_more(50);
    late.actor.tell(&join).unwrap();
    late.await_more(20);
    encoder.await_more(20);
    for idle in [producer, encoder, late] {
        idle.close();
    }
    world.finish();
}

/// The broker is stopped at random moments while consumers come and go.
#[test]
fn broker_that_falters_loses_no_frame() {
    let mut rng = Rng::from_env("faltering broker");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(100).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, STEADY, pattern));
    let mut guest = world.enter(Role::Consumer, "guest");
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    for _ in 0..10 {
        guest
            .actor
            .order(&Order::Join(every_frame(&token, 2, STEADY, pattern)))
            .unwrap();
        sleep(rng.duration_up_to(Duration::from_millis(1)));
        world.broker().signal(Signal::STOP).unwrap();
        sleep(rng.duration_up_to(Duration::from_millis(30)));
        world.broker().signal(Signal::CONT).unwrap();
        assert_eq!(guest.actor.report().unwrap(), Report::Done);
        guest.await_more(3);
        guest.actor.leave().unwrap();
    }
    let last = producer.actor.pause().unwrap();
    assert_complete(
        &encoder.await_tally("the last frame", |tally| tally.last_seq == last),
        last,
    );
    for idle in [producer, encoder, guest] {
        idle.close();
    }
    world.finish();
}

/// The broker stops between a join and the producer's question who has joined, for longer than a producer waits for the answer.
#[test]
fn consumer_that_joined_before_the_broker_stopped_is_admitted_when_it_goes_on() {
    let pattern = Pattern::whole(Rng::from_env("stopped before admission").next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(10).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, STEADY, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    let mut late = world.consumer("late", &every_frame(&token, 2, STEADY, pattern));

    world.broker().signal(Signal::STOP).unwrap();
    await_state(world.broker().pid(), 'T');
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    encoder.await_more(100);
    world.broker().signal(Signal::CONT).unwrap();
    late.await_more(20);
    let last = producer.actor.pause().unwrap();
    for consumer in [&mut encoder, &mut late] {
        assert_complete(
            &consumer.await_tally("the last frame", |tally| tally.last_seq == last),
            last,
        );
    }
    for idle in [producer, encoder, late] {
        idle.close();
    }
    world.finish();
}
