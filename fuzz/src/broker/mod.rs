//! What the broker makes of what several peers send, in whatever pieces, and of their hang-ups and deaths.
//!
//! A script (`script`) says what happens. `world` is everything around the broker's state machine: a driver made of plain
//! values. It uses the real codec in both directions, and executes `effects` without a descriptor or a system call.
//!
//! Most of a script is blind; where that would get nowhere, `apt` looks at what is there and does something that makes sense.
//!
//! After every event it checks, with the help of `holdings`, `answers` and `listing`, that
//!
//! - each call gets exactly one answer, in order, or none if it wants none, and nobody gets an answer to nothing;
//! - descriptors and status pages are given back once, and never used afterwards;
//! - nobody gets a descriptor that could still be written through, except the owner of fresh buffers;
//! - tokens are honored no more often than they were issued for;
//! - whoever waits is answered when the broker goes on with it, and not before;
//! - what `GetState` lists agrees with itself, with the descriptors held and with the quotas;
//!
//! and in the end, when all peers are gone, that nothing is left.

mod answers;
mod apt;
mod effects;
mod holdings;
mod listing;
mod needs;
mod operations;
mod peers;
mod reached;
mod script;
mod waiting;
mod world;

pub use reached::Reached;
use script::Script;
use world::World;

/// More than this tells nothing new, and is slow.
const MAX_ACTIONS: usize = 400;

/// Plays a script, and returns what it got to.
pub fn check(script: &[u8]) -> Reached {
    let mut script = Script::new(script);
    let mut world = World::new();
    for _ in 0..MAX_ACTIONS {
        let Some(action) = script.next_action(world.tokens()) else {
            break;
        };
        world.play(action);
    }
    world.end()
}
