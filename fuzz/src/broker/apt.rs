//! What makes sense as things stand: calls that somebody who follows the rules could make next.

mod buffers;
mod seats;

use super::script::Page;
use super::world::{Chair, World};
use wharf_broker::state::PeerId;
use wharf_protocol::codec::{encode_call, encode_oneway_call};
use wharf_protocol::{Call, GetStateReply, Register, SessionId};

/// How long somebody waits who waits, in milliseconds.
const WAIT_MS: u64 = 900;

/// A call somebody could make, and the page that goes along.
struct Chance {
    peer: PeerId,
    call: Call,
    page: Option<Page>,
}

/// What there is, and who could do something about it.
struct Scene<'a> {
    world: &'a World,
    state: GetStateReply,
    /// What is still to be chosen.
    choices: [usize; 2],
    chances: Vec<Chance>,
}

impl World {
    /// Somebody does what makes sense: the first number chooses what, the second who, and the others how.
    pub(super) fn act_aptly(&mut self, [what, who, how, how_much]: [usize; 4]) {
        let state = self.look();
        let mut scene = Scene {
            world: self,
            state,
            choices: [how, how_much],
            chances: Vec::new(),
        };
        scene.find(what);
        let count = scene.chances.len();
        let Some(index) = who.checked_rem(count) else {
            return;
        };
        let Chance { peer, call, page } = scene.chances.swap_remove(index);
        let encoded = if how == 255 {
            encode_oneway_call(&call)
        } else {
            encode_call(&call)
        };
        self.complete(peer);
        self.push(
            peer,
            &encoded.expect("calls made here are short"),
            page.into_iter().collect(),
        );
    }
}

impl Scene<'_> {
    /// Finds the chances of a kind.
    fn find(&mut self, what: usize) {
        let (often, rarely) = (self.choices[0] % 2 == 0, self.choices[0] % 4 == 0);
        match what % 32 {
            0 | 1 => self.arrivals(),
            2 => self.new_sets(),
            3..=5 => self.new_seats(),
            6..=10 => self.declarations(),
            11..=13 => self.claims(),
            14 => self.looks(),
            15 if often => self.departures(),
            16..=19 => self.turns(),
            20 | 21 => self.releases(),
            22 | 23 => self.new_streams(),
            24 => self.invitations(),
            25 | 26 => self.joins(),
            27 | 28 => self.joins_with_seats(),
            29 if rarely => self.exits(),
            30 => self.seals(),
            31 if rarely => self.ends(),
            _ => self.invitations(),
        }
    }

    fn may(&mut self, peer: PeerId, call: impl Into<Call>, page: Option<Page>) {
        let call = call.into();
        self.chances.push(Chance { peer, call, page });
    }

    /// The peer of a session.
    fn peer(&self, session: SessionId) -> Option<PeerId> {
        let mut sessions = self.state.sessions.iter();
        let pid = sessions.find(|other| other.session == session)?.pid;
        let mut peers = self.world.peers.iter();
        peers
            .find(|(_, peer)| peer.credentials.pid == pid)
            .map(|(id, _)| *id)
    }

    fn registered(&self) -> Vec<PeerId> {
        let sessions = self.state.sessions.iter();
        sessions
            .filter_map(|session| self.peer(session.session))
            .collect()
    }

    /// The seats of sets that there still are.
    fn chairs(&self) -> Vec<Chair> {
        let is_there = |chair: &&Chair| self.state.sets.iter().any(|set| set.set == chair.set);
        self.world.chairs.iter().filter(is_there).cloned().collect()
    }

    fn arrivals(&mut self) {
        let registered = self.registered();
        let strangers = self
            .world
            .peers
            .keys()
            .skip(1)
            .filter(|peer| !registered.contains(peer));
        let strangers: Vec<PeerId> = strangers.copied().collect();
        for peer in strangers {
            let label = "guest".to_owned();
            self.may(peer, Register { label }, None);
        }
    }
}
