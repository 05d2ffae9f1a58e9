//! Buffers that are there: mapped, moved, let go of, and streams over them.

use super::super::needs::participant;
use super::super::script::Page;
use wharf_protocol::{
    CreateStream, EndReason, EndStream, FreeBuffers, IssueToken, JoinStream, LeaveStream, Object, ObjectKind,
    Policy, ReadyGeneration, ReleaseGeneration, ReleaseImport, Role, Rotation, Seat, SeatStatus, SessionId,
    SetId, SetState, TakeGeneration,
};

use super::{Scene, WAIT_MS};

impl Scene<'_> {
    /// The ways in which a session has a set.
    fn capacities(&self, set: &SetState, session: SessionId) -> Vec<(Role, Option<Seat>)> {
        let owner = (set.owner == session).then_some((Role::Owner, None));
        let importer = set.importers.contains(&session).then_some((Role::Importer, None));
        let stream = self
            .state
            .streams
            .iter()
            .find(|stream| Some(stream.stream) == set.stream);
        let pid = self.state.sessions.iter().find(|other| other.session == session);
        let pid = pid.map(|session| session.pid);
        let members = stream.into_iter().flat_map(|stream| &stream.members);
        let members = members.filter(|member| Some(member.pid) == pid);
        let seats = members.map(|member| Seat {
            slot: member.slot,
            incarnation: member.incarnation,
        });
        let seats = seats.map(|seat| (Role::Consumer, Some(seat)));
        owner.into_iter().chain(importer).chain(seats).collect()
    }

    /// Whoever writes has mapped the first buffers; whoever a move waits for takes the new ones, or has mapped them.
    pub(super) fn turns(&mut self) {
        let [how, how_much] = self.choices;
        let error = (how_much % 16 == 1).then(|| "no room".to_owned());
        for set in self.state.sets.clone() {
            if !set.sealed && set.negotiation.is_some() && set.count > 0 {
                self.turn(&set, set.owner, set.generation, (false, error.clone()));
            }
            let takes = how % 4 == 0;
            for session in set.moving.iter().flat_map(|moving| moving.waits_for.clone()) {
                let generation = set.moving.as_ref().map_or(0, |moving| moving.generation);
                self.turn(&set, session, generation, (takes, error.clone()));
            }
        }
    }

    fn turn(
        &mut self,
        set: &SetState,
        session: SessionId,
        generation: u64,
        (takes, error): (bool, Option<String>),
    ) {
        let Some(peer) = self.peer(session) else { return };
        let id = set.set;
        for (role, seat) in self.capacities(set, session) {
            if takes {
                let call = TakeGeneration {
                    set: id,
                    generation,
                    role,
                    seat,
                };
                self.may(peer, call, None);
            } else {
                let call = ReadyGeneration {
                    set: id,
                    generation,
                    role,
                    seat,
                    error: error.clone(),
                };
                self.may(peer, call, None);
            }
        }
    }

    pub(super) fn releases(&mut self) {
        for set in self.state.sets.clone() {
            for old in &set.old {
                let generation = old.generation;
                for session in &old.kept_by {
                    let Some(peer) = self.peer(*session) else { continue };
                    for (role, seat) in self.capacities(&set, *session) {
                        let call = ReleaseGeneration {
                            set: set.set,
                            generation,
                            role,
                            seat,
                        };
                        self.may(peer, call, None);
                    }
                }
            }
        }
    }

    pub(super) fn new_streams(&mut self) {
        let [how, how_much] = self.choices;
        for set in self.state.sets.clone() {
            if set.count > 0
                && set.stream.is_none()
                && let Some(peer) = self.peer(set.owner)
            {
                let makes_room = set.negotiation.is_none() && how % 4 > 0;
                let call = CreateStream {
                    set: set.set,
                    name: "frames".to_owned(),
                    max_consumers: 1 + how_much as u32 % 4,
                    room_ms: makes_room.then_some(500),
                    polled: None,
                    rotation: (makes_room && how % 3 == 0).then_some(Rotation::Always),
                };
                self.may(peer, call, Some(Page::Ring));
            }
        }
    }

    pub(super) fn invitations(&mut self) {
        for stream in self.state.streams.clone() {
            if let Some(peer) = self.peer(stream.producer) {
                let call = IssueToken {
                    kind: ObjectKind::Stream,
                    id: stream.stream.0,
                    uses: 9,
                };
                self.may(peer, call, None);
            }
        }
    }

    /// Somebody joins a stream, as it is or with needs of its own.
    pub(super) fn joins(&mut self) {
        let [how, how_much] = self.choices;
        let depth = 1 + how_much as u32 % 3;
        let wait_ms = (how / 3 % 4 > 0).then_some(WAIT_MS);
        for (stream, token) in self.world.tickets.clone() {
            if self.set_of(stream).is_none() {
                continue;
            }
            let call = JoinStream {
                wait_ms,
                ..JoinStream::new(token, depth, Policy::Latest)
            };
            for peer in self.registered() {
                let needs = Object(participant(how_much / 3, depth.into()));
                let needs = (how % 3 > 0).then_some(needs);
                let call = JoinStream {
                    needs,
                    ..call.clone()
                };
                self.may(peer, call, Some(Page::Consumer));
            }
        }
    }

    pub(super) fn joins_with_seats(&mut self) {
        let depth = 1 + self.choices[1] as u32 % 2;
        for (stream, token) in self.world.tickets.clone() {
            let set = self.set_of(stream);
            for chair in self.chairs_that_are(&[SeatStatus::Declared]) {
                let Some(peer) = chair.holder.filter(|_| set == Some(chair.set)) else {
                    continue;
                };
                let call = JoinStream {
                    participant: Some(chair.participant),
                    ..JoinStream::new(token.clone(), depth, Policy::Latest)
                };
                self.may(peer, call, Some(Page::Consumer));
            }
        }
    }

    /// The set of a stream.
    fn set_of(&self, stream: wharf_protocol::StreamId) -> Option<SetId> {
        let mut streams = self.state.streams.iter();
        streams
            .find(|other| other.stream == stream)
            .map(|stream| stream.set)
    }

    /// Members leave, and importers drop what they have.
    pub(super) fn exits(&mut self) {
        for stream in self.state.streams.clone() {
            for member in stream.members {
                let mut peers = self.world.peers.iter();
                let peer = peers.find(|(_, peer)| peer.credentials.pid == member.pid);
                let Some(peer) = peer.map(|(id, _)| *id) else {
                    continue;
                };
                let call = LeaveStream {
                    stream: stream.stream,
                    slot: member.slot,
                    incarnation: member.incarnation,
                };
                self.may(peer, call, None);
            }
        }
        for set in self.state.sets.clone() {
            for importer in set.importers {
                if let Some(peer) = self.peer(importer) {
                    self.may(peer, ReleaseImport { set: set.set }, None);
                }
            }
        }
    }

    pub(super) fn ends(&mut self) {
        for stream in self.state.streams.clone() {
            if let Some(peer) = self.peer(stream.producer) {
                let (stream, reason) = (stream.stream, EndReason::Ended);
                self.may(peer, EndStream { stream, reason }, None);
            }
        }
        for set in self.state.sets.clone() {
            if let Some(peer) = self.peer(set.owner) {
                self.may(peer, FreeBuffers { set: set.set }, None);
            }
        }
    }
}
