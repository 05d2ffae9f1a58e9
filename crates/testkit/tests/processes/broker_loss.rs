//! The broker dies; frames that flow go on flowing. Contract: P6.

use rustix::io::Errno;
use wharf_testkit::actor::{Behavior, Ending, Order, Report, Role};
use wharf_testkit::{Pattern, Rng, eventually};

use super::world::{Idle, PATIENCE, World, assert_complete, assert_refused, every_frame, latest, spawn};

const STEADY: Behavior = Behavior::Steady {
    keep: 1,
    hold_us: 100,
};
/// Three consumers of every frame with depth 2, one of the latest with depth 2, the frame being filled.
const BUFFERS: u32 = 9;

/// Waits until the producer has dropped a consumer by itself.
fn await_dropped(producer: &mut Idle, pid: u32) {
    let mut departed = Vec::new();
    eventually(PATIENCE, || {
        departed.extend(producer.roster().1);
        let is_it = departed
            .iter()
            .any(|departed| departed.pid == pid && departed.how == "Dropped");
        if is_it {
            Ok(())
        } else {
            Err(format!("{pid} is not among {departed:?}"))
        }
    })
    .unwrap();
}

#[test]
fn frames_flow_and_deaths_are_noticed_after_the_broker_was_killed() {
    let mut rng = Rng::from_env("killed broker");
    let pattern = Pattern::whole(rng.next_u64());
    let mut world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(10).unwrap();
    let join = |label: &str, behavior| world.consumer(label, &every_frame(&token, 2, behavior, pattern));
    let (mut encoder, mut second) = (join("encoder", STEADY), join("second encoder", STEADY));
    let mut hoarder = join("hoarder", Behavior::Hoarding);
    let mut viewer = world.consumer("viewer", &latest(&token, 2, STEADY, pattern));
    let mut late = world.enter(Role::Consumer, "connected, not joined");
    producer.actor.tell(&Order::AwaitConsumers { count: 4 }).unwrap();

    world.kill_broker();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    hoarder.await_tally("holding all it can", |tally| tally.holding == 2);
    let hoarder_pid = hoarder.actor.pid();
    hoarder.actor.kill().unwrap();
    await_dropped(&mut producer, hoarder_pid);
    for consumer in [&mut encoder, &mut second, &mut viewer] {
        consumer.await_more(50);
    }

    let terms = every_frame(&token, 2, STEADY, pattern);
    assert_refused(
        &late.actor.ask(&Order::Join(terms)).unwrap(),
        Errno::PIPE,
        "the broker is gone",
    );
    assert_nobody_comes(&world, &mut producer);
    encoder.await_more(50);

    producer.actor.kill().unwrap();
    assert_told_of_death([encoder, second, viewer]);
    late.close();
}

/// Shows that all are told of the producer's death, and the first two, who get every frame, have the same ones.
fn assert_told_of_death(consumers: [Idle; 3]) {
    let tallies = consumers.map(|mut consumer| {
        let tally = consumer.await_tally("told of the death", |tally| tally.ending.is_some());
        consumer.close();
        tally
    });
    assert!(
        tallies
            .iter()
            .all(|tally| tally.ending == Some(Ending::ProducerDied)),
        "{tallies:?}"
    );
    let last = tallies[0].last_seq;
    tallies[..2].iter().for_each(|tally| assert_complete(tally, last));
}

/// Shows that nobody new can come when the broker is dead, and that everybody is told why.
fn assert_nobody_comes(world: &World, producer: &mut Idle) {
    let mut stranger = spawn(Role::Consumer);
    let connect = Order::Connect {
        socket: world.socket(),
        label: "stranger".to_owned(),
    };
    assert_refused(
        &stranger.actor.ask(&connect).unwrap(),
        Errno::CONNREFUSED,
        "nobody listens",
    );
    stranger.close();
    let report = producer.actor.ask(&Order::IssueToken { uses: 1 }).unwrap();
    assert_refused(&report, Errno::PIPE, "the broker is gone");
}

#[test]
fn consumer_the_producer_never_heard_of_is_told_when_the_broker_dies() {
    let pattern = Pattern::whole(Rng::from_env("stranded consumer").next_u64());
    let mut world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(1).unwrap();
    let mut late = world.consumer("late", &every_frame(&token, 2, STEADY, pattern));
    world.kill_broker();
    let tally = late.await_tally("told of the end", |tally| tally.ending.is_some());
    assert_eq!((tally.ending, tally.received), (Some(Ending::Stranded), 0));
    late.close();
    producer.close();
}

#[test]
fn buffers_of_a_viewer_that_died_after_the_broker_are_back() {
    let pattern = Pattern::whole(Rng::from_env("viewer dead after the broker").next_u64());
    let mut world = World::new();
    let mut producer = world.producer(3, pattern);
    let token = producer.actor.token(1).unwrap();
    let mut viewer = world.consumer("viewer", &latest(&token, 2, Behavior::Hoarding, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    world.kill_broker();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    viewer.await_tally("holding all it can", |tally| tally.holding == 2);
    producer.actor.pause().unwrap();
    let pid = viewer.actor.pid();
    viewer.actor.kill().unwrap();
    producer.acquire_all(3);
    await_dropped(&mut producer, pid);
    producer.close();
}

#[test]
fn new_broker_takes_the_socket_of_a_killed_one() {
    let pattern = Pattern::whole(Rng::from_env("broker after a killed one").next_u64());
    let mut world = World::new();
    let mut old = world.producer(3, pattern);
    world.kill_broker();
    world.start_broker();

    let mut producer = world.producer(3, pattern);
    let token = producer.actor.token(1).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, 2, STEADY, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 100 }).unwrap();
    encoder.await_more(10);
    // What was before it goes on, and cannot be joined; it has to connect anew for that.
    assert!(matches!(
        old.actor.ask(&Order::PublishOne { patience_ms: 1000 }),
        Ok(Report::Published { seq: 1 })
    ));
    assert_refused(
        &old.actor.ask(&Order::IssueToken { uses: 1 }).unwrap(),
        Errno::PIPE,
        "the broker is gone",
    );
    for idle in [old, producer, encoder] {
        idle.close();
    }
    world.finish();
}
