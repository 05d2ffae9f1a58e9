//! SIGKILL to everybody who can be part of a negotiated set, in every state of it: the others get what the failure domain of the dead says, those
//! whose set is over hear who went away, and nothing is left of anything. Contracts: N, P3, P5, S4.

use rustix::io::Errno;
use wharf::core::negotiation::{Participant, Presence};
use wharf_protocol::{FailureDomain, SetId, SetStatus, Token};
use wharf_testkit::actor::{Order, Report, Role, SeatTerms};
use wharf_testkit::eventually;

use super::negotiation::{TAKE_BUFFERS, needs, sit, writes};
use super::world::{Idle, PATIENCE, World, assert_refused};

/// How far a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its seats are issued, and nobody has taken one.
    Issued,
    /// All but one have said what they need.
    Declared,
    /// All have, and the heap takes its time.
    Allocating,
    /// There is memory, and the one who writes has not asked for it.
    Unmapped,
    /// Everybody has it.
    InUse,
}

const STATES: [State; 5] = [
    State::Issued,
    State::Declared,
    State::Allocating,
    State::Unmapped,
    State::InUse,
];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Creator,
    Writer,
    /// Of the normal domain.
    Reader,
    Dispensable,
    Attached,
    /// Of the normal domain: what can be done without when it does not suit is still missed when it dies.
    Optional,
    /// Attached, and waiting for its buffers.
    Waiting,
}

impl Victim {
    fn domain(self) -> FailureDomain {
        match self {
            Self::Dispensable => FailureDomain::Dispensable,
            Self::Attached | Self::Waiting => FailureDomain::Attached,
            Self::Creator | Self::Writer | Self::Reader | Self::Optional => FailureDomain::Normal,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Creator => "recorder",
            Self::Writer => "camera",
            _ => "viewer",
        }
    }

    /// Whether the set ends with it.
    fn ends_set(self, state: State) -> bool {
        let has_memory = matches!(state, State::Unmapped | State::InUse);
        match self {
            Self::Creator => true,
            // Of somebody who has not come yet nobody knows.
            _ if state == State::Issued => false,
            Self::Writer | Self::Reader | Self::Optional => true,
            Self::Dispensable => !has_memory,
            Self::Attached | Self::Waiting => false,
        }
    }
}

/// A set, and everybody it is to be for. Who is killed is taken out.
struct Scene {
    world: World,
    set: SetId,
    creator: Option<Idle>,
    camera: Option<Idle>,
    viewer: Option<Idle>,
    /// A reader that sees what becomes of the set.
    witness: Idle,
    /// The seats of the camera, the viewer, the witness and the straggler.
    tokens: Vec<Token>,
    viewer_needs: Box<Participant>,
}

impl Scene {
    /// A set that waits for all of them, and for a straggler.
    fn new(victim: Victim) -> Self {
        let world = World::with_gate();
        let mut creator = world.enter(Role::Producer, "recorder");
        let domains = [
            ("camera", FailureDomain::Normal),
            ("viewer", victim.domain()),
            ("witness", FailureDomain::Normal),
            ("straggler", FailureDomain::Normal),
        ];
        let seats = domains.map(|(label, domain)| SeatTerms {
            label: label.to_owned(),
            writes: label == "camera",
            domain,
        });
        let order = Order::CreateSet {
            seats: seats.to_vec(),
        };
        let (set, tokens) = match creator.actor.ask(&order).unwrap() {
            Report::Seats { set, tokens } => (set, tokens),
            other => panic!("{other:?}"),
        };
        let viewer_needs = needs("viewer", 1, 2);
        let viewer_needs = match victim {
            Victim::Optional => Box::new(viewer_needs.presence(Presence::Optional { priority: 1 })),
            _ => viewer_needs,
        };
        Self {
            creator: Some(creator),
            camera: Some(world.enter(Role::Producer, "camera")),
            viewer: Some(world.enter(Role::Consumer, "viewer")),
            witness: world.enter(Role::Consumer, "witness"),
            world,
            set,
            tokens,
            viewer_needs,
        }
    }

    /// Brings the set as far as `state`.
    fn bring_to(&mut self, state: State) {
        if state == State::Issued {
            return;
        }
        self.declare();
        if state == State::Declared {
            return;
        }
        self.world.close_gate();
        self.straggle();
        self.await_status(SetStatus::Sealed);
        if state == State::Allocating {
            return;
        }
        self.world.open_gate();
        self.await_status(SetStatus::Allocated);
        if state == State::InUse {
            let camera = self.camera.as_mut().unwrap();
            camera.actor.tell(&TAKE_BUFFERS).unwrap();
            let viewer = self.viewer.as_mut().unwrap();
            viewer.actor.tell(&TAKE_BUFFERS).unwrap();
            self.witness.actor.tell(&TAKE_BUFFERS).unwrap();
        }
    }

    /// Everybody who is there and has no seat yet says what it needs.
    fn declare(&mut self) {
        if let Some(camera) = &mut self.camera {
            sit(camera, &self.tokens[0], writes(3));
        }
        if let Some(viewer) = &mut self.viewer {
            sit(viewer, &self.tokens[1], self.viewer_needs.clone());
        }
        sit(&mut self.witness, &self.tokens[2], needs("witness", 1, 1));
    }

    /// The last one, whom the set waits for, is taken to be the witness once more.
    fn straggle(&mut self) {
        let mut straggler = self.world.enter(Role::Consumer, "straggler");
        sit(&mut straggler, &self.tokens[3], needs("straggler", 1, 1));
        // It leaves in order, which ends nothing.
        straggler.close();
    }

    fn status(&self) -> Option<SetStatus> {
        let sets = self.world.state().sets;
        let set = sets.into_iter().find(|set| set.set == self.set)?;
        set.negotiation.map(|negotiation| negotiation.status)
    }

    fn await_status(&self, wanted: SetStatus) {
        eventually(PATIENCE, || match self.status() {
            Some(status) if status == wanted => Ok(()),
            status => Err(format!("{status:?} is not {wanted:?}")),
        })
        .unwrap();
    }

    fn kill(&mut self, victim: Victim) {
        let victim = match victim {
            Victim::Creator => self.creator.take(),
            Victim::Writer => self.camera.take(),
            _ => self.viewer.take(),
        };
        victim.unwrap().actor.kill().unwrap();
    }

    /// Those who have seats, and are asked to get their buffers.
    fn survivors(&mut self) -> impl Iterator<Item = &mut Idle> {
        let others = [&mut self.camera, &mut self.viewer];
        let others = others.into_iter().filter_map(Option::as_mut);
        others.chain([&mut self.witness])
    }

    /// Shows that everybody else is told who went away.
    fn assert_over(&mut self, victim: Victim) {
        self.await_status(SetStatus::Failed);
        let reason = format!("'{}' went away", victim.label());
        for survivor in self.survivors() {
            let report = survivor.actor.ask(&TAKE_BUFFERS).unwrap();
            assert_refused(&report, Errno::NODEV, &reason);
        }
    }

    /// Whether somebody pays for memory.
    fn is_charged(&self) -> bool {
        let users = self.world.state().users;
        users
            .iter()
            .any(|user| (user.used.bytes, user.used.buffers) != (0, 0))
    }

    /// Shows that nobody pays any more, once the heap that is still at it has answered: until then there may be memory.
    fn assert_paid_off(&mut self, state: State) {
        if state == State::Allocating {
            assert!(self.is_charged());
            self.world.open_gate();
        }
        eventually(PATIENCE, || match self.is_charged() {
            true => Err("somebody is charged for memory that nobody has"),
            false => Ok(()),
        })
        .unwrap();
    }

    /// Shows that the set comes to buffers for all who are left, or has them. Who writes maps them once only.
    fn assert_goes_on(&mut self, state: State) {
        let skipped = usize::from(state == State::InUse);
        self.survivors()
            .skip(skipped)
            .for_each(|survivor| survivor.actor.tell(&TAKE_BUFFERS).unwrap());
        assert_eq!(self.status(), Some(SetStatus::Allocated));
    }

    /// Shows that nothing is left of anything: records, charges, and the broker's descriptors and mappings.
    fn close(self) {
        let others = [self.creator, self.camera, self.viewer, Some(self.witness)];
        others.into_iter().flatten().for_each(Idle::close);
        self.world.finish();
    }
}

/// Kills somebody in a state of the set, and looks what becomes of it.
fn kill_in(victim: Victim, state: State) {
    eprintln!("{victim:?} in {state:?}");
    let mut scene = Scene::new(victim);
    scene.bring_to(state);
    if victim == Victim::Waiting {
        // Whether the call arrives first or the death makes no difference to anybody.
        scene.viewer.as_mut().unwrap().actor.order(&TAKE_BUFFERS).unwrap();
    }
    scene.kill(victim);
    if victim.ends_set(state) && state == State::Issued {
        return assert_gone(scene);
    }
    if victim.ends_set(state) {
        scene.assert_over(victim);
        scene.assert_paid_off(state);
        return scene.close();
    }
    match state {
        State::Issued => replace(&mut scene, victim),
        State::Declared => scene.straggle(),
        State::Allocating => scene.world.open_gate(),
        State::Unmapped | State::InUse => {}
    }
    scene.assert_goes_on(state);
    scene.close();
}

/// Nobody has a seat: nothing is left of the set, and tokens are good for nothing.
fn assert_gone(mut scene: Scene) {
    eventually(PATIENCE, || match scene.status() {
        None => Ok(()),
        status => Err(format!("{status:?}")),
    })
    .unwrap();
    let order = Order::TakeSeat {
        token: scene.tokens[2].clone(),
        needs: needs("witness", 1, 1),
    };
    let report = scene.witness.actor.ask(&order).unwrap();
    assert_refused(&report, Errno::ACCESS, "token");
    scene.close();
}

/// Somebody else comes with the token of the dead.
fn replace(scene: &mut Scene, victim: Victim) {
    assert_eq!(scene.status(), Some(SetStatus::Open));
    let another = if victim == Victim::Writer {
        scene.world.enter(Role::Producer, victim.label())
    } else {
        scene.world.enter(Role::Consumer, victim.label())
    };
    let place = if victim == Victim::Writer {
        &mut scene.camera
    } else {
        &mut scene.viewer
    };
    *place = Some(another);
    scene.declare();
    scene.straggle();
}

fn kill_in_each_state(victim: Victim) {
    STATES.into_iter().for_each(|state| kill_in(victim, state));
}

#[test]
fn creator_that_is_killed_takes_the_set_along() {
    kill_in_each_state(Victim::Creator);
}

#[test]
fn writer_that_is_killed_takes_the_set_along_once_it_has_come() {
    kill_in_each_state(Victim::Writer);
}

#[test]
fn normal_reader_that_is_killed_takes_the_set_along_once_it_has_come() {
    kill_in_each_state(Victim::Reader);
}

#[test]
fn dispensable_reader_that_is_killed_takes_the_set_along_until_there_is_memory() {
    kill_in_each_state(Victim::Dispensable);
}

#[test]
fn attached_reader_that_is_killed_harms_nobody() {
    kill_in_each_state(Victim::Attached);
}

#[test]
fn optional_reader_that_is_killed_is_missed_as_its_domain_says() {
    kill_in_each_state(Victim::Optional);
}

#[test]
fn reader_that_is_killed_while_it_waits_for_buffers_harms_nobody() {
    for state in [State::Declared, State::Allocating, State::Unmapped] {
        kill_in(Victim::Waiting, state);
    }
}
