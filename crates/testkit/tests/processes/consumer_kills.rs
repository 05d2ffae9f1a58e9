//! Consumers are killed at random moments; the producer and the others go on.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use wharf_protocol::Token;
use wharf_testkit::actor::{Behavior, Order, Report, Role};
use wharf_testkit::{Pattern, Rng};

use super::world::{Idle, Terms, World, assert_complete, every_frame, latest, print_times};

const KILLS: usize = 300;
/// Victims alive at a time.
const VICTIMS: usize = 2;
const VICTIM_DEPTH: u32 = 2;
/// Depths of the survivors: an encoder of every frame, a viewer of the latest ones, and a second viewer.
const SURVIVORS: [u32; 3] = [3, 2, 1];
/// Exactly what the depths and the frame being filled need: a buffer that a dead consumer kept would be missed.
const BUFFERS: u32 = SURVIVORS[0] + SURVIVORS[1] + SURVIVORS[2] + 2 * VICTIM_DEPTH + 1;

/// A consumer that will be killed.
struct Victim {
    idle: Idle,
    /// Whether it has been told to join and not yet said that it has.
    is_joining: bool,
}

impl Victim {
    /// Starts a consumer of random policy and behavior, which joins by itself.
    fn start(world: &World, token: &Token, pattern: Pattern, rng: &mut Rng) -> Self {
        let behavior = match rng.below(4) {
            // Mostly sleeps until the next frame.
            0 => Behavior::Steady { keep: 1, hold_us: 0 },
            // Mostly holds frames.
            1 => Behavior::Steady {
                keep: 2,
                hold_us: 3000,
            },
            // Mostly claims frames.
            2 => Behavior::Spinning,
            // Keeps the producer waiting, if it takes every frame.
            _ => Behavior::Hoarding,
        };
        let policies: [Terms; 2] = [every_frame, latest];
        let policy = policies[usize::try_from(rng.below(2)).unwrap()];
        let terms = policy(token, VICTIM_DEPTH, behavior, pattern);
        let mut idle = world.enter(Role::Consumer, "victim");
        idle.actor.order(&Order::Join(terms)).unwrap();
        Self {
            idle,
            is_joining: true,
        }
    }

    /// Kills it at a random moment: one time in eight while it joins, otherwise while frames flow to it.
    fn kill(mut self, rng: &mut Rng) -> u32 {
        if self.is_joining && rng.below(8) > 0 {
            assert_eq!(self.idle.actor.report().unwrap(), Report::Done, "joining failed");
            self.is_joining = false;
        }
        sleep(rng.duration_up_to(Duration::from_millis(6)));
        let pid = self.idle.actor.pid();
        self.idle.actor.kill().unwrap();
        pid
    }
}

#[test]
fn random_kills_of_consumers_cost_the_others_nothing() {
    let mut rng = Rng::from_env("kills of consumers");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let token = producer.actor.token(1000).unwrap();
    let mut survivors = start_survivors(&world, &token, pattern);
    producer
        .actor
        .tell(&Order::AwaitConsumers {
            count: survivors.len(),
        })
        .unwrap();
    producer.actor.tell(&Order::Run { pause_us: 300 }).unwrap();

    let killed = kill_victims(&world, &token, pattern, &mut rng);
    survivors.iter_mut().for_each(|survivor| survivor.await_more(10));
    let last = producer.actor.pause().unwrap();
    eprintln!("{} kills while {last} frames were published", killed.len());
    check_survivors(survivors, last);
    check_producer(&mut producer, &killed);
    producer.actor.tell(&Order::Finish).unwrap();
    producer.close();
    world.finish();
}

fn start_survivors(world: &World, token: &Token, pattern: Pattern) -> Vec<Idle> {
    let [encoder, viewer, second] = SURVIVORS;
    let holding = Behavior::Steady {
        keep: 2,
        hold_us: 400,
    };
    let terms = [
        ("encoder", every_frame(token, encoder, holding, pattern)),
        ("viewer", latest(token, viewer, holding, pattern)),
        (
            "second viewer",
            latest(
                token,
                second,
                Behavior::Steady {
                    keep: 1,
                    hold_us: 2000,
                },
                pattern,
            ),
        ),
    ];
    terms
        .iter()
        .map(|(label, terms)| world.consumer(label, terms))
        .collect()
}

/// Kills as many as must be, always one of several; returns who they were.
fn kill_victims(world: &World, token: &Token, pattern: Pattern, rng: &mut Rng) -> BTreeSet<u32> {
    let mut victims: Vec<Victim> = Vec::new();
    let mut killed = BTreeSet::new();
    while killed.len() < KILLS {
        while victims.len() < VICTIMS {
            victims.push(Victim::start(world, token, pattern, rng));
        }
        let next = rng.below(u64::try_from(victims.len()).unwrap());
        killed.insert(victims.swap_remove(usize::try_from(next).unwrap()).kill(rng));
    }
    killed.extend(victims.into_iter().map(|victim| victim.kill(rng)));
    killed
}

/// The survivor that gets every frame got every frame; the others got the newest ones in order. What they got was whole: they
/// looked themselves.
fn check_survivors(survivors: Vec<Idle>, last: u64) {
    for (index, mut survivor) in survivors.into_iter().enumerate() {
        let tally = survivor.await_tally("the last frame", |tally| tally.last_seq == last);
        if index == 0 {
            assert_complete(&tally, last);
        }
        assert_eq!(
            tally.received + tally.skipped,
            last - tally.first_seq + 1,
            "{tally:?}"
        );
        assert_eq!((tally.ending, tally.bytes_copied), (None, 0));
        assert_eq!(survivor.actor.leave().unwrap().received, tally.received);
        survivor.close();
    }
}

/// The producer noticed every death of a consumer it had admitted, and has all its buffers back.
fn check_producer(producer: &mut Idle, killed: &BTreeSet<u32>) {
    producer.acquire_all(BUFFERS);
    let Ok(Report::Roster {
        present,
        departed,
        longest_wait_ns,
        bytes_copied,
        trouble,
    }) = producer.actor.ask(&Order::Roster)
    else {
        panic!("no roster");
    };
    assert!(present.is_empty(), "still there: {present:?}");
    let dead: Vec<_> = departed
        .iter()
        .filter(|departed| killed.contains(&departed.pid))
        .collect();
    assert!(dead.iter().all(|dead| dead.how != "Left"), "{dead:?}");
    assert!(
        dead.len() <= killed.len() && dead.len() > killed.len() / 2,
        "{} of {}",
        dead.len(),
        killed.len()
    );
    assert_eq!(departed.len() - dead.len(), SURVIVORS.len());
    // On a busy machine the broker may take longer than the producer waits for it; then it is asked again.
    let trouble = trouble.filter(|trouble| !trouble.contains("did not answer"));
    assert_eq!((bytes_copied, trouble), (0, None));
    print_times("longest wait of the producer for a buffer", vec![longest_wait_ns]);
}
