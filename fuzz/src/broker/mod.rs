//! What the broker makes of what several peers send, in whatever pieces, and of their hang-ups and deaths.
//!
//! A script (`script`) says what happens. `world` is everything around the broker's state machine: a driver made of plain
//! values. It uses the real codec in both directions, and executes `effects` without a descriptor or a system call.
//!
//! After every event it checks, with the help of `holdings`, `answers` and `listing`, that
//!
//! - each call gets exactly one answer, in order, or none if it wants none, and nobody gets an answer to nothing;
//! - descriptors and status pages are given back once, and never used afterwards;
//! - nobody gets a descriptor that could still be written through, except the owner of fresh buffers;
//! - tokens are honored no more often than they were issued for;
//! - what `GetState` lists agrees with itself, with the descriptors held and with the quotas;
//!
//! and in the end, when all peers are gone, that nothing is left.

mod answers;
mod effects;
mod holdings;
mod listing;
mod operations;
mod peers;
mod script;
mod world;

use std::collections::BTreeSet;

use script::Script;
use world::World;

/// More than this tells nothing new, and is slow.
const MAX_ACTIONS: usize = 400;

/// Plays a script, and returns the names of the methods that were called with success.
pub fn check(script: &[u8]) -> BTreeSet<&'static str> {
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
