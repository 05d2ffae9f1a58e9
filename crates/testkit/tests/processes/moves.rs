//! A stream moves to other buffers while frames flow: no frame is lost or torn, whoever dies or stops, and at whichever step. Contract: N5.

use rustix::io::Errno;
use rustix::process::Signal;
use wharf_protocol::Token;
use wharf_testkit::actor::{Behavior, Ending, MoveStage, Order, ProducerTerms, Report, Role};
use wharf_testkit::{Pattern, Rng, eventually};

use super::world::{
    FRAME_BYTES, Idle, PATIENCE, World, assert_complete, assert_refused, await_state, every_frame, latest,
};

const BUFFERS: u32 = 10;
/// No move in these tests takes this long unless somebody is stopped.
const LONG_MS: u64 = 30_000;
const STEADY: Behavior = Behavior::Steady {
    keep: 2,
    hold_us: 200,
};
const STAGES: [MoveStage; 5] = [
    MoveStage::Offered,
    MoveStage::Taken,
    MoveStage::Ready,
    MoveStage::Committed,
    MoveStage::FirstFrame,
];

/// A camera that runs, an encoder that gets every frame, and a viewer that gets the latest.
struct Show {
    world: World,
    camera: Idle,
    encoder: Idle,
    viewer: Idle,
    token: Token,
    pattern: Pattern,
}

impl Show {
    fn new(name: &str) -> Self {
        let pattern = Pattern::whole(Rng::from_env(name).next_u64());
        let world = World::new();
        let mut camera = world.producer(BUFFERS, pattern);
        let token = camera.actor.token(20).unwrap();
        let encoder = world.consumer("encoder", &every_frame(&token, 3, STEADY, pattern));
        let viewer = world.consumer("viewer", &latest(&token, 2, STEADY, pattern));
        camera.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();
        camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
        let mut show = Self {
            world,
            camera,
            encoder,
            viewer,
            token,
            pattern,
        };
        show.encoder.await_more(20);
        show
    }

    fn another_encoder(&self) -> Idle {
        self.world
            .consumer("another", &every_frame(&self.token, 2, STEADY, self.pattern))
    }

    fn begin_move(&mut self, size_bytes: u64, buffers: u32, deadline_ms: u64) -> u64 {
        let order = Order::Move {
            size_bytes,
            buffers,
            deadline_ms,
        };
        match self.camera.actor.ask(&order).unwrap() {
            Report::Moving { generation, .. } => generation,
            other => panic!("{other:?}"),
        }
    }

    fn how_it_stands(&mut self, generation: u64) -> Report {
        self.camera.actor.ask(&Order::AskMove { generation }).unwrap()
    }

    fn await_committed(&mut self, generation: u64) {
        eventually(PATIENCE, || match self.how_it_stands(generation) {
            Report::Moving { committed: true, .. } => Ok(()),
            Report::Moving { .. } => Err("it is under way"),
            other => panic!("{other:?}"),
        })
        .unwrap();
    }

    /// Shows that frames flow in this generation, and that the encoder has had every one.
    fn assert_flowing_in(&mut self, generation: u64) {
        for consumer in [&mut self.encoder, &mut self.viewer] {
            consumer.await_tally("in the generation", |tally| tally.generation == generation);
            consumer.await_more(20);
            assert_eq!(consumer.actor.tally().unwrap().generation, generation);
        }
        let last = self.camera.actor.pause().unwrap();
        let tally = self
            .encoder
            .await_tally("the last frame", |tally| tally.last_seq == last);
        assert_complete(&tally, last);
        self.viewer
            .await_tally("the last frame", |tally| tally.last_seq == last);
        self.camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
    }

    /// Shows that nothing is left of anything.
    fn finish(self) {
        self.encoder.close();
        self.viewer.close();
        self.camera.close();
        self.world.finish();
    }
}

#[test]
fn stream_moves_again_and_again_without_losing_or_tearing_a_frame() {
    let mut show = Show::new("moves");
    let mut third = show.another_encoder();
    third.await_more(5);
    let (sizes, counts) = ([1, 3 * FRAME_BYTES, FRAME_BYTES], [8, 16, 9, 64]);
    for (round, size_bytes) in sizes.into_iter().cycle().take(12).enumerate() {
        let generation = show.begin_move(size_bytes, counts[round % 4], LONG_MS);
        assert_eq!(generation, round as u64 + 2);
        show.await_committed(generation);
        show.assert_flowing_in(generation);
        third.await_tally("in the generation", |tally| tally.generation == generation);
    }
    let state = show.world.state();
    assert_eq!((state.sets[0].generation, state.sets[0].count), (13, 64));
    assert_eq!(third.actor.tally().unwrap().skipped, 0);
    third.close();
    show.finish();
}

#[test]
fn consumer_that_is_killed_at_any_step_is_not_waited_for() {
    let mut show = Show::new("consumer killed in a move");
    for (round, stage) in STAGES.into_iter().enumerate() {
        let mut victim = show.another_encoder();
        victim.await_more(5);
        victim.actor.tell(&Order::StopAt(stage)).unwrap();
        let generation = show.begin_move(FRAME_BYTES, BUFFERS + round as u32 % 2, LONG_MS);
        await_state(victim.actor.pid(), 'T');
        let is_before_ready = matches!(stage, MoveStage::Offered | MoveStage::Taken);
        if is_before_ready {
            let report = show.how_it_stands(generation);
            assert!(
                matches!(report, Report::Moving { committed: false, .. }),
                "{stage:?}: {report:?}"
            );
        }
        victim.actor.kill().unwrap();
        show.await_committed(generation);
        show.assert_flowing_in(generation);
    }
    show.finish();
}

#[test]
fn producer_that_is_killed_at_any_step_takes_everything_with_it() {
    for stage in STAGES {
        let mut show = Show::new("producer killed in a move");
        show.camera.actor.tell(&Order::StopAt(stage)).unwrap();
        show.begin_move(2 * FRAME_BYTES, BUFFERS, LONG_MS);
        await_state(show.camera.actor.pid(), 'T');
        show.camera.actor.kill().unwrap();
        for consumer in [&mut show.encoder, &mut show.viewer] {
            let tally = consumer.await_tally("over", |tally| tally.ending.is_some());
            assert_eq!(tally.ending, Some(Ending::ProducerDied), "{stage:?}");
        }
        show.world.assert_no_streams();
        show.encoder.close();
        show.viewer.close();
        show.world.finish();
    }
}

#[test]
fn who_joins_during_the_move_takes_part_or_dies_and_is_not_waited_for() {
    let mut show = Show::new("joiner killed in a move");
    for stage in [
        None,
        Some(MoveStage::Offered),
        Some(MoveStage::Taken),
        Some(MoveStage::Ready),
    ] {
        let mut holdup = show.another_encoder();
        holdup.await_more(5);
        holdup.actor.tell(&Order::StopAt(MoveStage::Taken)).unwrap();
        let generation = show.begin_move(FRAME_BYTES, BUFFERS + 2, LONG_MS);
        await_state(holdup.actor.pid(), 'T');
        // It holds up the stream too, which waits for it to take every frame.
        let mut joiner = show.world.enter(Role::Consumer, "joiner");
        let terms = latest(&show.token, 1, STEADY, show.pattern);
        if let Some(stage) = stage {
            joiner.actor.tell(&Order::StopAt(stage)).unwrap();
        }
        joiner.actor.tell(&Order::Join(terms)).unwrap();
        if stage.is_some() {
            await_state(joiner.actor.pid(), 'T');
            joiner.actor.kill().unwrap();
            holdup.actor.signal(Signal::CONT).unwrap();
            show.await_committed(generation);
        } else {
            holdup.actor.signal(Signal::CONT).unwrap();
            show.await_committed(generation);
            joiner.await_tally("in the generation", |tally| tally.generation == generation);
            joiner.close();
        }
        show.assert_flowing_in(generation);
        let tally = holdup.await_tally("in the generation", |tally| tally.generation == generation);
        assert_eq!(tally.skipped, 0);
        holdup.close();
    }
    show.finish();
}

#[test]
fn stopped_consumer_is_named_and_the_stream_goes_on_where_it_was() {
    let mut show = Show::new("stopped in a move");
    let mut current = 1;
    for stage in [MoveStage::Offered, MoveStage::Taken] {
        show.viewer.actor.tell(&Order::StopAt(stage)).unwrap();
        let generation = show.begin_move(2 * FRAME_BYTES, BUFFERS, 500);
        let pid = show.viewer.actor.pid();
        await_state(pid, 'T');
        let report = eventually(PATIENCE, || match show.how_it_stands(generation) {
            Report::Moving { .. } => Err("it is under way"),
            report => Ok(report),
        });
        let text = format!("viewer (pid {pid}, consumer) did not answer in time");
        assert_refused(&report.unwrap(), Errno::BUSY, &text);
        show.viewer.actor.signal(Signal::CONT).unwrap();
        show.assert_flowing_in(current);
        // It was not to blame for long.
        current = show.begin_move(2 * FRAME_BYTES, BUFFERS, LONG_MS);
        show.await_committed(current);
        show.assert_flowing_in(current);
    }
    show.finish();
}

#[test]
fn broker_that_is_killed_during_the_move_leaves_the_stream_where_it_was() {
    for stage in [MoveStage::Offered, MoveStage::Taken] {
        let mut show = Show::new("broker killed in a move");
        show.viewer.actor.tell(&Order::StopAt(stage)).unwrap();
        show.begin_move(2 * FRAME_BYTES, BUFFERS, LONG_MS);
        await_state(show.viewer.actor.pid(), 'T');
        show.world.kill_broker();
        show.viewer.actor.signal(Signal::CONT).unwrap();
        show.assert_flowing_in(1);
        show.encoder.close();
        show.viewer.close();
        show.camera.close();
    }
}

/// A camera that makes room, as soon as somebody needs it, and a viewer.
fn roomy_show(name: &str) -> (World, Idle, Idle, Token, Pattern) {
    let pattern = Pattern::whole(Rng::from_env(name).next_u64());
    let world = World::new();
    let mut camera = world.enter(Role::Producer, "camera");
    let terms = ProducerTerms {
        buffers: 3,
        size_bytes: FRAME_BYTES,
        max_consumers: 8,
        room_ms: Some(4000),
        rotation: None,
        pattern,
    };
    camera.actor.tell(&Order::Open(terms)).unwrap();
    let token = camera.actor.token(9).unwrap();
    let viewer = world.consumer("viewer", &latest(&token, 2, STEADY, pattern));
    camera.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    camera.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
    (world, camera, viewer, token, pattern)
}

#[test]
fn encoder_that_needs_more_buffers_joins_while_the_preview_runs() {
    let (world, mut camera, mut viewer, token, pattern) = roomy_show("late encoder");
    viewer.await_more(20);
    let mut encoder = world.consumer("encoder", &every_frame(&token, 6, STEADY, pattern));
    encoder.await_more(50);
    viewer.await_more(20);
    let last = camera.actor.pause().unwrap();
    let tally = encoder.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&tally, last);
    assert_eq!(tally.generation, 2);
    let viewer_tally = viewer.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_eq!((viewer_tally.generation, viewer_tally.first_seq), (2, 1));
    let state = world.state();
    assert_eq!((state.sets[0].generation, state.sets[0].count), (2, 9));
    for idle in [encoder, viewer, camera] {
        idle.close();
    }
    world.finish();
}

#[test]
fn encoder_that_is_killed_while_room_is_made_or_refused_room_leaves_the_preview_alone() {
    let (world, camera, mut viewer, token, pattern) = roomy_show("late encoder killed");
    viewer.await_more(20);
    viewer.actor.tell(&Order::StopAt(MoveStage::Taken)).unwrap();
    let mut encoder = world.enter(Role::Consumer, "encoder");
    let terms = every_frame(&token, 6, STEADY, pattern);
    encoder.actor.order(&Order::Join(terms.clone())).unwrap();
    await_state(viewer.actor.pid(), 'T');
    encoder.actor.kill().unwrap();
    viewer.actor.signal(Signal::CONT).unwrap();
    viewer.await_tally("in the generation", |tally| tally.generation == 2);
    // The room that was made for the dead is there for the living; more is not made while the viewer does not answer.
    let another = world.consumer("another", &every_frame(&token, 6, STEADY, pattern));
    viewer.actor.tell(&Order::StopAt(MoveStage::Offered)).unwrap();
    let mut refused = world.enter(Role::Consumer, "third");
    refused.actor.order(&Order::Join(terms)).unwrap();
    await_state(viewer.actor.pid(), 'T');
    let text = format!(
        "viewer (pid {}, consumer) did not answer in time",
        viewer.actor.pid()
    );
    assert_refused(&refused.actor.report().unwrap(), Errno::BUSY, &text);
    viewer.actor.signal(Signal::CONT).unwrap();
    viewer.await_more(20);
    assert_eq!(viewer.actor.tally().unwrap().generation, 2);
    for idle in [refused, another, viewer, camera] {
        idle.close();
    }
    world.finish();
}
