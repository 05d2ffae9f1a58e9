//! What is done with buffers that are there: mapped, put into a stream, followed when they move, let go of.

use crate::state::generations::Participant as Capacity;
use wharf_protocol::{
    JoinStream, LeaveStream, Object, ObjectKind, Policy, ReadyGeneration, ReleaseGeneration, Role, Seat,
    SetId,
};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::{Play, nth};

impl Play {
    pub(super) fn map(&mut self, set: SetId) {
        if let Some(owner) = self.owner(set) {
            let generation = self.world.machine.sets[&set].current.number;
            let call = ReadyGeneration {
                set,
                generation,
                role: Role::Owner,
                seat: None,
                error: None,
            };
            self.call(owner, call, None);
        }
    }

    pub(super) fn stream(&mut self, set: usize) {
        let set = self.set(set);
        let Some(owner) = self.owner(set) else { return };
        let call = wharf_protocol::CreateStream {
            set,
            name: String::new(),
            max_consumers: 3,
            room_ms: None,
            polled: None,
            rotation: None,
        };
        self.call(owner, call, Some(RING_PAGE_BYTES));
        self.world.report_all();
        self.listen(self.peers[owner]);
        let stream = self.world.machine.sets.get(&set).and_then(|set| set.stream);
        if let Some(stream) = stream {
            let share = wharf_protocol::IssueToken {
                kind: ObjectKind::Stream,
                id: stream.0,
                uses: 50,
            };
            let before = self.tickets.len();
            self.call(owner, share, None);
            if let Some(ticket) = self.tickets.get_mut(before) {
                ticket.0 = stream;
            }
        }
    }

    pub(super) fn join(&mut self, peer: usize, stream: usize, depth: u32, who: u8, size: u32, wait: bool) {
        let Some((stream, token)) = nth(&self.tickets, stream) else {
            return;
        };
        let needs =
            (who == 1 || who == 2).then(|| Object(Self::someone(size, depth.into(), false, who == 2)));
        let participant = (who == 3).then_some(u64::from(size) + 1);
        let call = JoinStream {
            stream: Some(stream),
            needs,
            participant,
            wait_ms: wait.then_some(800),
            ..JoinStream::new(token, depth, Policy::Latest)
        };
        self.call(peer, call, Some(CONSUMER_PAGE_BYTES));
    }

    /// Somebody who has a set, as a place among peers.
    fn participant(&self, set: SetId, who: usize) -> Option<(usize, Role, Option<Seat>)> {
        let machine = &self.world.machine;
        let memory = machine.sets.get(&set)?;
        let all: Vec<Capacity> = memory
            .participants(machine.stream_of(memory))
            .into_iter()
            .map(|(who, _)| who)
            .collect();
        let who = nth(&all, who)?;
        let (session, seat) = match who {
            Capacity::Owner => (memory.owner, None),
            Capacity::Importer(session) => (session, None),
            Capacity::Consumer(slot, incarnation) => {
                let member = &machine.stream_of(memory)?.members[&slot];
                (member.session, Some(Seat { slot, incarnation }))
            }
        };
        let peer = machine.sessions.get(&session)?.peer;
        let place = self.peers.iter().position(|other| *other == peer)?;
        Some((place, who.role(), seat))
    }

    pub(super) fn follow(&mut self, set: SetId, who: usize, fails: bool) {
        let moving = self
            .world
            .machine
            .sets
            .get(&set)
            .and_then(|set| set.moving.as_ref());
        let generation = moving.map_or(1, |moving| moving.number);
        if let Some((place, role, seat)) = self.participant(set, who) {
            let call = ReadyGeneration {
                set,
                generation,
                role,
                seat,
                error: fails.then(|| "cannot".to_owned()),
            };
            self.call(place, call, None);
        }
    }

    pub(super) fn let_go(&mut self, set: SetId, who: usize) {
        let old = self.world.machine.sets.get(&set).and_then(|set| set.old.first());
        let generation = old.map_or(1, |old| old.generation.number);
        if let Some((place, role, seat)) = self.participant(set, who) {
            let call = ReleaseGeneration {
                set,
                generation,
                role,
                seat,
            };
            self.call(place, call, None);
        }
    }

    pub(super) fn leave(&mut self, member: usize) {
        let machine = &self.world.machine;
        let members = machine.streams.iter().flat_map(|(id, stream)| {
            let members = stream.members.iter();
            members.map(|(slot, member)| (*id, *slot, member.incarnation, member.session))
        });
        let members: Vec<_> = members.collect();
        let Some((stream, slot, incarnation, session)) = nth(&members, member) else {
            return;
        };
        let peer = machine.sessions[&session].peer;
        if let Some(place) = self.peers.iter().position(|other| *other == peer) {
            let call = LeaveStream {
                stream,
                slot,
                incarnation,
            };
            self.call(place, call, None);
        }
    }
}
