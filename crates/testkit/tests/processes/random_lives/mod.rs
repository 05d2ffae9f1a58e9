//! Processes come, go and are killed at random around a stream over a negotiated set, and a small model says what becomes of each.
//! Contracts: N, N5, S2, S4, P5.

mod comparing;
mod model;

use super::world::{Idle, World, assert_complete, assert_refused, every_frame};
use model::{Memory, Needs, Outcome, Wish, camera, index};
use rustix::io::Errno;
use std::thread::sleep;
use std::time::Duration;
use wharf::core::negotiation::ReportKind;
use wharf::core::set::{LatePolicy, Rights};
use wharf::{NegotiatedSet, SeatSpec, Session, SetOptions, Token};
use wharf_testkit::actor::{Behavior, Order, Report, Role, Tally};
use wharf_testkit::{Pattern, Rng, eventually};

/// How long anything may take that happens at once unless something is wrong.
const LONGEST: Duration = Duration::from_secs(20);

const SEQUENCES: u64 = 40;

const STEPS: usize = 25;

const MOST_GUESTS: usize = 4;

/// Longest time after which somebody is killed who is about to join.
const JOIN_TAKES: Duration = Duration::from_millis(8);

struct Guest {
    idle: Idle,
    label: String,
    needs: Needs,
}

/// The processes, and what the model knows of them.
struct Studio {
    world: World,
    session: Session,
    set: NegotiatedSet,
    camera: Idle,
    token: Token,
    pattern: Pattern,
    guests: Vec<Guest>,
    /// Processes that are connected and have no part.
    outside: Vec<Idle>,
    memory: Memory,
    generation: u64,
    /// How many moves may have come to nothing since: each has used up a number.
    given_up: u64,
    names: u64,
    outcomes: [u64; 4],
}

impl Studio {
    fn new(seed: u64) -> Self {
        let world = World::new();
        let session = Session::connect_to(&world.socket(), "recorder").unwrap();
        let options = SetOptions::new("lives")
            .late(LatePolicy::Reallocate)
            .move_deadline(LONGEST);
        let set = session.create_set(&options).unwrap();
        let seat = SeatSpec::expected("camera").rights(Rights::WRITE);
        let seat = set.issue(&seat).unwrap();
        let mut producer = world.enter(Role::Producer, "camera");
        let needs = camera();
        producer
            .actor
            .tell(&Order::TakeSeat { token: seat, needs })
            .unwrap();
        let pattern = Pattern::whole(seed);
        let open = Order::OpenSeated {
            patience_ms: 20_000,
            pattern,
        };
        producer.actor.tell(&open).unwrap();
        let token = producer.actor.token(1000).unwrap();
        producer.actor.tell(&Order::Run { pause_us: 400 }).unwrap();
        let mut studio = Self {
            world,
            session,
            set,
            camera: producer,
            token,
            pattern,
            guests: Vec::new(),
            outside: Vec::new(),
            memory: Memory::for_all(&[]),
            generation: 1,
            given_up: 0,
            names: 0,
            outcomes: [0; 4],
        };
        studio.assert_as_modelled();
        studio
    }

    fn all_needs(&self) -> Vec<Needs> {
        self.guests.iter().map(|guest| guest.needs).collect()
    }

    /// One random step.
    fn step(&mut self, rng: &mut Rng) {
        let is_full = self.guests.len() >= MOST_GUESTS;
        match rng.below(100) {
            0..40 if !is_full => self.join(Needs::random(rng)),
            40..55 if !is_full => {
                let free = self.memory.free(&self.all_needs());
                // More buffers than are left: only a move makes room.
                let needs = Needs {
                    wish: Wish::Aligned { stride: 1, rows: 1 },
                    camping: free + 1,
                    pinned: false,
                };
                self.join(needs)
            }
            55..65 if !is_full => self.kill_joining(Needs::random(rng), rng),
            0..82 if !self.guests.is_empty() => self.leave(index(rng, self.guests.len())),
            _ if !self.guests.is_empty() => {
                let guest = self.guests.swap_remove(index(rng, self.guests.len()));
                sleep(rng.duration_up_to(Duration::from_millis(3)));
                eprintln!("  {} is killed", guest.label);
                guest.idle.actor.kill().unwrap();
            }
            _ => self.join(Needs::random(rng)),
        }
        self.assert_as_modelled();
    }

    fn somebody(&mut self) -> (Idle, String) {
        self.names += 1;
        let label = format!("guest {}", self.names);
        let world = &self.world;
        let idle = self.outside.pop();
        (
            idle.unwrap_or_else(|| world.enter(Role::Consumer, "guest")),
            label,
        )
    }

    fn order_to_join(&self, label: &str, needs: Needs) -> Order {
        let behavior = Behavior::Steady {
            keep: 2,
            hold_us: 200,
        };
        Order::JoinWith {
            terms: every_frame(&self.token, needs.depth(), behavior, self.pattern),
            needs: needs.participant(label),
        }
    }

    fn join(&mut self, needs: Needs) {
        let mut guests = self.all_needs();
        let expected = self.memory.outcome(&guests, needs);
        let (mut idle, label) = self.somebody();
        let report = idle.actor.ask(&self.order_to_join(&label, needs)).unwrap();
        let what = format!("{label} comes with {needs:?}, which is to be {expected:?}");
        eprintln!("  {what}");
        self.outcomes[expected as usize] += 1;
        match expected {
            Outcome::In | Outcome::Moved => {
                assert_eq!(report, Report::Done, "{what}");
                guests.push(needs);
                if expected == Outcome::Moved {
                    self.note_move(&guests);
                }
                self.guests.push(Guest { idle, label, needs });
            }
            Outcome::Busy | Outcome::Conflict => {
                assert_refused(&report, Errno::BUSY, "");
                self.assert_reported(expected, &label);
                self.outside.push(idle);
            }
        }
    }

    /// Takes note that the buffers have moved for these.
    fn note_move(&mut self, guests: &[Needs]) {
        let now = self.set.explain().unwrap().generation.unwrap();
        let possible = self.generation + 1..=self.generation + 1 + self.given_up;
        assert!(possible.contains(&now), "generation {now}, not {possible:?}");
        (self.generation, self.given_up) = (now, 0);
        self.memory = Memory::for_all(guests);
    }

    fn assert_reported(&self, expected: Outcome, label: &str) {
        let report = self.set.explain().unwrap().report.unwrap();
        match (expected, &report.kind) {
            (Outcome::Busy, ReportKind::Busy { blockers, misfit }) => {
                assert_eq!(&*misfit.who.label, label, "{report}");
                let pinned = self.guests.iter().filter(|guest| guest.needs.pinned);
                let mut pinned: Vec<_> = pinned.map(|guest| guest.idle.actor.pid()).collect();
                let mut named: Vec<_> = blockers.iter().filter_map(|blocker| blocker.who.pid).collect();
                pinned.sort_unstable();
                named.sort_unstable();
                assert_eq!(named, pinned, "{report}");
            }
            (Outcome::Conflict, ReportKind::Conflict { conflicts, .. }) => {
                let mut members = conflicts.iter().flat_map(|conflict| &conflict.members);
                assert!(members.any(|member| &*member.who.label == label), "{report}");
            }
            _ => panic!("not {expected:?}: {report}"),
        }
    }

    /// Somebody is killed at a random moment on the way in.
    fn kill_joining(&mut self, needs: Needs, rng: &mut Rng) {
        let mut guests = self.all_needs();
        let expected = self.memory.outcome(&guests, needs);
        let (mut idle, label) = self.somebody();
        idle.actor.order(&self.order_to_join(&label, needs)).unwrap();
        sleep(rng.duration_up_to(JOIN_TAKES));
        let pid = idle.actor.pid();
        eprintln!("  {label} is killed as it comes with {needs:?}, which would be {expected:?}");
        idle.actor.kill().unwrap();
        self.await_gone(pid);
        // Whether it came that far is chance; what follows from either is not.
        if expected == Outcome::Moved {
            if self.set.explain().unwrap().generation == Some(self.generation) {
                self.given_up += 1;
                eprintln!("  and the buffers stay");
            } else {
                guests.push(needs);
                self.note_move(&guests);
                eprintln!("  and the buffers have moved");
            }
        }
    }

    fn leave(&mut self, which: usize) {
        let mut guest = self.guests.swap_remove(which);
        eprintln!("  {} leaves", guest.label);
        let tally = guest.idle.actor.leave().unwrap();
        assert_complete(&tally, tally.last_seq);
        self.outside.push(guest.idle);
    }
}

fn await_tally(idle: &mut Idle, is_enough: impl Fn(&Tally) -> bool) -> Tally {
    eventually(LONGEST, || match idle.actor.tally() {
        Ok(tally) if is_enough(&tally) => Ok(tally),
        Ok(tally) => Err(format!("not yet: {tally:?}")),
        // What it found wrong stays wrong.
        Err(error) => panic!("{error}"),
    })
    .unwrap()
}

#[test]
fn whoever_comes_goes_or_is_killed_at_random_gets_what_the_model_says() {
    let mut outcomes = [0; 4];
    for sequence in 0..SEQUENCES {
        let seed = 0x11fe_5000 + sequence;
        eprintln!("sequence {sequence}, seed {seed:#x}");
        let mut rng = Rng::new(seed);
        let mut studio = Studio::new(seed);
        for _ in 0..STEPS {
            studio.step(&mut rng);
        }
        for (sum, count) in outcomes.iter_mut().zip(studio.finish()) {
            *sum += count;
        }
    }
    // Each thing that can become of somebody did, and more than once.
    eprintln!("in, moved, busy, conflict: {outcomes:?}");
    assert!(outcomes.iter().all(|count| *count >= 10), "{outcomes:?}");
}
