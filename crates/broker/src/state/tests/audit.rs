//! The state machine's invariants, checked after every event of every test.

use std::collections::{BTreeMap, BTreeSet};

use wharf_protocol::Amounts;
use wharf_protocol::limits::MAX_IMPORTS;
use wharf_stream::status::SlotState;

use super::world::World;
use crate::state::accounts::{
    CONNECTION, CONSUMER_PAGE, ENDED_STREAM, IMPORT, NOTHING, RUNNING_STREAM, SESSION, STREAM_BELL, TIMELINE,
    sum,
};
use crate::state::moving::Phase;
use crate::state::negotiating::NOBODY;
use crate::state::operations::Work;
use crate::state::sets::BufferSet;
use crate::state::tokens::{MAX_TOKENS_PER_OBJECT, Object};
use crate::state::{FdHandle, Machine, PeerId};

impl World {
    pub(super) fn audit(&self) {
        self.machine.audit_accounts();
        self.machine.audit_quota();
        self.machine.audit_peers();
        self.machine.audit_sets();
        self.machine.audit_streams();
        self.audit_timelines();
        self.machine.audit_negotiated();
        self.audit_times();
        self.audit_waiting();
        self.audit_descriptors();
        self.audit_status_pages();
    }

    /// Those who are not served are those for whom room is made, and those who wait for a negotiated set.
    fn audit_waiting(&self) {
        let operations = self.machine.operations.values();
        let joining =
            operations.filter(|operation| matches!(operation.work, Work::MakingRoom | Work::Negotiation));
        let joining: BTreeSet<_> = joining.map(|operation| operation.request.peer).collect();
        assert_eq!(self.waiting, joining);
        let negotiating = self.machine.negotiating.waiting();
        let moves = self.machine.sets.values().filter_map(|set| set.moving.as_ref());
        let waited_for: BTreeSet<_> = moves.flat_map(|moving| &moving.joiners).collect();
        for (id, operation) in &self.machine.operations {
            assert!(
                operation.work != Work::MakingRoom || waited_for.contains(id),
                "{id:?} waits for nothing"
            );
            assert_eq!(operation.work == Work::Negotiation, negotiating.contains(id));
        }
    }

    /// What the driver holds is what the machine knows of, but for what the driver has not reported yet.
    fn audit_descriptors(&self) {
        let known = self.machine.handles();
        let unreported: BTreeSet<FdHandle> = self
            .reports
            .iter()
            .flat_map(|report| match report {
                crate::state::Event::Allocated {
                    outcome: Ok(buffers), ..
                } => buffers.clone(),
                crate::state::Event::HeapAnswered {
                    outcome: Ok(buffers), ..
                } => buffers.clone(),
                crate::state::Event::StatusPageCreated {
                    outcome: Ok(page), ..
                }
                | crate::state::Event::TimelinePageCreated {
                    outcome: Ok(page), ..
                } => vec![*page],
                crate::state::Event::BellsMade {
                    outcome: Ok(bells), ..
                } => bells.concat(),
                _ => Vec::new(),
            })
            .collect();
        let held: BTreeSet<_> = self.fds.difference(&unreported).copied().collect();
        assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), held);
        assert_eq!(known.len(), held.len(), "a descriptor belongs to two things");
    }

    /// What is to be told later is what somebody waits for.
    fn audit_times(&self) {
        let times = self.machine.negotiating.times();
        let moves = self.machine.moves.keys().copied();
        let awaited: BTreeSet<_> = times.into_iter().chain(moves).collect();
        let set: BTreeSet<_> = self.alarms.keys().copied().collect();
        assert_eq!(set, awaited, "alarms");
    }

    /// Timelines belong to living sessions, imports too, sessions know of both, and the page says how many imports there were.
    fn audit_timelines(&self) {
        let machine = &self.machine;
        for (id, timeline) in &machine.timelines {
            assert!(machine.sessions[&timeline.owner].timelines.contains(id));
            assert!(timeline.imports.len() <= MAX_IMPORTS);
            for (number, import) in &timeline.imports {
                assert!(
                    machine.sessions[&import.session]
                        .waits_for
                        .contains(&(*id, *number))
                );
            }
            let page = &self.timeline_pages[id];
            let newest = timeline.imports.last_key_value();
            assert!(newest.is_none_or(|(number, _)| page.newest >= *number));
            assert_eq!(page.over, None, "{id} is over and still there");
        }
        for (id, session) in &machine.sessions {
            let owner = |timeline| machine.timelines[timeline].owner;
            assert!(session.timelines.iter().all(|timeline| owner(timeline) == *id));
            let importer = |timeline, number| machine.timelines[timeline].imports[number].session;
            let waits = &session.waits_for;
            assert!(
                waits
                    .iter()
                    .all(|(timeline, number)| importer(timeline, number) == *id)
            );
        }
    }

    fn audit_status_pages(&self) {
        for (id, stream) in &self.machine.streams {
            assert_eq!(
                stream.is_running(),
                self.status_pages.contains_key(id),
                "page of {id}"
            );
        }
        for (id, page) in &self.status_pages {
            let Some(stream) = self.machine.streams.get(id) else {
                continue;
            };
            let live = page
                .slots
                .iter()
                .filter(|(_, (_, state))| *state == SlotState::Live);
            let shown: Vec<_> = live
                .map(|(slot, (incarnation, _))| (*slot, *incarnation))
                .collect();
            let members: Vec<_> = stream
                .members
                .iter()
                .map(|(slot, member)| (*slot, member.incarnation))
                .collect();
            assert_eq!(shown, members, "members of {id}");
            let set = &self.machine.sets[&stream.set];
            assert_eq!(page.generations, set.generations(), "generations of {id}");
        }
    }

    /// Nothing is left of anybody.
    pub(super) fn assert_empty(&self) {
        assert_eq!(self.machine.accounts.users().next(), None);
        assert!(self.machine.peers.is_empty());
        assert!(self.machine.sessions.is_empty());
        assert!(self.machine.sets.is_empty());
        assert!(self.machine.streams.is_empty());
        assert!(self.machine.timelines.is_empty());
        assert!(self.timeline_pages.is_empty());
        assert!(self.machine.operations.is_empty());
        assert!(self.machine.moves.is_empty());
        self.machine.negotiating.assert_empty();
        assert!(self.alarms.is_empty());
        assert_eq!(self.machine.tokens.counts().next(), None);
        assert_eq!(self.fds, BTreeSet::new());
        assert!(self.status_pages.is_empty());
    }
}

impl Machine {
    /// The buffers of the sets that a peer owns.
    pub(super) fn handles_owned_by(&self, peer: PeerId) -> BTreeSet<FdHandle> {
        let owns = |set: &&BufferSet| {
            self.sessions
                .get(&set.owner)
                .is_some_and(|owner| owner.peer == peer)
        };
        self.sets.values().filter(owns).flat_map(handles_of).collect()
    }

    /// Every descriptor the machine owns, as often as it is referred to.
    fn handles(&self) -> Vec<FdHandle> {
        let buffers = self.sets.values().flat_map(handles_of);
        let pages = self.streams.values().filter_map(|stream| stream.pages);
        let pages = pages.flat_map(|pages| [pages.ring, pages.status]);
        let members = self.streams.values().flat_map(|stream| stream.members.values());
        let kept = members.flat_map(|member| member.page.into_iter().chain(member.bells.kept()));
        let bells = self.streams.values().filter_map(|stream| stream.bell);
        let timelines = self.timelines.values();
        let timelines = timelines.flat_map(|timeline| {
            let imports = timeline.imports.values().map(|import| import.page);
            [timeline.page, timeline.status].into_iter().chain(imports)
        });
        let requests = self
            .operations
            .values()
            .flat_map(|operation| operation.request.handles());
        buffers
            .chain(self.negotiating.handles())
            .chain(pages)
            .chain(kept)
            .chain(bells)
            .chain(timelines)
            .chain(requests)
            .collect()
    }

    /// The books agree with what there is.
    fn audit_accounts(&self) {
        let mut owed: BTreeMap<u32, Amounts> = BTreeMap::new();
        let mut owe = |uid: u32, cost: Amounts| {
            let account = owed.entry(uid).or_insert(NOTHING);
            *account = sum(*account, cost);
        };
        for peer in self.peers.values() {
            owe(peer.credentials.uid, CONNECTION);
            if peer.session.is_some() {
                owe(peer.credentials.uid, SESSION);
            }
        }
        self.sets.values().for_each(|set| owe(set.uid, set.cost()));
        self.negotiating.debts().for_each(|(uid, cost)| owe(uid, cost));
        for stream in self.streams.values() {
            owe(
                stream.uid,
                if stream.is_running() {
                    RUNNING_STREAM
                } else {
                    ENDED_STREAM
                },
            );
            let waiting = stream.members.values().filter(|member| member.page.is_some());
            waiting.for_each(|member| owe(member.uid, sum(CONSUMER_PAGE, member.bells.cost())));
            if stream.bell.is_some() {
                owe(stream.uid, STREAM_BELL);
            }
        }
        for timeline in self.timelines.values() {
            owe(timeline.uid, TIMELINE);
            let imports = timeline.imports.values();
            imports.for_each(|import| owe(import.uid, IMPORT));
        }
        for operation in self.operations.values() {
            owe(
                self.peers[&operation.request.peer].credentials.uid,
                operation.cost,
            );
        }
        owed.retain(|_, amounts| *amounts != NOTHING);
        assert_eq!(self.accounts.users().collect::<BTreeMap<_, _>>(), owed);
    }

    fn audit_quota(&self) {
        let quota = self.accounts.quota();
        for (uid, used) in self.accounts.users() {
            let within = used.bytes <= quota.bytes
                && used.buffers <= quota.buffers
                && used.sessions <= quota.sessions
                && used.streams <= quota.streams
                && used.fds <= quota.fds;
            assert!(within, "user {uid} has {used:?} of {quota:?}");
        }
    }

    /// Connections, sessions and operations refer to each other.
    fn audit_peers(&self) {
        for (id, peer) in &self.peers {
            if let Some(session) = peer.session {
                assert_eq!(self.sessions[&session].peer, *id);
            }
            if let Some(operation) = peer.busy {
                assert_eq!(self.operations[&operation].request.peer, *id);
            }
        }
        for (id, session) in &self.sessions {
            assert_eq!(self.peers[&session.peer].session, Some(*id));
        }
        for (id, operation) in &self.operations {
            assert_eq!(self.peers[&operation.request.peer].busy, Some(*id));
            assert!(operation.work != Work::Allocation || operation.request.page.is_none());
        }
    }

    /// Sets belong to living sessions, and sessions know of their sets.
    fn audit_sets(&self) {
        for (id, set) in &self.sets {
            if set.owner != NOBODY {
                assert!(self.sessions[&set.owner].owned.contains(id));
            }
            for importer in set.importers.keys() {
                assert!(self.sessions[importer].imported.contains(id));
            }
            self.audit_generations(set);
            if let Some(stream) = set.stream {
                assert_eq!(self.streams[&stream].set, *id);
                assert!(set.sealed, "{id} is shared and not sealed");
            }
        }
        for (id, session) in &self.sessions {
            session
                .owned
                .iter()
                .for_each(|set| assert_eq!(self.sets[set].owner, *id));
            session
                .imported
                .iter()
                .for_each(|set| assert!(self.sets[set].importers.contains_key(id)));
        }
        for (object, count) in self.tokens.counts() {
            match object {
                Object::Set(set) => assert!(self.sets[&set].sealed),
                Object::Stream(stream) => assert!(self.streams[&stream].is_running()),
                Object::Timeline(timeline) => assert!(self.timelines.contains_key(&timeline)),
            }
            assert!((1..=MAX_TOKENS_PER_OBJECT).contains(&count));
        }
    }

    /// Generations are in order, each has what it costs, old ones are held by participants only, and a move waits for somebody.
    fn audit_generations(&self, set: &BufferSet) {
        let participants = set.participants(self.stream_of(set));
        let is_participant = |who| participants.iter().any(|(other, _)| *other == who);
        let old = set.old.iter().map(|old| &old.generation);
        let all: Vec<_> = old.chain([&set.current]).collect();
        assert!(all.is_sorted_by(|a, b| a.number < b.number));
        assert!(set.current.number <= set.newest);
        for generation in all {
            assert_eq!(generation.cost.fds, u64::from(generation.count()));
        }
        for old in &set.old {
            assert!(!old.holders.is_empty(), "memory is kept for nobody");
            assert!(old.holders.iter().all(|who| is_participant(*who)));
        }
        if let Some(moving) = &set.moving {
            assert_eq!(
                (
                    moving.number,
                    self.sets.contains_key(&self.moves[&moving.operation])
                ),
                (set.newest, true)
            );
            let is_missing = participants.iter().any(|(who, _)| !moving.ready.contains(who));
            assert!(moving.phase < Phase::Others || is_missing, "everybody is ready");
        }
        let moving = self.sets.values().filter(|set| set.moving.is_some()).count();
        assert_eq!(self.moves.len(), moving);
    }

    /// The set of a move is in the middle of one, and negotiated sets agree with what they are made of.
    fn audit_negotiated(&self) {
        self.negotiating.audit(&self.sessions.keys().copied().collect());
        for (id, memory) in &self.sets {
            let Some(set) = self.negotiating.audited(*id) else {
                assert_ne!(memory.owner, NOBODY);
                continue;
            };
            assert_eq!(
                set.generation(),
                Some(memory.current.number),
                "generation of {id}"
            );
            let moving = memory.moving.as_ref().map(|moving| moving.number);
            assert!(moving.is_none() || set.moving_to() == moving, "move of {id}");
            assert_eq!(set.plan().map(|plan| plan.count()), Some(memory.count()));
        }
    }

    /// Streams belong to living sessions, members are within bounds, and sessions know of both.
    fn audit_streams(&self) {
        for (id, stream) in &self.streams {
            assert!(self.sessions[&stream.producer].produced.contains(id));
            assert_eq!(self.sets[&stream.set].stream, Some(*id));
            assert!(
                stream.is_running() || !stream.members.is_empty(),
                "{id} is over and nobody is in it"
            );
            assert!(stream.members.len() <= stream.max_consumers as usize);
            assert!(stream.promised() < self.sets[&stream.set].fewest());
            for (slot, member) in &stream.members {
                assert!(slot.0 < stream.max_consumers);
                assert!(self.sessions[&member.session].joined.contains(&(*id, *slot)));
            }
        }
        for (id, session) in &self.sessions {
            session
                .produced
                .iter()
                .for_each(|stream| assert_eq!(self.streams[stream].producer, *id));
            for (stream, slot) in &session.joined {
                assert_eq!(self.streams[stream].members[slot].session, *id);
            }
        }
    }
}

/// Every buffer of every generation of a set.
fn handles_of(set: &BufferSet) -> Vec<FdHandle> {
    let old = set.old.iter().map(|old| &old.generation.buffers);
    let moving = set.moving.iter().map(|moving| &moving.buffers);
    let all = [&set.current.buffers].into_iter().chain(old).chain(moving);
    all.flatten().copied().collect()
}
