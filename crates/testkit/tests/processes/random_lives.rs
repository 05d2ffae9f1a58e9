//! Processes come, go and are killed at random around a stream over a negotiated set, and a small model says what becomes of each.
//! Contracts: N, N5, S2, S4, P5.

use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use wharf::core::AccessMode;
use wharf::core::attachment::Contract;
use wharf::core::constraints::{Buffers, Bytes, Constraints, ImageConstraints, Record, Rows, Size, key};
use wharf::core::layout::{Fourcc, Modifier};
use wharf::core::negotiation::{Function, Participant, ParticipantId, ReportKind};
use wharf::core::set::{LatePolicy, Rights};
use wharf::{NegotiatedSet, SeatSpec, SeatStatus, Session, SetOptions, SetStatus, Token};
use wharf_testkit::actor::{Behavior, Order, Report, Role, Tally};
use wharf_testkit::{Pattern, Rng, eventually};

use super::world::{Idle, World, assert_complete, assert_refused, every_frame};

/// How long anything may take that happens at once unless something is wrong.
const LONGEST: Duration = Duration::from_secs(20);
const SEQUENCES: u64 = 40;
const STEPS: usize = 25;
const WIDTH: u32 = 100;
const HEIGHT: u32 = 50;
const CAMERA_CAMPING: u64 = 4;
const MOST_GUESTS: usize = 4;
/// Longest time after which somebody is killed who is about to join.
const JOIN_TAKES: Duration = Duration::from_millis(8);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    /// Strides and rows that are multiples of this.
    Aligned { stride: u64, rows: u64 },
    /// Buffers smaller than the camera's pictures.
    TooSmall,
    /// Another format than the camera's.
    OtherFormat,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Needs {
    wish: Wish,
    camping: u64,
    pinned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    In,
    Moved,
    Busy,
    Conflict,
}

impl Needs {
    fn random(rng: &mut Rng) -> Self {
        let wish = match rng.below(10) {
            0 => Wish::TooSmall,
            1 => Wish::OtherFormat,
            _ => Wish::Aligned {
                stride: [1, 1, 48, 64, 128][index(rng, 5)],
                rows: [1, 1, 16, 32, 12][index(rng, 5)],
            },
        };
        Self {
            wish,
            camping: 1 + rng.below(3),
            pinned: rng.below(5) == 0,
        }
    }

    fn depth(&self) -> u32 {
        if self.camping == 1 { 1 } else { 2 }
    }

    fn participant(&self, label: &str) -> Box<Participant> {
        let constraints = Constraints::builder().with(key::CAMPING, Buffers(self.camping));
        let constraints = match self.wish {
            Wish::Aligned { stride, rows } => constraints.image(
                picture(Fourcc::NV12)
                    .image(Record::new().with(key::ROWS_ALIGN, Rows(rows)))
                    .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(stride))),
            ),
            Wish::TooSmall => constraints.with(key::MAX_SIZE, Bytes(4096)),
            Wish::OtherFormat => constraints.image(picture(Fourcc::XRGB8888)),
        };
        let contract = if self.pinned {
            Contract::Static
        } else {
            Contract::Dynamic
        };
        let participant = Participant::new(ParticipantId(0), label)
            .access(AccessMode::ReadOnly)
            .contract(contract)
            .function(Function::new("use", constraints.build().unwrap()));
        Box::new(participant)
    }
}

fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len as u64)).unwrap()
}

fn picture(fourcc: Fourcc) -> ImageConstraints {
    let sizes = [Size {
        width: WIDTH,
        height: HEIGHT,
    }];
    let image = Record::new().with(key::REQUIRED_SIZES, sizes.into_iter().collect());
    ImageConstraints::new(fourcc, Modifier::LINEAR).image(image)
}

fn camera() -> Box<Participant> {
    let constraints = Constraints::builder()
        .image(picture(Fourcc::NV12))
        .with(key::CAMPING, Buffers(CAMERA_CAMPING))
        .build()
        .unwrap();
    let camera = Participant::new(ParticipantId(0), "camera")
        .access(AccessMode::ReadWrite)
        .function(Function::new("capture", constraints));
    Box::new(camera)
}

/// The buffers there are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Memory {
    stride: u64,
    rows: u64,
    count: u64,
}

impl Memory {
    /// What suits the camera and these, and nobody else.
    fn for_all(guests: &[Needs]) -> Self {
        let mut aligns = (1, 1);
        let mut count = CAMERA_CAMPING;
        for guest in guests {
            if let Wish::Aligned { stride, rows } = guest.wish {
                aligns = (lcm(aligns.0, stride), lcm(aligns.1, rows));
            }
            count += guest.camping;
        }
        Self {
            stride: u64::from(WIDTH).next_multiple_of(aligns.0),
            rows: u64::from(HEIGHT).next_multiple_of(aligns.1),
            count,
        }
    }

    fn free(&self, guests: &[Needs]) -> u64 {
        let taken: u64 = guests.iter().map(|guest| guest.camping).sum();
        self.count - CAMERA_CAMPING - taken
    }

    /// What becomes of somebody who comes.
    fn outcome(&self, guests: &[Needs], new: Needs) -> Outcome {
        let Wish::Aligned { stride, rows } = new.wish else {
            return Outcome::Conflict;
        };
        let suits = self.stride.is_multiple_of(stride) && self.rows.is_multiple_of(rows);
        if suits && new.camping <= self.free(guests) {
            Outcome::In
        } else if guests.iter().any(|guest| guest.pinned) {
            Outcome::Busy
        } else {
            Outcome::Moved
        }
    }
}

fn lcm(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
}

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

    /// Waits until the broker knows that a process is dead, and nothing moves for it.
    fn await_gone(&self, pid: u32) {
        let is_there = || {
            let state = self.world.state();
            let set = state.sets.iter().find(|set| set.set == self.set.id()).unwrap();
            let status = set.negotiation.as_ref().unwrap().status;
            let is_known = state.sessions.iter().any(|session| session.pid == pid);
            if is_known || status != SetStatus::Allocated || set.moving.is_some() {
                return Err(format!("process {pid} is not gone: {state:#?}"));
            }
            Ok(())
        };
        eventually(LONGEST, is_there).unwrap();
    }

    /// Shows that the broker has what the model says, and that all frames flow to everybody.
    fn assert_as_modelled(&mut self) {
        eventually(LONGEST, || self.compare()).unwrap();
        let plan = self.set.explain().unwrap().plan.unwrap();
        let plane = &plan.image.as_ref().unwrap().planes[0];
        let actual = Memory {
            stride: plane.stride_bytes,
            rows: plane.rows,
            count: plan.count().into(),
        };
        assert_eq!(actual, self.memory, "the plan");
        let generation = self.generation;
        for guest in &mut self.guests {
            let enough = guest.idle.actor.tally().unwrap().received + 2;
            let tally = await_tally(&mut guest.idle, |tally| {
                tally.received >= enough && tally.generation == generation
            });
            assert_complete(&tally, tally.last_seq);
            assert_eq!(tally.ending, None);
        }
    }

    fn compare(&self) -> Result<(), String> {
        let state = self.world.state();
        let set = state.sets.iter().find(|set| set.set == self.set.id()).unwrap();
        let negotiation = set.negotiation.as_ref().unwrap();
        let pid_of = |guest: &Guest| guest.idle.actor.pid();
        let declared = negotiation
            .seats
            .iter()
            .filter(|seat| seat.status == SeatStatus::Declared);
        let mut seats: Vec<_> = declared.map(|seat| (seat.pid, seat.camping.into())).collect();
        let mut wanted = vec![(Some(self.camera.actor.pid()), CAMERA_CAMPING)];
        wanted.extend(
            self.guests
                .iter()
                .map(|guest| (Some(pid_of(guest)), guest.needs.camping)),
        );
        let stream = &state.streams[0];
        let mut members: Vec<_> = stream.members.iter().map(|member| member.pid).collect();
        let mut present: Vec<_> = self.guests.iter().map(pid_of).collect();
        // The recorder and the observer are one process: this.
        let mut sessions: Vec<_> = state.sessions.iter().map(|session| session.pid).collect();
        let here = [std::process::id(), std::process::id(), self.camera.actor.pid()];
        let outside = self.outside.iter().map(|idle| idle.actor.pid());
        let mut alive: Vec<_> = here.into_iter().chain(outside).chain(present.clone()).collect();
        seats.sort_unstable();
        wanted.sort_unstable();
        for pids in [&mut members, &mut present, &mut sessions, &mut alive] {
            pids.sort_unstable();
        }
        let is_settled = negotiation.status == SetStatus::Allocated
            && set.moving.is_none()
            && set.old.is_empty()
            && set.generation == self.generation
            && u64::from(set.count) == self.memory.count;
        if is_settled && seats == wanted && members == present && sessions == alive {
            return Ok(());
        }
        Err(format!(
            "seats {seats:?}, not {wanted:?}; members {members:?}, not {present:?}; sessions {sessions:?}, not {alive:?}; \
             generation {}, {:?}: {set:#?}",
            self.generation, self.memory
        ))
    }

    /// Shows that nobody has missed a frame, and that everything is given back.
    fn finish(mut self) -> [u64; 4] {
        let last = self.camera.actor.pause().unwrap();
        for mut guest in self.guests {
            let tally = await_tally(&mut guest.idle, |tally| tally.last_seq == last);
            assert_complete(&tally, last);
            guest.idle.close();
        }
        for idle in self.outside {
            idle.close();
        }
        self.camera.close();
        drop(self.set);
        drop(self.session);
        self.world.finish();
        self.outcomes
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
