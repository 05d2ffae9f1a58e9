//! Claiming and taking back at the same moment, as often as possible. Contract: S2.

use std::thread::sleep;
use std::time::Duration;

use wharf_testkit::actor::{Behavior, Order};
use wharf_testkit::{Pattern, Rng};

use super::world::{World, latest, open};

/// As few buffers as viewers of depth 1 allow, so that nearly every frame is taken back from somebody.
const VIEWERS: u32 = 2;
const FRAME_BYTES: u64 = 8192;

#[test]
fn frames_taken_back_while_they_are_claimed_are_never_torn() {
    let pattern = Pattern::whole(Rng::from_env("contention").next_u64());
    let world = World::new();
    let mut producer = world.enter(wharf_testkit::actor::Role::Producer, "camera");
    producer
        .actor
        .tell(&open(VIEWERS + 1, FRAME_BYTES, pattern))
        .unwrap();
    let token = producer.actor.token(VIEWERS).unwrap();
    let terms = latest(&token, 1, Behavior::Spinning, pattern);
    let mut viewers: Vec<_> = (0..VIEWERS).map(|_| world.consumer("viewer", &terms)).collect();
    producer
        .actor
        .tell(&Order::AwaitConsumers { count: viewers.len() })
        .unwrap();
    producer.actor.tell(&Order::Run { pause_us: 0 }).unwrap();
    sleep(Duration::from_secs(2));
    let last = producer.actor.pause().unwrap();
    for viewer in &mut viewers {
        let tally = viewer.await_tally("the last frame", |tally| tally.last_seq == last);
        eprintln!(
            "of {last} frames {} were received and {} skipped",
            tally.received, tally.skipped
        );
        assert_eq!(tally.received + tally.skipped, last);
    }
    viewers
        .into_iter()
        .chain([producer])
        .for_each(super::world::Idle::close);
    world.finish();
}
