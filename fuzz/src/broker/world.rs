//! Everything around the state machine: peers, the real codec, and a driver made of plain values.

use std::collections::{BTreeMap, BTreeSet};

use wharf_broker::state::{Effect, Event, Machine, OperationId, PeerId, Settings};
use wharf_protocol::{Amounts, GetState, GetStateReply, Reply, SetId, StreamId, Token};

use super::effects::Turn;
use super::holdings::Holdings;
use super::listing::Listing;
use super::needs::heaps;
use super::operations::Operation;
use super::peers::Peer;
use super::reached::Reached;
use super::script::Action;
use super::waiting::Resumed;

/// Little enough that scripts run into every limit.
const QUOTA: Amounts = Amounts {
    bytes: 8 << 20,
    buffers: 80,
    sessions: 4,
    streams: 2,
    fds: 100,
};

/// The user who runs the broker, and sees everything too.
pub(super) const BROKER_UID: u32 = 1000;

/// Root, who sees everything, and looks after every event.
const OBSERVER: PeerId = PeerId(1);

pub(super) struct World {
    machine: Machine,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) last_peer: u64,
    pub(super) operations: BTreeMap<OperationId, Operation>,
    pub(super) holdings: Holdings,
    /// The things whose time will be up.
    pub(super) alarms: BTreeSet<OperationId>,
    pub(super) tokens: Vec<Token>,
    /// The tokens that are for streams.
    pub(super) tickets: Vec<(StreamId, Token)>,
    /// The seats of negotiated sets.
    pub(super) chairs: Vec<Chair>,
    /// How often each token may still be used.
    pub(super) uses: BTreeMap<String, u32>,
    /// Streams whose producers poll.
    pub(super) polled: BTreeSet<StreamId>,
    /// The user of each stream there ever was.
    pub(super) produced: BTreeMap<StreamId, u32>,
    pub(super) turn: Turn,
    /// The peers whose calls the broker has gone on with.
    pub(super) resumed: BTreeMap<PeerId, Resumed>,
    pub(super) reached: Reached,
}

/// A seat of a negotiated set.
#[derive(Debug, Clone)]
pub(super) struct Chair {
    pub(super) token: Token,
    pub(super) set: SetId,
    pub(super) participant: u64,
    /// Who took it.
    pub(super) holder: Option<PeerId>,
}

impl World {
    pub(super) fn new() -> Self {
        let settings = Settings {
            quota: QUOTA,
            page_bytes: 4096,
            pid: 1,
            uid: BROKER_UID,
        };
        let mut last = 0_u128;
        let random = move || {
            last += 1;
            // A changed byte makes no other token of one.
            let spread = last.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            Ok(spread.to_be_bytes())
        };
        let mut world = Self {
            machine: Machine::new(settings, Box::new(random)).with_heaps(heaps()),
            peers: BTreeMap::new(),
            last_peer: 0,
            operations: BTreeMap::new(),
            holdings: Holdings::default(),
            alarms: BTreeSet::new(),
            tokens: Vec::new(),
            tickets: Vec::new(),
            chairs: Vec::new(),
            uses: BTreeMap::new(),
            polled: BTreeSet::new(),
            produced: BTreeMap::new(),
            turn: Turn::default(),
            resumed: BTreeMap::new(),
            reached: Reached::default(),
        };
        assert_eq!(world.connect(0), OBSERVER);
        world
    }

    /// The tokens issued so far.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(super) fn play(&mut self, action: Action) {
        match action {
            Action::Connect { user } => {
                self.connect([BROKER_UID, 1001, 1002][user]);
            }
            Action::Vanish { peer } => {
                if let Some(peer) = self.peer(peer) {
                    self.vanish(peer);
                }
            }
            Action::Send {
                peer,
                pieces: [first, second],
                pages,
            } => {
                if let Some(peer) = self.peer(peer) {
                    self.complete(peer);
                    self.push(peer, &first, pages);
                    self.owe(peer, second);
                }
            }
            Action::Complete { peer } => {
                if let Some(peer) = self.peer(peer) {
                    self.complete(peer);
                }
            }
            Action::Report { operation, succeeds } => {
                let ids: Vec<OperationId> = self.operations.keys().copied().collect();
                if !ids.is_empty() {
                    self.report(ids[operation % ids.len()], succeeds);
                }
            }
            Action::Alarm { operation } => self.ring_alarm(operation),
            Action::Apt { choices } => self.act_aptly(choices),
            Action::Echo { peer, pages } => self.echo(PeerId(peer as u64), pages),
        }
        self.serve_resumed();
    }

    /// Lets everybody go, and checks that nothing is left. Returns what was got to.
    pub(super) fn end(mut self) -> Reached {
        while let Some(peer) = self.peer(0) {
            self.vanish(peer);
            self.serve_resumed();
        }
        while let Some(operation) = self.operations.keys().next().copied() {
            self.report(operation, true);
        }
        assert!(
            self.alarms.is_empty() || !self.chairs.is_empty(),
            "nobody is left whose time could be up"
        );
        // A negotiated set stays a while for those who are on their way.
        while !self.alarms.is_empty() {
            self.ring_alarm(0);
        }
        self.holdings.assert_empty();
        let state = self.look();
        assert!(
            state.sessions.is_empty() && state.sets.is_empty() && state.streams.is_empty(),
            "{state:?}"
        );
        assert_eq!(
            state.users.len(),
            1,
            "only the observer is left: {:?}",
            state.users
        );
        self.reached
    }

    /// Delivers an event, executes its effects, and looks whether everything is still right.
    pub(super) fn tell(&mut self, event: Event) {
        for effect in self.machine.handle(event) {
            self.execute(effect);
        }
        let state = self.look();
        let listing = Listing::new(&state);
        listing.check_references();
        listing.check_pages(&self.holdings);
        listing.check_users(QUOTA);
        if self.operations.is_empty() {
            let charged = self.holdings.count() - self.kept_by_waiting();
            listing.check_totals(self.peers.len(), charged, self.holdings.buffer_bytes());
        }
        self.reached.note_sets(&state);
    }

    /// What the observer sees.
    pub(super) fn look(&mut self) -> GetStateReply {
        let call = Event::Call {
            peer: OBSERVER,
            call: GetState {}.into(),
            oneway: false,
            fds: Vec::new(),
        };
        let mut effects = self.machine.handle(call);
        match (effects.pop(), effects.as_slice()) {
            (
                Some(Effect::Reply {
                    peer: OBSERVER,
                    reply: Reply::GetState(state),
                    ..
                }),
                [],
            ) => state,
            other => panic!("{other:?}"),
        }
    }
}
