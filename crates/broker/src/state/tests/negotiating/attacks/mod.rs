//! Guests that mean harm: what they do to others, to the books and to the broker's memory. Contract: P3, P4, P5.

mod accounts;
mod filling;
mod seats;

use wharf_protocol::{LeaveSeat, Token};

use crate::state::tests::world::World;
use crate::state::{Event, PeerId};

const GUEST: u32 = 2000;

fn die(world: &mut World, peer: PeerId) {
    world.tell(Event::Disconnected { peer });
}

fn leave(world: &mut World, peer: PeerId, token: &Token) {
    let token = token.clone();
    world.call(peer, LeaveSeat { token }).unwrap();
}
