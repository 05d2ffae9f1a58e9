//! Processes that run out of file descriptors are told so, lose nothing, and work again when there are some.

use rustix::io::Errno;
use wharf_testkit::actor::{Actor, Behavior, Order, Report, Role};
use wharf_testkit::{Pattern, Rng};

use super::world::{FRAME_BYTES, World, assert_complete, every_frame, open};

const BUFFERS: u32 = 5;
const DEPTH: u32 = 2;
/// More than any of the calls needs.
const ENOUGH: u64 = 20;

/// Gives an actor 0, 1, 2, … descriptors until `order` succeeds. Each failure must say what is missing, and `check` what must hold
/// after it. Returns how many were needed.
fn starve(actor: &mut Actor, order: &Order, mut check: impl FnMut(u64)) -> u64 {
    for free in 0..ENOUGH {
        actor.tell(&Order::Starve { free }).unwrap();
        let report = actor.ask(order).unwrap();
        actor.tell(&Order::Feed).unwrap();
        match report {
            Report::Done => return free,
            Report::Refused { errno, message } => {
                assert_eq!(errno, Errno::MFILE.raw_os_error(), "{free} free: {message}");
                eprintln!("{free} free: {message}");
                check(free);
            }
            other => panic!("{free} free: {other:?}"),
        }
    }
    panic!("{ENOUGH} descriptors are not enough for {order:?}");
}

#[test]
fn producer_without_descriptors_is_told_and_can_try_again() {
    let pattern = Pattern::whole(Rng::from_env("starved producer").next_u64());
    let world = World::new();
    let mut producer = world.enter(Role::Producer, "camera");
    let connected = world.state();
    // Nothing may stay: not in the process, not in the broker, whose session goes on.
    let needed = starve(
        &mut producer.actor,
        &open(BUFFERS, FRAME_BYTES, pattern),
        |free| {
            assert_eq!(world.state(), connected, "after failing with {free} free");
        },
    );
    assert!(needed >= u64::from(BUFFERS), "{needed}");
    let token = producer.actor.token(1).unwrap();
    let behavior = Behavior::Steady { keep: 1, hold_us: 0 };
    let mut encoder = world.consumer("encoder", &every_frame(&token, DEPTH, behavior, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 0 }).unwrap();
    encoder.await_more(50);
    encoder.close();
    producer.close();
    world.finish();
}

#[test]
fn consumer_without_descriptors_is_told_and_holds_nobody_up() {
    let pattern = Pattern::whole(Rng::from_env("starved consumer").next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(100).unwrap();
    let behavior = Behavior::Steady { keep: 1, hold_us: 0 };
    let mut encoder = world.consumer("encoder", &every_frame(&token, DEPTH, behavior, pattern));
    let mut late = world.enter(Role::Consumer, "late");
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    let before = world.state();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();

    let join = Order::Join(every_frame(&token, DEPTH, behavior, pattern));
    let needed = starve(&mut late.actor, &join, |free| {
        assert_eq!(world.state(), before, "after failing with {free} free");
        encoder.await_more(20);
    });
    assert!(needed >= u64::from(BUFFERS), "{needed}");
    late.await_more(50);
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

#[test]
fn connecting_without_descriptors_is_refused_clearly() {
    let world = World::new();
    let mut stranger = super::world::spawn(Role::Consumer);
    let connect = Order::Connect {
        socket: world.socket(),
        label: "stranger".to_owned(),
    };
    assert_eq!(starve(&mut stranger.actor, &connect, |_| {}), 1);
    stranger.close();
    world.finish();
}

#[test]
fn producer_without_descriptors_admits_a_newcomer_once_it_has_some() {
    let pattern = Pattern::whole(Rng::from_env("starved while admitting").next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(2).unwrap();
    let behavior = Behavior::Steady { keep: 1, hold_us: 0 };
    producer.actor.tell(&Order::Starve { free: 1 }).unwrap();
    let mut late = world.consumer("late", &every_frame(&token, DEPTH, behavior, pattern));
    // The newcomer must wait, the frames must not.
    let report = producer
        .actor
        .ask(&Order::PublishOne { patience_ms: 1000 })
        .unwrap();
    assert_eq!(report, Report::Published { seq: 1 });
    let Ok(Report::Roster { present, trouble, .. }) = producer.actor.ask(&Order::Roster) else {
        panic!("no roster")
    };
    assert!(present.is_empty(), "{present:?}");
    assert!(trouble.is_some_and(|trouble| trouble.contains("too many open")));
    producer.actor.tell(&Order::Feed).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 1000 }).unwrap();
    late.await_more(20);
    for idle in [late, producer] {
        idle.close();
    }
    world.finish();
}
