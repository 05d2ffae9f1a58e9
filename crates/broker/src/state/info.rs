//! What the broker tells about itself.

use std::collections::BTreeSet;

use wharf_protocol::{
    BrokerError, BrokerState, GetInfoReply, GetInterfaceDescriptionReply, GetStateReply, INTERFACE,
    MoveState, OldMemory, Reply, SERVICE_INTERFACE, SessionId, SessionState, SetId, SetState, Slot, StreamId,
    StreamState, TimelineId, TimelineState, UserState,
};

use super::accounts::{CONNECTION, CONSUMER_PAGE, IMPORT, RUNNING_STREAM, STREAM_BELL, TIMELINE};
use super::generations::Participant;
use super::peers::Session;
use super::sets::BufferSet;
use super::stream::{Member, Stream};
use super::timelines::Timeline;
use super::{Answered, Machine, PeerId, done};

/// Who the service is, as `org.varlink.service.GetInfo` answers.
pub(super) fn service_info() -> GetInfoReply {
    GetInfoReply {
        vendor: "Wharf".to_owned(),
        product: "wharf-broker".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: String::new(),
        interfaces: vec![INTERFACE.to_owned(), SERVICE_INTERFACE.to_owned()],
    }
}

/// The description of an interface.
pub(super) fn describe(interface: &str) -> Answered {
    let description =
        wharf_protocol::interface_description(interface).ok_or_else(|| BrokerError::InterfaceNotFound {
            interface: interface.to_owned(),
        })?;
    done(Reply::GetInterfaceDescription(GetInterfaceDescriptionReply {
        description: description.to_owned(),
    }))
}

impl Machine {
    pub(super) fn get_state(&mut self, peer: PeerId) -> Answered {
        let visible = self.sight(peer)?;
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, session)| visible(session.credentials.uid));
        let sets = self.sets.iter().filter(|(_, set)| visible(set.uid));
        let streams = self.streams.iter().filter(|(_, stream)| visible(stream.uid));
        let timelines = self
            .timelines
            .iter()
            .filter(|(_, timeline)| visible(timeline.uid));
        let users = self.accounts.users().filter(|(uid, _)| visible(*uid));
        let limit = self.accounts.quota();
        let broker = BrokerState {
            pid: self.settings.pid,
            uid: self.settings.uid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut state = GetStateReply {
            broker,
            sessions: sessions
                .map(|(id, session)| self.describe_session(*id, session))
                .collect(),
            sets: self.describe_sets(sets, visible),
            streams: streams
                .map(|(id, stream)| self.describe_stream(*id, stream))
                .collect(),
            timelines: timelines
                .map(|(id, timeline)| describe_timeline(*id, timeline))
                .collect(),
            users: users.map(|(uid, used)| UserState { uid, used, limit }).collect(),
            truncated: false,
        };
        state.sets.iter_mut().for_each(|set| self.describe_moves(set));
        done(Reply::GetState(state))
    }

    /// Adds what a set is being moved to, what it was moved from, and who is waited for.
    fn describe_moves(&self, state: &mut SetState) {
        let Some(set) = self.sets.get(&state.set) else {
            return;
        };
        let sessions = |who: &mut dyn Iterator<Item = Participant>| {
            let sessions: BTreeSet<_> = who.filter_map(|who| self.session_of(set, who)).collect();
            sessions.into_iter().collect()
        };
        state.moving = set.moving.as_ref().map(|moving| MoveState {
            generation: moving.number,
            waits_for: sessions(&mut self.missing(set).into_iter().map(|(who, _)| who)),
        });
        let old = set.old.iter().map(|old| OldMemory {
            generation: old.generation.number,
            bytes: old.generation.cost.bytes,
            kept_by: sessions(&mut old.holders.iter().copied()),
        });
        state.old = old.collect();
    }

    fn describe_session(&self, id: SessionId, session: &Session) -> SessionState {
        let owned = session.owned.iter().filter_map(|set| self.sets.get(set));
        let produced = session
            .produced
            .iter()
            .filter_map(|stream| self.streams.get(stream));
        let joined = session
            .joined
            .iter()
            .filter_map(|(stream, slot)| self.streams.get(stream)?.members.get(slot));
        let running = produced.filter(|stream| stream.is_running());
        let running: u64 = running
            .map(|stream| RUNNING_STREAM.fds + stream.bell.map_or(0, |_| STREAM_BELL.fds))
            .sum();
        let with_page = joined.filter(|member| member.page.is_some());
        let pages: u64 = with_page
            .map(|member| CONSUMER_PAGE.fds + member.bells.cost().fds)
            .sum();
        let buffers: u64 = owned.clone().map(|set| set.cost().fds).sum();
        let timelines = session.timelines.len() as u64 * TIMELINE.fds;
        let imports = session.waits_for.len() as u64 * IMPORT.fds;
        let mut streams_joined: Vec<_> = session.joined.iter().map(|(stream, _)| *stream).collect();
        streams_joined.dedup();
        SessionState {
            session: id,
            label: session.label.clone(),
            pid: session.credentials.pid,
            uid: session.credentials.uid,
            sets_owned: session.owned.iter().copied().collect(),
            sets_imported: session.imported.iter().copied().collect(),
            streams_produced: session.produced.iter().copied().collect(),
            streams_joined,
            bytes: owned.map(|set| set.cost().bytes).sum(),
            fds: CONNECTION.fds + buffers + running + pages + timelines + imports,
        }
    }

    fn describe_stream(&self, id: StreamId, stream: &Stream) -> StreamState {
        let members = stream.members.iter();
        let describe = |(slot, member): (&Slot, &Member)| {
            Some(member.describe(*slot, self.sessions.get(&member.session)?))
        };
        StreamState {
            stream: id,
            name: stream.name.clone(),
            producer: stream.producer,
            uid: stream.uid,
            set: stream.set,
            max_consumers: stream.max_consumers,
            members: members.filter_map(describe).collect(),
            rotation_due: self
                .sets
                .get(&stream.set)
                .is_some_and(|set| stream.is_rotation_due(set)),
        }
    }
}

impl Machine {
    /// The sets given, and negotiated ones that have no memory, by ascending id.
    fn describe_sets<'a>(
        &self,
        sets: impl Iterator<Item = (&'a SetId, &'a BufferSet)>,
        visible: impl Fn(u32) -> bool,
    ) -> Vec<SetState> {
        let describe = |(id, set): (&SetId, &BufferSet)| SetState {
            negotiation: self.negotiation_state(*id),
            ..describe_set(*id, set)
        };
        let mut all: Vec<SetState> = sets.map(describe).collect();
        all.extend(self.sets_without_memory(visible));
        all.sort_unstable_by_key(|set| set.set);
        all
    }
}

fn describe_set(id: SetId, set: &BufferSet) -> SetState {
    SetState {
        set: id,
        name: set.name.clone(),
        owner: set.owner,
        uid: set.uid,
        generation: set.current.number,
        size_bytes: set.current.size_bytes,
        count: set.count(),
        sealed: set.sealed,
        importers: set.importers.keys().copied().collect(),
        moving: None,
        old: Vec::new(),
        stream: set.stream,
        negotiation: None,
    }
}

fn describe_timeline(id: TimelineId, timeline: &Timeline) -> TimelineState {
    TimelineState {
        timeline: id,
        name: timeline.name.clone(),
        owner: timeline.owner,
        uid: timeline.uid,
        importers: timeline.imports.values().map(|import| import.session).collect(),
    }
}
