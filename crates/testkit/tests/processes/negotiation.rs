//! Negotiated sets between real processes: somebody is killed in each state, and whoever comes late moves the buffers under a running
//! stream. Contracts: N, P5, S4.

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
use wharf::core::AccessMode;
use wharf::core::constraints::{Buffers, Bytes, Constraints, key};
use wharf::core::negotiation::{Function, Participant, ParticipantId};
use wharf::core::set::{FailureDomain, LatePolicy, Rights};
use wharf::{NegotiatedSet, SeatSpec, SeatStatus, Session, SetOptions, SetStatus, Token};
use wharf_testkit::actor::{Behavior, MoveStage, Order, Report, Role};
use wharf_testkit::{Pattern, eventually};

use super::world::{FRAME_BYTES, Idle, PATIENCE, World, assert_refused, await_state, every_frame};

const PATIENCE_MS: u64 = 20_000;
const DOMAINS: [FailureDomain; 3] = [
    FailureDomain::Normal,
    FailureDomain::Dispensable,
    FailureDomain::Attached,
];

pub(crate) fn needs(label: &str, min_bytes: u64, camping: u64) -> Box<Participant> {
    let constraints = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(min_bytes))
        .with(key::MAX_SIZE, Bytes(1 << 24))
        .with(key::CAMPING, Buffers(camping))
        .build()
        .unwrap();
    let participant = Participant::new(ParticipantId(0), label)
        .access(AccessMode::ReadOnly)
        .function(Function::new("use", constraints));
    Box::new(participant)
}

pub(crate) fn writes(camping: u64) -> Box<Participant> {
    Box::new(needs("camera", FRAME_BYTES, camping).access(AccessMode::ReadWrite))
}

/// The test as the recorder: it makes the set, and sees how it stands.
struct Recorder {
    session: Session,
    set: NegotiatedSet,
    camera: Token,
    viewer: Token,
}

impl Recorder {
    fn new(world: &World, domain: FailureDomain) -> Self {
        let session = Session::connect_to(&world.socket(), "recorder").unwrap();
        let options = SetOptions::new("preview")
            .late(LatePolicy::Reallocate)
            .move_deadline(Duration::from_secs(20));
        let set = session.create_set(&options).unwrap();
        let camera = SeatSpec::expected("camera").rights(Rights::WRITE);
        let viewer = SeatSpec::expected("viewer").domain(domain);
        Self {
            camera: set.issue(&camera).unwrap(),
            viewer: set.issue(&viewer).unwrap(),
            session,
            set,
        }
    }

    fn await_status(&self, wanted: SetStatus) -> wharf::SetExplanation {
        eventually(PATIENCE, || {
            let explained = self.session.explain(self.set.id()).unwrap();
            if explained.status == wanted {
                Ok(explained)
            } else {
                Err(format!("{explained:#?}"))
            }
        })
        .unwrap()
    }

    fn close(self, world: World) {
        drop(self.set);
        drop(self.session);
        world.finish();
    }
}

pub(crate) fn sit(idle: &mut Idle, token: &Token, needs: Box<Participant>) {
    let token = token.clone();
    idle.actor.tell(&Order::TakeSeat { token, needs }).unwrap();
}

pub(crate) const TAKE_BUFFERS: Order = Order::TakeBuffers {
    patience_ms: PATIENCE_MS,
};

#[test]
fn two_processes_get_buffers_that_suit_both_and_only_one_may_write_them() {
    let world = World::new();
    let recorder = Recorder::new(&world, FailureDomain::Normal);
    let mut camera = world.enter(Role::Producer, "camera");
    let mut viewer = world.enter(Role::Consumer, "viewer");
    sit(&mut camera, &recorder.camera, writes(3));
    let waiting = camera.actor.ask(&Order::TakeBuffers { patience_ms: 50 }).unwrap();
    assert_refused(&waiting, Errno::TIMEDOUT, "viewer");
    let greedy = Order::TakeSeat {
        token: recorder.viewer.clone(),
        needs: writes(1),
    };
    assert_refused(&viewer.actor.ask(&greedy).unwrap(), Errno::ACCESS, "write");
    sit(&mut viewer, &recorder.viewer, needs("viewer", 1, 2));
    camera.actor.tell(&TAKE_BUFFERS).unwrap();
    viewer.actor.tell(&TAKE_BUFFERS).unwrap();
    let explained = recorder.await_status(SetStatus::Allocated);
    let seats: Vec<_> = explained
        .seats
        .iter()
        .map(|seat| (seat.pid, seat.camping))
        .collect();
    assert_eq!(
        seats,
        [
            (None, 0),
            (Some(camera.actor.pid()), 3),
            (Some(viewer.actor.pid()), 2)
        ]
    );
    viewer.close();
    camera.close();
    recorder.close(world);
}

#[test]
fn process_killed_in_each_state_harms_whom_its_domain_says() {
    for domain in DOMAINS {
        for has_memory in [false, true] {
            let world = World::new();
            let recorder = Recorder::new(&world, domain);
            let mut camera = world.enter(Role::Producer, "camera");
            let mut viewer = world.enter(Role::Consumer, "viewer");
            sit(&mut viewer, &recorder.viewer, needs("viewer", 1, 2));
            if has_memory {
                sit(&mut camera, &recorder.camera, writes(3));
                camera.actor.tell(&TAKE_BUFFERS).unwrap();
                viewer.actor.tell(&TAKE_BUFFERS).unwrap();
            }
            let pid = viewer.actor.pid();
            viewer.actor.kill().unwrap();
            let harms = match domain {
                FailureDomain::Normal => true,
                FailureDomain::Dispensable => !has_memory,
                FailureDomain::Attached => false,
            };
            match (harms, has_memory) {
                (true, _) => {
                    let explained = recorder.await_status(SetStatus::Failed);
                    assert!(explained.over.unwrap().contains("viewer"));
                }
                (false, true) => {
                    eventually(PATIENCE, || {
                        let seats = recorder.set.explain().unwrap().seats;
                        let gone = |seat: &wharf::SeatInfo| {
                            seat.pid != Some(pid) || seat.status == SeatStatus::Failed
                        };
                        if seats.iter().all(gone) {
                            Ok(())
                        } else {
                            Err(format!("{seats:?}"))
                        }
                    })
                    .unwrap();
                    recorder.await_status(SetStatus::Allocated);
                }
                (false, false) => {
                    sit(&mut camera, &recorder.camera, writes(3));
                    camera.actor.tell(&TAKE_BUFFERS).unwrap();
                    recorder.await_status(SetStatus::Allocated);
                }
            }
            camera.close();
            recorder.close(world);
        }
    }
}

fn pattern(seed: u64) -> Pattern {
    Pattern {
        seed,
        len_bytes: FRAME_BYTES,
    }
}

/// A stream over a negotiated set with a viewer of every frame in it, running.
fn studio(world: &World, pattern: Pattern) -> (Recorder, Idle, Idle, Token) {
    let recorder = Recorder::new(world, FailureDomain::Dispensable);
    let mut camera = world.enter(Role::Producer, "camera");
    let room = recorder.session.clone();
    sit(&mut camera, &recorder.camera, writes(4));
    // The viewer comes with the stream; nobody waits for its seat.
    drop(room.take_seat(&recorder.viewer, *needs("viewer", 1, 1)).unwrap());
    let open = Order::OpenSeated {
        patience_ms: PATIENCE_MS,
        pattern,
    };
    camera.actor.tell(&open).unwrap();
    let token = camera.actor.token(1000).unwrap();
    camera.actor.tell(&Order::Run { pause_us: 500 }).unwrap();
    let terms = every_frame(&token, 2, Behavior::Steady { keep: 1, hold_us: 0 }, pattern);
    let mut viewer = world.consumer("viewer", &terms);
    viewer.await_more(20);
    (recorder, camera, viewer, token)
}

fn encoder_terms(token: &Token, pattern: Pattern) -> wharf_testkit::actor::ConsumerTerms {
    every_frame(
        token,
        3,
        Behavior::Steady {
            keep: 2,
            hold_us: 200,
        },
        pattern,
    )
}

#[test]
fn encoder_that_comes_late_moves_the_buffers_and_no_frame_is_lost() {
    let pattern = pattern(41);
    let world = World::new();
    let (recorder, mut camera, mut viewer, token) = studio(&world, pattern);
    let before = viewer.actor.tally().unwrap().generation;
    let mut encoder = world.enter(Role::Consumer, "encoder");
    let order = Order::JoinWith {
        terms: encoder_terms(&token, pattern),
        needs: needs("encoder", 2 * FRAME_BYTES, 3),
    };
    encoder.actor.tell(&order).unwrap();
    encoder.await_tally("frames in the new buffers", |tally| {
        tally.received > 50 && tally.generation > before
    });
    viewer.await_tally("frames in the new buffers", |tally| tally.generation > before);
    let last = camera.actor.pause().unwrap();
    let tally = viewer.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_eq!((tally.skipped, tally.received), (0, last - tally.first_seq + 1));
    let explained = recorder.await_status(SetStatus::Allocated);
    assert_eq!(explained.plan.unwrap().size_bytes(), 2 * FRAME_BYTES);
    assert_eq!(encoder.actor.leave().unwrap().skipped, 0);
    encoder.close();
    viewer.close();
    camera.close();
    recorder.close(world);
}

#[test]
fn impossible_latecomer_is_told_why_and_the_preview_goes_on() {
    let pattern = pattern(42);
    let world = World::new();
    let (recorder, camera, mut viewer, token) = studio(&world, pattern);
    let mut odd = world.enter(Role::Consumer, "odd");
    // Smaller than the pictures the camera takes.
    let mut small = needs("odd", 1, 3);
    let constraints = Constraints::builder()
        .with(key::MAX_SIZE, Bytes(4096))
        .with(key::CAMPING, Buffers(3))
        .build()
        .unwrap();
    small.functions = vec![Function::new("scan", constraints)];
    let order = Order::JoinWith {
        terms: encoder_terms(&token, pattern),
        needs: small,
    };
    let report = odd.actor.ask(&order).unwrap();
    assert_refused(&report, Errno::BUSY, "camera");
    viewer.await_more(20);
    assert_eq!(recorder.set.explain().unwrap().status, SetStatus::Allocated);
    odd.close();
    viewer.close();
    camera.close();
    recorder.close(world);
}

/// Whoever is killed while the buffers move: the others have either the old buffers or the new ones, and no frame is lost.
#[test]
fn process_killed_while_the_buffers_move() {
    for (round, victim) in ["viewer", "encoder", "camera"].into_iter().enumerate() {
        let pattern = pattern(43 + round as u64);
        let world = World::new();
        let (recorder, mut camera, mut viewer, token) = studio(&world, pattern);
        viewer.actor.tell(&Order::StopAt(MoveStage::Taken)).unwrap();
        let mut encoder = world.enter(Role::Consumer, "encoder");
        let order = Order::JoinWith {
            terms: encoder_terms(&token, pattern),
            needs: needs("encoder", 2 * FRAME_BYTES, 3),
        };
        encoder.actor.order(&order).unwrap();
        await_state(viewer.actor.pid(), 'T');
        recorder.await_status(SetStatus::Moving);
        match victim {
            "viewer" => {
                viewer.actor.kill().unwrap();
                assert_eq!(encoder.actor.report().unwrap(), Report::Done);
                encoder.await_more(20);
                encoder.close();
                camera.actor.pause().unwrap();
                camera.close();
            }
            "encoder" => {
                encoder.actor.kill().unwrap();
                recorder.await_status(SetStatus::Allocated);
                viewer.actor.signal(Signal::CONT).unwrap();
                viewer.await_more(20);
                viewer.close();
                camera.close();
            }
            _ => {
                camera.actor.kill().unwrap();
                assert!(matches!(encoder.actor.report().unwrap(), Report::Refused { .. }));
                viewer.actor.signal(Signal::CONT).unwrap();
                viewer.await_tally("the end", |tally| tally.ending.is_some());
                encoder.close();
                viewer.close();
            }
        }
        recorder.close(world);
    }
}
