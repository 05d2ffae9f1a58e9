//! Consumers come and go while frames flow.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use wharf_protocol::{Incarnation, Slot, Token};
use wharf_testkit::actor::{Behavior, Order, Report, Role, Tally};
use wharf_testkit::{Pattern, Rng};

use super::world::{Idle, Terms, World, assert_complete, every_frame, latest};

const JOINS: usize = 200;
/// Consumers that come and go.
const GUESTS: usize = 3;
const DEPTH: u32 = 2;
/// The guests', those of the one who stays, and the frame being filled.
const BUFFERS: u32 = (GUESTS as u32 + 1) * DEPTH + 1;

const STEADY: Behavior = Behavior::Steady { keep: 1, hold_us: 0 };

/// Who has which slot, as the broker says, and who had it before.
#[derive(Default)]
struct Slots {
    last_incarnation: Option<Incarnation>,
    users: BTreeMap<Slot, u32>,
}

impl Slots {
    /// Notes the consumer of process `pid`, which joined last of all.
    fn note(&mut self, world: &World, pid: u32) {
        let state = world.state();
        let members: Vec<_> = state.streams.iter().flat_map(|stream| &stream.members).collect();
        let member = members.iter().find(|member| member.pid == pid).unwrap();
        assert!(
            Some(member.incarnation) > self.last_incarnation,
            "{member:?} joined last: {members:?}"
        );
        self.last_incarnation = Some(member.incarnation);
        let sharers = members.iter().filter(|other| other.slot == member.slot).count();
        assert_eq!(sharers, 1, "two have one slot: {members:?}");
        *self.users.entry(member.slot).or_default() += 1;
    }
}

#[test]
fn late_joiners_begin_with_the_next_frame_whole_and_slots_are_used_again() {
    let mut rng = Rng::from_env("late joiners");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(1000).unwrap();
    let mut encoder = world.consumer("encoder", &every_frame(&token, DEPTH, STEADY, pattern));
    producer.actor.tell(&Order::AwaitConsumers { count: 1 }).unwrap();
    producer.actor.tell(&Order::Run { pause_us: 500 }).unwrap();

    let mut guests: Vec<Idle> = (0..GUESTS)
        .map(|_| world.enter(Role::Consumer, "guest"))
        .collect();
    let (slots, stays) = come_and_go(&world, &mut guests, (&token, pattern), &mut rng);

    let last = producer.actor.pause().unwrap();
    let tally = encoder.await_tally("the last frame", |tally| tally.last_seq == last);
    assert_complete(&tally, last);
    check_first_frames(&mut encoder, &stays);
    assert!(
        slots.users.len() <= GUESTS + 1,
        "more slots than consumers: {:?}",
        slots.users
    );
    eprintln!(
        "{JOINS} joins while {last} frames were published; users of each slot: {:?}",
        slots.users
    );
    guests
        .into_iter()
        .chain([encoder, producer])
        .for_each(Idle::close);
    world.finish();
}

/// Lets guests join on random terms, in turn, each leaving before it joins again. Returns their slots and what they saw.
fn come_and_go(
    world: &World,
    guests: &mut [Idle],
    (token, pattern): (&Token, Pattern),
    rng: &mut Rng,
) -> (Slots, Vec<Tally>) {
    let behaviors = [
        STEADY,
        Behavior::Steady {
            keep: 2,
            hold_us: 500,
        },
        Behavior::Spinning,
    ];
    let policies: [Terms; 2] = [every_frame, latest];
    let (mut slots, mut stays) = (Slots::default(), Vec::new());
    for round in 0..JOINS {
        let guest = &mut guests[round % GUESTS];
        if round >= GUESTS {
            stays.push(guest.actor.leave().unwrap());
        }
        let behavior = behaviors[usize::try_from(rng.below(3)).unwrap()];
        let policy = policies[usize::try_from(rng.below(2)).unwrap()];
        guest
            .actor
            .tell(&Order::Join(policy(token, DEPTH, behavior, pattern)))
            .unwrap();
        slots.note(world, guest.actor.pid());
        sleep(rng.duration_up_to(Duration::from_millis(3)));
    }
    guests
        .iter_mut()
        .for_each(|guest| stays.push(guest.actor.leave().unwrap()));
    (slots, stays)
}

/// Compares first frames with when each frame was published, as the one who saw them all knows.
fn check_first_frames(encoder: &mut Idle, stays: &[Tally]) {
    let Ok(Report::History(published)) = encoder.actor.ask(&Order::History) else {
        panic!("no history")
    };
    let published_ns: BTreeMap<u64, u64> = published.into_iter().collect();
    let mut began = 0;
    for stay in stays.iter().filter(|stay| stay.received > 0) {
        began += 1;
        let at_ns = published_ns[&stay.first_seq];
        assert!(
            at_ns >= stay.join_asked_ns,
            "a frame from before it asked to join: {stay:?}"
        );
        if let Some(next) = published_ns.iter().find(|(_, at_ns)| **at_ns > stay.joined_ns) {
            // One that was being published at that moment may have passed the consumer by.
            assert!(stay.first_seq <= next.0 + 1, "{stay:?} missed frame {next:?}");
        }
    }
    assert!(
        began > stays.len() / 2,
        "only {began} of {} ever got a frame",
        stays.len()
    );
}
