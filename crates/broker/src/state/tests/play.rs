//! Turns random steps into events that mostly make sense.

use wharf_linux::SealFlags;
use wharf_protocol::{
    AllocateBuffers, BrokerError, Call, CreateStream, CreateTimeline, DropTimeline, EndReason, EndStream,
    FreeBuffers, GetGeneration, GetMove, GetState, ImportBuffers, ImportTimeline, Incarnation, IssueToken,
    JoinStream, LeaveStream, MoveBuffers, MoveContract, ObjectKind, Policy, ReadyGeneration, Register,
    ReleaseGeneration, ReleaseImport, ReleaseTimeline, Reply, Role, Seat, SessionId, SetId, Slot, StreamId,
    TakeChanges, TakeGeneration, TakeImporters, TimelineId, Token,
};
use wharf_stream::timeline::layout::PAGE_BYTES;
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::clients::good_seals;
use super::model::QUOTA;
use super::world::World;
use crate::state::generations::Participant;
use crate::state::sets::BufferSet;
use crate::state::{Effect, Event, Inspection, OperationId, PeerId, ReceivedFd};

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

/// A call, its page, and who may make it.
type Understood = (Call, Option<Page>, Option<SessionId>);

/// A set as somebody has it.
struct Share<'a> {
    set: SetId,
    of: &'a BufferSet,
    role: Role,
    seat: Option<Seat>,
}

impl Share<'_> {
    fn which(&self, which: Which) -> u64 {
        which_of(self.of, which)
    }
}

fn which_of(set: &BufferSet, which: Which) -> u64 {
    match which {
        Which::Next => set.newest,
        Which::Current => set.current.number,
        Which::Oldest => set.old.first().map_or(1, |old| old.generation.number),
        Which::Last(back) => set.newest.saturating_sub(back),
    }
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

    fn understand(&self, action: Action) -> Understood {
        let name = String::new();
        match action {
            Action::Register(label) => (Register { label }.into(), None, None),
            Action::Look => (GetState {}.into(), None, None),
            Action::Allocate { size_bytes, count } => (
                AllocateBuffers {
                    name,
                    size_bytes,
                    count,
                }
                .into(),
                None,
                None,
            ),
            Action::OfSet(index, action) => self.of_set(index, action),
            Action::OfStream(index, action) => self.of_stream(index, action),
            Action::Import { token, contract } => (
                ImportBuffers {
                    token: self.token(token),
                    contract,
                }
                .into(),
                None,
                None,
            ),
            Action::Release { set } => self.release(set),
            Action::Join {
                token,
                depth,
                page,
                stream,
                contract,
            } => {
                let (token, stream) = (self.token(token), stream.map(StreamId));
                (
                    JoinStream {
                        stream,
                        contract,
                        ..JoinStream::new(token, depth, Policy::Latest)
                    }
                    .into(),
                    Some(page),
                    None,
                )
            }
            Action::CreateTimeline { page } => (CreateTimeline { name }.into(), Some(page), None),
            Action::ImportTimeline { token, cell, page } => {
                let token = self.token(token);
                (ImportTimeline { token, cell }.into(), Some(page), None)
            }
            Action::OfTimeline(index, action) => self.of_timeline(index, action),
            Action::ReleaseTimeline { import, off } => self.release_timeline(import, off),
            Action::Leave { member, off } => self.leave(member, off),
            Action::Take { participant, which } => self.of_participant(participant, |share| {
                let (set, role, seat) = (share.set, share.role, share.seat);
                let generation = share.which(which);
                TakeGeneration {
                    set,
                    generation,
                    role,
                    seat,
                }
                .into()
            }),
            Action::Ready {
                participant,
                which,
                fails,
            } => self.of_participant(participant, |share| {
                let (set, role, seat) = (share.set, share.role, share.seat);
                let generation = share.which(which);
                ReadyGeneration {
                    set,
                    generation,
                    role,
                    seat,
                    error: fails.then(|| "no room".to_owned()),
                }
                .into()
            }),
            Action::LetGo { participant, which } => self.of_participant(participant, |share| {
                let (set, role, seat) = (share.set, share.role, share.seat);
                let generation = share.which(which);
                ReleaseGeneration {
                    set,
                    generation,
                    role,
                    seat,
                }
                .into()
            }),
            Action::AskGeneration { participant } => self.of_participant(participant, |share| {
                let (set, role, seat) = (share.set, share.role, share.seat);
                GetGeneration { set, role, seat }.into()
            }),
        }
    }

    /// A call of somebody who has a set.
    fn of_participant(&self, index: usize, call: impl FnOnce(&Share<'_>) -> Call) -> Understood {
        let machine = &self.world.machine;
        let shares = machine.sets.iter().flat_map(|(id, of)| {
            let participants = of.participants(machine.stream_of(of));
            participants.into_iter().map(move |(who, _)| (*id, of, who))
        });
        let shares: Vec<_> = shares.collect();
        let Some((set, of, who)) = nth(shares.into_iter(), index) else {
            return (GetState {}.into(), None, None);
        };
        let seat = match who {
            Participant::Consumer(slot, incarnation) => Some(Seat { slot, incarnation }),
            _ => None,
        };
        let session = match who {
            Participant::Owner => of.owner,
            Participant::Importer(session) => session,
            Participant::Consumer(slot, _) => machine.stream_of(of).unwrap().members[&slot].session,
        };
        let share = Share {
            set,
            of,
            role: who.role(),
            seat,
        };
        (call(&share), None, Some(session))
    }

    fn of_set(&self, index: usize, action: SetAction) -> Understood {
        let found = nth(self.world.machine.sets.iter(), index);
        let (set, owner) = found.map_or((SetId(99), None), |(id, set)| (*id, Some(set.owner)));
        let name = String::new();
        match action {
            SetAction::Free => (FreeBuffers { set }.into(), None, owner),
            SetAction::Create { max, page, room } => (
                CreateStream {
                    set,
                    name,
                    max_consumers: max,
                    room_ms: room.then_some(700),
                }
                .into(),
                Some(page),
                owner,
            ),
            SetAction::Move { size_bytes, count } => {
                let plan = "p".to_owned();
                let moving = MoveBuffers {
                    set,
                    size_bytes,
                    count,
                    deadline_ms: 1000,
                    plan,
                };
                (moving.into(), None, owner)
            }
            SetAction::AskMove { which } => {
                let generation = found.map_or(9, |(_, set)| which_of(set, which));
                (GetMove { set, generation }.into(), None, owner)
            }
            SetAction::Share { uses } => (
                IssueToken {
                    kind: ObjectKind::Set,
                    id: set.0,
                    uses,
                }
                .into(),
                None,
                owner,
            ),
        }
    }

    fn release(&self, index: usize) -> Understood {
        let imported = self.world.machine.sessions.iter();
        let imported = imported.flat_map(|(id, session)| session.imported.iter().map(|set| (*set, *id)));
        let (set, owner) = nth(imported, index).map_or((SetId(99), None), |(set, id)| (set, Some(id)));
        (ReleaseImport { set }.into(), None, owner)
    }

    fn of_stream(&self, index: usize, action: StreamAction) -> Understood {
        let found = nth(self.world.machine.streams.iter(), index);
        let (stream, owner) = found.map_or((StreamId(99), None), |(id, stream)| (*id, Some(stream.producer)));
        let call = match action {
            StreamAction::Take { after } => TakeChanges {
                stream,
                after: Incarnation(after),
            }
            .into(),
            StreamAction::End { reason } => EndStream { stream, reason }.into(),
            StreamAction::Share { uses } => IssueToken {
                kind: ObjectKind::Stream,
                id: stream.0,
                uses,
            }
            .into(),
        };
        (call, None, owner)
    }

    fn of_timeline(&self, index: usize, action: TimelineAction) -> Understood {
        let found = nth(self.world.machine.timelines.iter(), index);
        let (timeline, owner) = found.map_or((TimelineId(99), None), |(id, timeline)| {
            (*id, Some(timeline.owner))
        });
        let call = match action {
            TimelineAction::Take { after } => TakeImporters { timeline, after }.into(),
            TimelineAction::Drop => DropTimeline { timeline }.into(),
            TimelineAction::Share { uses } => IssueToken {
                kind: ObjectKind::Timeline,
                id: timeline.0,
                uses,
            }
            .into(),
        };
        (call, None, owner)
    }

    fn release_timeline(&self, index: usize, off: u64) -> Understood {
        let timelines = self.world.machine.timelines.iter();
        let imports =
            timelines.flat_map(|(id, timeline)| timeline.imports.iter().map(|import| (*id, import)));
        let (timeline, import, owner) = match nth(imports, index) {
            Some((id, (number, import))) => (id, *number, Some(import.session)),
            None => (TimelineId(99), 0, None),
        };
        let import = import + off;
        (ReleaseTimeline { timeline, import }.into(), None, owner)
    }

    fn leave(&self, member: usize, off: u64) -> Understood {
        let streams = self.world.machine.streams.iter();
        let members = streams.flat_map(|(id, stream)| stream.members.iter().map(|member| (*id, member)));
        let (stream, slot, incarnation, owner) = match nth(members, member) {
            Some((id, (slot, member))) => (id, *slot, member.incarnation.0, Some(member.session)),
            None => (StreamId(99), Slot(0), 0, None),
        };
        let incarnation = Incarnation(incarnation + off);
        (
            LeaveStream {
                stream,
                slot,
                incarnation,
            }
            .into(),
            None,
            owner,
        )
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
