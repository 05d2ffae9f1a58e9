//! Who has left a stream reads no later frames of it. Contract: S5.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use wharf_protocol::Rotation;
use wharf_testkit::actor::{Behavior, Order, ProducerTerms, Role};
use wharf_testkit::{Pattern, Rng, eventually, skip};

use super::world::{
    EXECUTABLE, FRAME_BYTES, Idle, PATIENCE, World, assert_complete, every_frame, spawn_through,
};

const STEADY: Behavior = Behavior::Steady { keep: 1, hold_us: 0 };

/// A camera whose stream moves after such departures, with an encoder that stays.
fn show(rotation: Rotation) -> (World, [Idle; 3], Pattern) {
    let pattern = Pattern::whole(Rng::from_env("rotation").next_u64());
    let world = World::new();
    let mut camera = world.enter(Role::Producer, "camera");
    let terms = ProducerTerms {
        buffers: 7,
        size_bytes: FRAME_BYTES,
        max_consumers: 8,
        room_ms: None,
        rotation: Some(rotation),
        pattern,
    };
    camera.actor.tell(&Order::Open(terms)).unwrap();
    let token = camera.actor.token(9).unwrap();
    let terms = every_frame(&token, 2, STEADY, pattern);
    let mut guest = world.consumer("guest", &terms);
    let encoder = world.consumer("encoder", &terms);
    camera.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();
    camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
    guest.await_more(10);
    (world, [camera, encoder, guest], pattern)
}

/// Shows that the encoder got every frame, and that none lies in a generation before `generation` any more.
fn check(world: &World, camera: &mut Idle, encoder: &mut Idle, generation: u64) {
    encoder.await_tally("in the new memory", |tally| tally.generation == generation);
    encoder.await_more(20);
    let last = camera.actor.pause().unwrap();
    let tally = encoder.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&tally, last);
    assert_eq!(tally.generation, generation);
    let state = world.state();
    assert_eq!(
        (state.sets[0].generation, state.streams[0].rotation_due),
        (generation, false)
    );
}

#[test]
fn stream_moves_when_a_consumer_leaves_and_when_one_is_killed_and_no_frame_is_lost() {
    let (world, [mut camera, mut encoder, mut guest], pattern) = show(Rotation::Always);
    guest.actor.leave().unwrap();
    check(&world, &mut camera, &mut encoder, 2);

    camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
    guest.actor.kill().unwrap();
    // It had left; nobody else departs.
    encoder.await_more(20);
    check(&world, &mut camera, &mut encoder, 2);
    let token = camera.actor.token(1).unwrap();
    let mut second = world.enter(Role::Consumer, "second guest");
    let hoarding = every_frame(&token, 2, Behavior::Hoarding, pattern);
    second.actor.order(&Order::Join(hoarding)).unwrap();
    second.actor.report().unwrap();
    second.actor.kill().unwrap();
    camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
    check(&world, &mut camera, &mut encoder, 3);
    // Nothing of the old generations stays.
    eventually(PATIENCE, || match world.state().sets[0].old.as_slice() {
        [] => Ok(()),
        old => Err(format!("{old:?}")),
    })
    .unwrap();
    encoder.close();
    camera.close();
    world.finish();
}

/// Lets a program run as nobody.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Whether processes of other users can be had.
fn can_be_nobody() -> bool {
    let mut words = AS_NOBODY.into_iter();
    let mut setpriv = Command::new(words.next().unwrap());
    let status = setpriv.args(words).arg(EXECUTABLE).stderr(Stdio::null()).status();
    // The program runs, and misses its arguments.
    status.is_ok_and(|status| status.code() == Some(1) && rustix::process::geteuid().is_root())
}

#[test]
fn stream_moves_by_itself_when_a_consumer_of_another_user_leaves() {
    if !can_be_nobody() {
        return skip("no process of another user: not root, or no setpriv");
    }
    let (world, [mut camera, mut encoder, guest], pattern) = show(Rotation::OtherUsers);
    let socket = world.socket();
    for (path, mode) in [(socket.parent().unwrap(), 0o755), (&socket, 0o666)] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mut stranger = spawn_through(&AS_NOBODY.map(OsStr::new), &Role::Consumer);
    stranger.connect(&socket, "stranger").unwrap();
    let token = camera.actor.token(1).unwrap();
    let terms = every_frame(&token, 2, STEADY, pattern);
    stranger.tell(&Order::Join(terms)).unwrap();
    eventually(PATIENCE, || match stranger.tally().unwrap() {
        tally if tally.received > 10 => Ok(()),
        tally => Err(format!("{tally:?}")),
    })
    .unwrap();
    assert_eq!(world.state().sets[0].generation, 1);
    let tally = stranger.leave().unwrap();
    assert_eq!(tally.generation, 1);
    check(&world, &mut camera, &mut encoder, 2);
    stranger.tell(&Order::Close).unwrap();
    stranger.finish().unwrap();
    for idle in [guest, encoder, camera] {
        idle.close();
    }
    world.finish();
}

#[test]
fn stream_stays_where_it_is_when_a_consumer_of_the_same_user_leaves() {
    let (world, [mut camera, mut encoder, mut guest], _) = show(Rotation::OtherUsers);
    guest.actor.leave().unwrap();
    encoder.await_more(20);
    check(&world, &mut camera, &mut encoder, 1);
    for idle in [guest, encoder, camera] {
        idle.close();
    }
    world.finish();
}
