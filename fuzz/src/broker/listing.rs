//! What `GetState` lists: that it agrees with itself and with what the driver holds.

use std::collections::BTreeMap;

use wharf_protocol::{
    Amounts, GetStateReply, Incarnation, SessionId, SetId, SetState, SetStatus, Slot, StreamId, StreamState,
};

use super::holdings::Holdings;

/// A listing, indexed.
pub(super) struct Listing<'a> {
    state: &'a GetStateReply,
    sets: BTreeMap<SetId, &'a SetState>,
    streams: BTreeMap<StreamId, &'a StreamState>,
    users_of_sessions: BTreeMap<SessionId, u32>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(state: &'a GetStateReply) -> Self {
        let listing = Self {
            state,
            sets: state.sets.iter().map(|set| (set.set, set)).collect(),
            streams: state
                .streams
                .iter()
                .map(|stream| (stream.stream, stream))
                .collect(),
            users_of_sessions: state
                .sessions
                .iter()
                .map(|session| (session.session, session.uid))
                .collect(),
        };
        assert!(!state.truncated, "only the driver cuts off what is too long");
        assert!(state.sessions.is_sorted_by_key(|session| session.session));
        assert!(state.sets.is_sorted_by_key(|set| set.set));
        assert!(state.streams.is_sorted_by_key(|stream| stream.stream));
        assert!(state.timelines.is_sorted_by_key(|timeline| timeline.timeline));
        assert!(state.users.is_sorted_by_key(|user| user.uid));
        assert_eq!(listing.sets.len(), state.sets.len());
        assert_eq!(listing.streams.len(), state.streams.len());
        assert_eq!(listing.users_of_sessions.len(), state.sessions.len());
        listing
    }

    /// Checks that sessions, sets and streams refer to each other.
    pub(super) fn check_references(&self) {
        for session in &self.state.sessions {
            let id = session.session;
            let owned = |set: &&SetState| set.owner == id && set.count > 0;
            let imported = |set: &&SetState| set.importers.contains(&id);
            assert_eq!(
                session.sets_owned,
                ids(self.sets.values().copied().filter(owned), |set| set.set)
            );
            assert_eq!(
                session.sets_imported,
                ids(self.sets.values().copied().filter(imported), |set| set.set)
            );
            let produced = |stream: &&StreamState| stream.producer == id;
            let produced = self.streams.values().copied().filter(produced);
            assert_eq!(session.streams_produced, ids(produced, |stream| stream.stream));
            for stream in &session.streams_joined {
                let members = &self.streams[stream].members;
                assert!(
                    members
                        .iter()
                        .any(|member| (member.pid, &member.label) == (session.pid, &session.label))
                );
            }
        }
        for set in &self.state.sets {
            self.check_set(set);
        }
        for stream in &self.state.streams {
            self.check_stream(stream);
        }
        for timeline in &self.state.timelines {
            assert_eq!(self.users_of_sessions[&timeline.owner], timeline.uid);
            let mut importers = timeline.importers.iter();
            assert!(importers.all(|session| self.users_of_sessions.contains_key(session)));
        }
    }

    fn check_set(&self, set: &SetState) {
        match &set.negotiation {
            None => assert_eq!(self.users_of_sessions[&set.owner], set.uid),
            Some(negotiation) => {
                let has_memory = matches!(negotiation.status, SetStatus::Allocated | SetStatus::Moving);
                assert_eq!(has_memory, set.count > 0, "{set:?}");
                if !has_memory {
                    return assert!(set.stream.is_none() && set.importers.is_empty(), "{set:?}");
                }
                // Whoever wrote it may be gone.
                let is_there = self.users_of_sessions.contains_key(&set.owner);
                assert!(is_there || set.owner == SessionId(0), "{set:?}");
            }
        }
        assert!((1..=64).contains(&set.count) && set.size_bytes > 0 && set.size_bytes.is_multiple_of(4096));
        assert!(
            set.importers
                .iter()
                .all(|session| self.users_of_sessions.contains_key(session))
        );
        assert!(
            set.sealed || (set.importers.is_empty() && set.stream.is_none()),
            "{set:?}"
        );
        if let Some(stream) = set.stream {
            assert_eq!(self.streams[&stream].set, set.set);
        }
    }

    fn check_stream(&self, stream: &StreamState) {
        assert_eq!(self.users_of_sessions[&stream.producer], stream.uid);
        let set = self.sets[&stream.set];
        assert_eq!((set.stream, set.owner), (Some(stream.stream), stream.producer));
        assert!(stream.members.len() <= stream.max_consumers as usize);
        assert!(
            stream
                .members
                .iter()
                .all(|member| member.slot.0 < stream.max_consumers)
        );
        // One buffer more is the producer's.
        let promised: u32 = stream.members.iter().map(|member| member.depth).sum();
        assert!(promised < set.count, "{stream:?} of {set:?}");
        assert!(stream.members.is_sorted_by(|a, b| a.slot < b.slot));
    }

    /// Checks that status pages show the members there are.
    pub(super) fn check_pages(&self, holdings: &Holdings) {
        for stream in &self.state.streams {
            let listed: Vec<(Slot, Incarnation)> = stream
                .members
                .iter()
                .map(|member| (member.slot, member.incarnation))
                .collect();
            match holdings.members(stream.stream) {
                Some(shown) => assert_eq!(shown, listed, "members of {}", stream.stream),
                None => assert!(
                    !listed.is_empty(),
                    "{} is over, and nobody is in it",
                    stream.stream
                ),
            }
        }
        let listed = self.state.timelines.iter().map(|timeline| timeline.timeline);
        assert!(listed.eq(holdings.timelines()), "each has its page");
        assert!(
            holdings
                .streams()
                .all(|stream| self.streams.contains_key(&stream))
        );
    }

    /// Checks that nobody has more than the limit, nor less than what is listed as theirs.
    pub(super) fn check_users(&self, limit: Amounts) {
        for user in &self.state.users {
            let used = user.used;
            assert_eq!(user.limit, limit);
            assert!(
                used.bytes <= limit.bytes && used.buffers <= limit.buffers && used.fds <= limit.fds,
                "{user:?}"
            );
            assert!(
                used.sessions <= limit.sessions && used.streams <= limit.streams,
                "{user:?}"
            );
            let sets = self.sets.values().filter(|set| set.uid == user.uid);
            let bytes: u64 = sets
                .clone()
                .map(|set| set.size_bytes * u64::from(set.count))
                .sum();
            let buffers: u64 = sets.map(|set| u64::from(set.count)).sum();
            let sessions = self
                .users_of_sessions
                .values()
                .filter(|uid| **uid == user.uid)
                .count() as u64;
            let streams = self
                .streams
                .values()
                .filter(|stream| stream.uid == user.uid)
                .count() as u64;
            assert!(
                used.bytes >= bytes && used.buffers >= buffers && used.streams >= streams,
                "{user:?}"
            );
            assert_eq!(used.sessions, sessions);
        }
    }

    /// Checks that all that is booked is there, when the driver owes no report.
    pub(super) fn check_totals(&self, connections: usize, descriptors: usize, buffer_bytes: u64) {
        let total = |amount: fn(&Amounts) -> u64| {
            self.state
                .users
                .iter()
                .map(|user| amount(&user.used))
                .sum::<u64>()
        };
        // A set that is being moved, or was, has more than the memory in use; its owner has it all.
        let bytes: u64 = self.state.sessions.iter().map(|session| session.bytes).sum();
        let sets = self.sets.values();
        let in_use: u64 = sets.map(|set| set.size_bytes * u64::from(set.count)).sum();
        assert!(in_use <= buffer_bytes);
        assert_eq!(total(|used| used.bytes), buffer_bytes);
        // What nobody writes any more belongs to no session.
        let is_orphaned = |set: &&SetState| set.owner == SessionId(0);
        assert!(bytes == buffer_bytes || self.sets.values().copied().any(|set| is_orphaned(&set)));
        assert_eq!(total(|used| used.streams), self.streams.len() as u64);
        // Each connection is a socket and the handle of a process.
        assert_eq!(total(|used| used.fds), (2 * connections + descriptors) as u64);
    }
}

/// Checks that a listing shows nothing that belongs to anybody but `uid`.
pub(super) fn check_privacy(state: &GetStateReply, uid: u32) {
    assert!(state.sessions.iter().all(|session| session.uid == uid));
    assert!(state.sets.iter().all(|set| set.uid == uid));
    assert!(state.streams.iter().all(|stream| stream.uid == uid));
    assert!(state.timelines.iter().all(|timeline| timeline.uid == uid));
    assert!(state.users.iter().all(|user| user.uid == uid));
}

fn ids<'a, T: 'a, I>(things: impl Iterator<Item = &'a T>, id: impl Fn(&T) -> I) -> Vec<I> {
    things.map(id).collect()
}
