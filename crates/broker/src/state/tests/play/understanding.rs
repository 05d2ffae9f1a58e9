//! What the steps mean as things stand: which call of whom.

use crate::state::generations::Participant;
use crate::state::sets::BufferSet;
use wharf_protocol::{
    AllocateBuffers, Call, CreateStream, CreateTimeline, DropTimeline, EndStream, FreeBuffers, GetGeneration,
    GetMove, GetState, ImportBuffers, ImportTimeline, Incarnation, IssueToken, JoinStream, LeaveStream,
    MoveBuffers, ObjectKind, Policy, ReadyGeneration, Register, ReleaseGeneration, ReleaseImport,
    ReleaseTimeline, Role, Seat, SessionId, SetId, Slot, StreamId, TakeChanges, TakeGeneration,
    TakeImporters, TimelineId, WatchStream,
};

use super::{Action, Page, Player, SetAction, StreamAction, TimelineAction, Which, nth};

/// A call, its page, and who may make it.
pub(super) type Understood = (Call, Option<Page>, Option<SessionId>);

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

impl Player {
    pub(super) fn understand(&self, action: Action) -> Understood {
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
                        polled: (depth == 2).then_some(true),
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
                    polled: (max == 3).then_some(true),
                    rotation: None,
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
            StreamAction::Watch => WatchStream { stream }.into(),
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
}
