//! What a dead consumer held is in use again.

use wharf_testkit::actor::{Behavior, Order};
use wharf_testkit::{Pattern, Rng};

use super::world::{ACQUIRE_ALL, Terms, World, acquired, every_frame, latest, print_times};

const ROUNDS: usize = 30;
const DEPTH: u32 = 2;
/// Two hoarders, and the frame being filled.
const BUFFERS: u32 = 2 * DEPTH + 1;

/// Each round, two consumers hold all buffers but one, and the producer waits for all when they are killed.
#[test]
fn everything_the_dead_held_can_be_acquired_again() {
    let mut rng = Rng::from_env("re-use after death");
    let pattern = Pattern::whole(rng.next_u64());
    let world = World::new();
    let mut producer = world.producer(BUFFERS, pattern);
    let (mut times_ns, mut told) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let token = producer.actor.token(2).unwrap();
        let policies: [Terms; 2] = match rng.below(3) {
            0 => [every_frame, every_frame],
            1 => [every_frame, latest],
            _ => [latest, latest],
        };
        let mut hoarders = policies
            .map(|policy| world.consumer("hoarder", &policy(&token, DEPTH, Behavior::Hoarding, pattern)));
        producer.actor.tell(&Order::AwaitConsumers { count: 2 }).unwrap();
        producer.actor.tell(&Order::Run { pause_us: 200 }).unwrap();
        for hoarder in &mut hoarders {
            hoarder.await_tally("holding all it can", |tally| tally.holding == 2);
        }
        producer.actor.pause().unwrap();

        producer.actor.order(&ACQUIRE_ALL).unwrap();
        let deaths = hoarders.map(|hoarder| hoarder.actor.kill().unwrap().detectable_ns);
        let at_ns = acquired(producer.actor.report(), BUFFERS);
        times_ns.push(at_ns.saturating_sub(deaths[1]));
        let (present, departed) = producer.roster();
        told += departed.iter().filter(|departed| departed.how == "Gone").count();
        assert!(
            present.is_empty() && departed.len() == 2,
            "{present:?} {departed:?}"
        );
    }
    assert!(told > 0, "the broker never told of a death");
    eprintln!("the broker told of {told} deaths of {}", 2 * ROUNDS);
    print_times("from detectable death to re-use of everything held", times_ns);
    producer.actor.tell(&Order::Finish).unwrap();
    producer.close();
    world.finish();
}
