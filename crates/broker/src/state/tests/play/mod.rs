//! Turns random steps into events that mostly make sense.

mod understanding;

use super::clients::good_seals;
use super::model::QUOTA;
use super::world::World;
use crate::state::{Effect, Event, Inspection, OperationId, PeerId, ReceivedFd};
use wharf_linux::SealFlags;
use wharf_protocol::{BrokerError, Call, EndReason, MoveContract, Register, Reply, Token};
use wharf_stream::timeline::layout::PAGE_BYTES;
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

/// What a peer sends as its page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page {
    Right,
    WrongSize,
    Unsealed,
    NotMemory,
    Missing,
    Twice,
}

/// What a peer calls for. Sets, streams, members and tokens are named by their place among those there are.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Register(String),
    Allocate {
        size_bytes: u64,
        count: u32,
    },
    OfSet(usize, SetAction),
    OfStream(usize, StreamAction),
    Import {
        token: usize,
        contract: Option<MoveContract>,
    },
    /// Of one of those who have a set.
    Take {
        participant: usize,
        which: Which,
    },
    Ready {
        participant: usize,
        which: Which,
        fails: bool,
    },
    LetGo {
        participant: usize,
        which: Which,
    },
    AskGeneration {
        participant: usize,
    },
    Release {
        set: usize,
    },
    Join {
        token: usize,
        depth: u32,
        page: Page,
        stream: Option<u64>,
        contract: Option<MoveContract>,
    },
    Leave {
        member: usize,
        off: u64,
    },
    CreateTimeline {
        page: Page,
    },
    ImportTimeline {
        token: usize,
        cell: u32,
        page: Page,
    },
    OfTimeline(usize, TimelineAction),
    ReleaseTimeline {
        import: usize,
        off: u64,
    },
    Look,
}

#[derive(Clone, Debug)]
pub(super) enum TimelineAction {
    Take { after: u64 },
    Share { uses: u32 },
    Drop,
}

#[derive(Clone, Debug)]
pub(super) enum SetAction {
    Free,
    Create { max: u32, page: Page, room: bool },
    Share { uses: u32 },
    Move { size_bytes: u64, count: u32 },
    AskMove { which: Which },
}

/// Which generation of a set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Next,
    Current,
    Oldest,
    Last(u64),
}

#[derive(Clone, Debug)]
pub(super) enum StreamAction {
    Take { after: u64 },
    Watch,
    End { reason: EndReason },
    Share { uses: u32 },
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Connect {
        uid: u32,
        register: bool,
    },
    /// `entitled`: by whoever may do it, if anybody. `impatient`: even before the call before was answered.
    Call {
        peer: usize,
        action: Action,
        entitled: bool,
        oneway: bool,
        impatient: bool,
    },
    Malformed {
        peer: usize,
        error: BrokerError,
    },
    Disconnect {
        peer: usize,
    },
    Report,
    /// Time passes for one of the moves.
    Alarm,
    Fail {
        next: bool,
    },
}

/// A broker under random events.
pub(super) struct Player {
    world: World,
    peers: Vec<PeerId>,
    tokens: Vec<Token>,
}

fn nth<T: Clone>(mut of: impl DoubleEndedIterator<Item = T>, index: usize) -> Option<T> {
    of.by_ref().rev().nth(index)
}

impl Player {
    pub(super) fn new() -> Self {
        let mut world = World::with_quota(QUOTA);
        let peers: Vec<_> = (0..4).map(|uid| world.client_of(uid % 2, "x")).collect();
        world.hold_reports = true;
        Self {
            world,
            peers,
            tokens: Vec::new(),
        }
    }

    pub(super) fn play(&mut self, step: Step) {
        match step {
            Step::Connect { uid, register } => self.connect(uid, register),
            Step::Call {
                peer,
                action,
                entitled,
                oneway,
                impatient,
            } => {
                let (call, page, owner) = self.understand(action);
                let owner = owner
                    .filter(|_| entitled)
                    .map(|owner| self.world.machine.sessions[&owner].peer);
                let peer = owner.unwrap_or_else(|| self.peer(peer));
                if !impatient {
                    self.world.report_all();
                    if self.world.waiting.contains(&peer) {
                        return;
                    }
                }
                let fds = page.map(|page| self.send(page, &call)).unwrap_or_default();
                self.world.tell(Event::Call {
                    peer,
                    call,
                    oneway,
                    fds,
                });
            }
            Step::Malformed { peer, error } => {
                self.world.tell(Event::Malformed {
                    peer: self.peer(peer),
                    error,
                    oneway: false,
                });
            }
            Step::Disconnect { peer } => self.world.tell(Event::Disconnected {
                peer: self.peer(peer),
            }),
            Step::Report => drop(self.world.report()),
            Step::Alarm => {
                let operation = self.world.alarms.pop_first();
                let operation = operation.map_or(OperationId(0), |(operation, _)| operation);
                self.world.tell(Event::Alarm { operation });
            }
            Step::Fail { next } => self.world.failure = next.then_some(BrokerError::OutOfDescriptors),
        }
        self.collect_tokens();
    }

    fn connect(&mut self, uid: u32, register: bool) {
        let peer = self.world.connect(uid);
        self.peers.push(peer);
        if register {
            self.world.post(
                peer,
                Register {
                    label: "x".to_owned(),
                },
                vec![],
            );
        }
    }

    /// One of the last peers, dead or alive.
    fn peer(&self, index: usize) -> PeerId {
        nth(self.peers.iter().copied(), index).unwrap_or(PeerId(0))
    }

    fn token(&self, index: usize) -> Token {
        nth(self.tokens.iter().cloned(), index).unwrap_or_else(|| Token::new("none"))
    }

    fn send(&mut self, page: Page, call: &Call) -> Vec<ReceivedFd> {
        let size = match call {
            Call::CreateStream(_) => RING_PAGE_BYTES,
            Call::CreateTimeline(_) | Call::ImportTimeline(_) => PAGE_BYTES,
            _ => CONSUMER_PAGE_BYTES,
        };
        let memfd = |size: usize, seals| Inspection::Memfd {
            size_bytes: size as u64,
            seals,
        };
        let right = memfd(size, good_seals());
        let sent = match page {
            Page::Right => vec![right],
            Page::WrongSize => vec![memfd(size + 4096, good_seals())],
            Page::Unsealed => vec![memfd(size, SealFlags::SHRINK)],
            Page::NotMemory => vec![Inspection::Unusable {
                reason: "a pipe".to_owned(),
            }],
            Page::Missing => vec![],
            Page::Twice => vec![right.clone(), right],
        };
        sent.into_iter()
            .map(|inspection| self.world.received(inspection))
            .collect()
    }

    fn collect_tokens(&mut self) {
        for answer in self
            .world
            .answers
            .values_mut()
            .flat_map(|answers| answers.drain(..))
        {
            if let Ok((Reply::IssueToken(reply), _)) = answer {
                self.tokens.push(reply.token);
            }
        }
    }

    /// Everybody goes, and everything that was under way is reported. Returns all effects there were.
    pub(super) fn finish(mut self) -> Vec<Effect> {
        for peer in self.peers.clone() {
            self.world.tell(Event::Disconnected { peer });
        }
        self.world.report_all();
        self.world.assert_empty();
        self.world.history
    }
}
