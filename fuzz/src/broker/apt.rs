//! What makes sense as things stand: calls that somebody who follows the rules could make next.

use wharf_broker::state::PeerId;
use wharf_protocol::codec::{encode_call, encode_oneway_call};
use wharf_protocol::{
    AwaitBuffers, Call, CheckSet, CreateSet, CreateStream, EndReason, EndStream, ExplainSet, FailureDomain,
    FirstMap, FreeBuffers, GetStateReply, IssueSeat, IssueToken, JoinStream, LatePolicy, LeaveSeat,
    LeaveStream, Object, ObjectKind, Policy, ReadyGeneration, Register, ReleaseGeneration, ReleaseImport,
    Role, SealSet, Seat, SeatRight, SeatStatus, SessionId, SetContents, SetId, SetState, SetStatus,
    TakeGeneration, TakeSeat,
};

use super::needs::{participant, writer};
use super::script::Page;
use super::world::{Chair, World};

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

    /// What became of a seat, unless its set is over.
    fn status(&self, chair: &Chair) -> Option<SeatStatus> {
        let set = self.state.sets.iter().find(|set| set.set == chair.set)?;
        let negotiation = set.negotiation.as_ref()?;
        let is_over = matches!(negotiation.status, SetStatus::Failed | SetStatus::Dead);
        let mut seats = negotiation.seats.iter();
        let seat = seats.find(|seat| seat.participant == chair.participant)?;
        (!is_over).then_some(seat.status)
    }

    /// The seats of sets that there still are.
    fn chairs(&self) -> Vec<Chair> {
        let is_there = |chair: &&Chair| self.state.sets.iter().any(|set| set.set == chair.set);
        self.world.chairs.iter().filter(is_there).cloned().collect()
    }

    /// The seats that are something to somebody, of sets that are not over.
    fn chairs_that_are(&self, wanted: &[SeatStatus]) -> Vec<Chair> {
        let chairs = self.world.chairs.iter();
        let is_wanted = |chair: &&Chair| self.status(chair).is_some_and(|status| wanted.contains(&status));
        chairs.filter(is_wanted).cloned().collect()
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

    /// More sets than two at a time get nowhere.
    fn new_sets(&mut self) {
        let [how, how_much] = self.choices;
        let negotiations = self.state.sets.iter().filter_map(|set| set.negotiation.as_ref());
        let is_over = |status| matches!(status, SetStatus::Failed | SetStatus::Dead);
        if negotiations.filter(|set| !is_over(set.status)).count() >= 2 {
            return;
        }
        for peer in self.registered() {
            let call = CreateSet {
                name: "preview".to_owned(),
                late: [LatePolicy::Reallocate, LatePolicy::Reallocate, LatePolicy::Refuse][how % 3],
                first_map: [FirstMap::Waits, FirstMap::Seals, FirstMap::Forbidden][how / 3 % 3],
                contents: [SetContents::Discard, SetContents::Keep][how / 9 % 2],
                expected: how_much % 8 == 1,
                deadline_ms: (how_much % 3 == 2).then_some(77),
                move_deadline_ms: 1000,
            };
            self.may(peer, call, None);
        }
    }

    fn new_seats(&mut self) {
        let [how, how_much] = self.choices;
        let rights = SeatRight::ALL.into_iter().enumerate();
        let granted = rights.filter(|(index, _)| how_much % 2 == 0 || how >> index & 1 == 1);
        let rights: Vec<SeatRight> = granted.map(|(_, right)| right).collect();
        let domains = [
            FailureDomain::Normal,
            FailureDomain::Dispensable,
            FailureDomain::Attached,
        ];
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                let call = IssueSeat {
                    parent: chair.token,
                    label: "guest".to_owned(),
                    rights: rights.clone(),
                    domain: domains[how_much / 2 % 3],
                    expected: how_much / 6 % 2 == 1,
                };
                self.may(peer, call, None);
            }
        }
    }

    /// Whoever has a seat, or finds one, says what it needs.
    fn declarations(&mut self) {
        let [how, how_much] = self.choices;
        let registered = self.registered();
        let (new, again) = ([SeatStatus::Expected, SeatStatus::Issued], [SeatStatus::Declared]);
        for chair in self.chairs_that_are(if how % 16 == 15 { &again } else { &new }) {
            let anybody = how_much
                .checked_rem(registered.len())
                .map(|index| registered[index]);
            let mut sets = self.state.sets.iter();
            let is_early = sets.any(|set| set.set == chair.set && set.count == 0);
            let needs = match how % 2 {
                0 if is_early => writer(1 + how as u64 / 4 % 4),
                _ => participant(how / 2, how_much as u64 % 4),
            };
            if let Some(peer) = chair.holder.or(anybody) {
                let (token, participant) = (chair.token, Object(needs));
                self.may(peer, TakeSeat { token, participant }, None);
            }
        }
    }

    fn claims(&mut self) {
        let wait_ms = [0, WAIT_MS][self.choices[0] % 2];
        for chair in self.chairs_that_are(&[SeatStatus::Declared, SeatStatus::Joining, SeatStatus::LeftOut]) {
            let (set, participant) = (chair.set, chair.participant);
            if let Some(peer) = chair.holder {
                let call = AwaitBuffers {
                    set,
                    participant,
                    wait_ms,
                };
                self.may(peer, call, None);
            }
        }
    }

    fn looks(&mut self) {
        let [how, how_much] = self.choices;
        for chair in self.chairs() {
            let set = chair.set;
            let participant = Object(participant(how, how_much as u64 % 4));
            if let Some(peer) = chair.holder {
                self.may(peer, ExplainSet { set }, None);
                self.may(peer, CheckSet { set, participant }, None);
            }
        }
    }

    fn departures(&mut self) {
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                self.may(peer, LeaveSeat { token: chair.token }, None);
            }
        }
    }

    fn seals(&mut self) {
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                self.may(peer, SealSet { set: chair.set }, None);
            }
        }
    }

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
    fn turns(&mut self) {
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

    fn releases(&mut self) {
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

    fn new_streams(&mut self) {
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
                };
                self.may(peer, call, Some(Page::Ring));
            }
        }
    }

    fn invitations(&mut self) {
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
    fn joins(&mut self) {
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

    fn joins_with_seats(&mut self) {
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
    fn exits(&mut self) {
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

    fn ends(&mut self) {
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
