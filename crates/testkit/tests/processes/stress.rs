//! Everything at once, at random, for as long as is asked for: processes come, leave, stop, sleep and are killed while frames flow and
//! the stream moves. Contracts: S1 to S6, N5. `scripts/stress` runs this for ten minutes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wharf_protocol::{Rotation, Token};
use wharf_testkit::actor::{Behavior, Ending, Order, ProducerTerms, Report, Role, Tally};
use wharf_testkit::{Pattern, Rng, eventually};

use super::world::{
    FRAME_BYTES, Idle, PATIENCE, Terms, World, assert_complete, await_state, every_frame, latest,
};

/// How many seconds it lasts.
const SECONDS_ENV: &str = "WHARF_STRESS_SECONDS";
const SMOKE_SECONDS: u64 = 5;

const MOST_GUESTS: usize = 3;
const DEPTH: u32 = 2;
/// Those of two who stay and of the guests, one that is dead and not yet noticed, and the frame being filled.
const BUFFERS: u32 = (2 + MOST_GUESTS as u32 + 1) * DEPTH + 1;
const STEPS: usize = 40;
const LONGEST_STOP: Duration = Duration::from_millis(40);

/// What has happened.
#[derive(Debug, Default)]
struct Summary {
    shows: u64,
    published: u64,
    received: u64,
    joins: u64,
    leaves: u64,
    kills: u64,
    stops: u64,
    moves: u64,
    producers_killed: u64,
}

struct Guest {
    idle: Idle,
    takes_all: bool,
}

/// One stream from its beginning to its end.
struct Show<'a> {
    world: &'a World,
    rng: &'a mut Rng,
    summary: &'a mut Summary,
    pattern: Pattern,
    camera: Idle,
    token: Token,
    encoder: Idle,
    viewer: Idle,
    guests: Vec<Guest>,
}

fn open(rotation: Rotation, pattern: Pattern) -> Order {
    Order::Open(ProducerTerms {
        buffers: BUFFERS,
        size_bytes: FRAME_BYTES,
        max_consumers: 8,
        room_ms: None,
        rotation: Some(rotation),
        pattern,
    })
}

impl<'a> Show<'a> {
    fn begin(world: &'a World, rng: &'a mut Rng, summary: &'a mut Summary) -> Self {
        let pattern = Pattern::whole(rng.next_u64());
        let rotation = if rng.below(2) == 0 {
            Rotation::Always
        } else {
            Rotation::Never
        };
        let mut camera = world.enter(Role::Producer, "camera");
        camera.actor.tell(&open(rotation, pattern)).unwrap();
        let token = camera.actor.token(1000).unwrap();
        let steady = Behavior::Steady {
            keep: 1,
            hold_us: 300,
        };
        let encoder = world.consumer("encoder", &every_frame(&token, DEPTH, steady, pattern));
        let viewer = world.consumer("viewer", &latest(&token, DEPTH, steady, pattern));
        camera.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();
        let mut show = Self {
            world,
            rng,
            summary,
            pattern,
            camera,
            token,
            encoder,
            viewer,
            guests: Vec::new(),
        };
        show.change_pace();
        show
    }

    fn step(&mut self) {
        match self.rng.below(10) {
            0..3 if self.guests.len() < MOST_GUESTS => self.join(),
            3 => self.take_guest(Self::leave),
            4 | 5 => self.take_guest(Self::kill),
            6 | 7 => self.stop_somebody(),
            8 => self.change_pace(),
            _ => self.move_buffers(),
        }
        // Whoever is stuck now stays so: everybody goes on as long as all do what they should.
        self.encoder.await_more(1);
        self.viewer.await_more(1);
    }

    fn change_pace(&mut self) {
        let pause_us = [0, 200, 3000][self.rng.below(3) as usize];
        self.camera.actor.tell(&Order::Run { pause_us }).unwrap();
    }

    fn join(&mut self) {
        let takes_all = self.rng.below(2) == 0;
        let terms: Terms = if takes_all { every_frame } else { latest };
        let behavior = match self.rng.below(3) {
            0 => Behavior::Spinning,
            1 => Behavior::Steady { keep: 1, hold_us: 0 },
            _ => Behavior::Steady {
                keep: 2,
                hold_us: 2000,
            },
        };
        let terms = terms(&self.token, DEPTH, behavior, self.pattern);
        let idle = self.world.consumer("guest", &terms);
        self.guests.push(Guest { idle, takes_all });
        self.summary.joins += 1;
    }

    fn take_guest(&mut self, end: fn(&mut Self, Guest)) {
        if !self.guests.is_empty() {
            let which = self.rng.below(self.guests.len() as u64) as usize;
            let guest = self.guests.swap_remove(which);
            end(self, guest);
        }
    }

    fn leave(&mut self, mut guest: Guest) {
        let tally = guest.idle.actor.leave().unwrap();
        self.count(&tally, guest.takes_all);
        guest.idle.close();
        self.summary.leaves += 1;
    }

    fn kill(&mut self, guest: Guest) {
        sleep(self.rng.duration_up_to(Duration::from_millis(5)));
        guest.idle.actor.kill().unwrap();
        self.summary.kills += 1;
    }

    /// Anybody but the encoder and the viewer, whose progress is looked at.
    fn stop_somebody(&mut self) {
        let which = self.rng.below(self.guests.len() as u64 + 1) as usize;
        let actor = match self.guests.get(which) {
            Some(guest) => &guest.idle.actor,
            None => &self.camera.actor,
        };
        actor.signal(Signal::STOP).unwrap();
        await_state(actor.pid(), 'T');
        sleep(self.rng.duration_up_to(LONGEST_STOP));
        actor.signal(Signal::CONT).unwrap();
        self.summary.stops += 1;
    }

    /// Moves the stream, unless it is moving already.
    fn move_buffers(&mut self) {
        let order = Order::Move {
            size_bytes: FRAME_BYTES,
            buffers: BUFFERS,
            deadline_ms: 20_000,
        };
        let Report::Moving { generation, .. } = self.camera.actor.ask(&order).unwrap() else {
            return;
        };
        let is_over = || match self.camera.actor.ask(&Order::AskMove { generation }) {
            Ok(Report::Moving { committed: true, .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually(PATIENCE, is_over).unwrap();
        self.summary.moves += 1;
    }

    fn count(&mut self, tally: &Tally, takes_all: bool) {
        self.summary.received += tally.received;
        if takes_all && tally.received > 0 {
            assert_complete(tally, tally.last_seq);
        }
    }

    /// Ends the stream in order, or by killing its producer; shows that nobody has lost anything, and that nothing is left over.
    fn end(mut self) {
        self.summary.shows += 1;
        let (ending, at_least) = if self.rng.below(3) == 0 {
            let at_least = self.camera.actor.pause().unwrap();
            self.change_pace();
            self.camera.actor.kill().unwrap();
            self.summary.producers_killed += 1;
            (Ending::ProducerDied, at_least)
        } else {
            let last = self.camera.actor.pause().unwrap();
            self.camera.actor.tell(&Order::Finish).unwrap();
            self.camera.close();
            (Ending::Ended, last)
        };
        let guests = std::mem::take(&mut self.guests);
        let mut all = vec![(self.encoder, true), (self.viewer, false)];
        all.extend(guests.into_iter().map(|guest| (guest.idle, guest.takes_all)));
        let mut last = at_least;
        for (index, (mut idle, takes_all)) in all.into_iter().enumerate() {
            let tally = idle.await_tally("told of the end", |tally| tally.ending.is_some());
            assert_eq!(tally.ending, Some(ending), "{tally:?}");
            if index == 0 {
                assert!(tally.last_seq >= at_least && tally.first_seq == 1, "{tally:?}");
                last = tally.last_seq;
            }
            self.summary.received += tally.received;
            if takes_all && tally.received > 0 {
                assert_complete(&tally, last);
            }
            idle.actor.leave().unwrap();
            idle.close();
        }
        self.summary.published += last;
        self.world.assert_no_streams();
    }
}

#[test]
fn whatever_happens_no_frame_is_torn_lost_or_doubled_and_nobody_is_stuck() {
    let seconds = std::env::var(SECONDS_ENV).map_or(SMOKE_SECONDS, |given| given.parse().unwrap());
    let mut rng = Rng::from_env("stress");
    let time = Duration::from_secs(seconds);
    let (world, mut summary) = (World::lasting(time), Summary::default());
    let started = Instant::now();
    while started.elapsed() < time {
        let mut show = Show::begin(&world, &mut rng, &mut summary);
        for _ in 0..STEPS {
            if started.elapsed() < time {
                show.step();
            }
        }
        show.end();
    }
    eprintln!("{seconds} s: {summary:#?}");
    assert!(summary.shows > 0 && summary.received > 0);
    world.finish();
}
