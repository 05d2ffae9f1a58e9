//! Connections and sessions: how they begin, and that nothing is left of them when they end.

use std::collections::BTreeSet;

use wharf_protocol::{
    BrokerError, EndReason, ObjectKind, Register, RegisterReply, Reply, Resource, SessionId, SetId, Slot,
    StreamId, TimelineId,
};
use wharf_stream::timeline::End;

use super::accounts::{CONNECTION, SESSION, one_more};
use super::{Answered, Credentials, Effect, Machine, OperationId, PeerId, done, next};

/// How many connections of one user may be without a session at a time.
pub(super) const MAX_STRANGERS: usize = 64;

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) credentials: Credentials,
    /// Its session, once it has registered.
    pub(super) session: Option<SessionId>,
    /// The operation its current call waits for.
    pub(super) busy: Option<OperationId>,
}

/// A registered connection, and an index of what it takes part in.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: PeerId,
    pub(super) credentials: Credentials,
    pub(super) label: String,
    pub(super) owned: BTreeSet<SetId>,
    pub(super) imported: BTreeSet<SetId>,
    pub(super) produced: BTreeSet<StreamId>,
    pub(super) joined: BTreeSet<(StreamId, Slot)>,
    /// Those it owns.
    pub(super) timelines: BTreeSet<TimelineId>,
    /// Its imports of timelines.
    pub(super) waits_for: BTreeSet<(TimelineId, u64)>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) session: SessionId,
    pub(super) uid: u32,
}

impl Caller {
    /// `thing` if it belongs to the caller. `owner` says to which session it belongs and which user is charged for it.
    ///
    /// # Errors
    /// `unknown` if it is none of the caller's user's: whether others have something of this number is nobody else's business;
    /// [`BrokerError::NotOwner`] if it belongs to another session of that user.
    pub(super) fn own<T>(
        self,
        thing: Option<&T>,
        owner: impl Fn(&T) -> (SessionId, u32),
        (kind, id): (ObjectKind, u64),
        unknown: BrokerError,
    ) -> Result<&T, BrokerError> {
        let thing = thing.ok_or(unknown.clone())?;
        match owner(thing) {
            (session, _) if session == self.session => Ok(thing),
            (_, uid) if uid == self.uid => Err(BrokerError::NotOwner { kind, id }),
            _ => Err(unknown),
        }
    }
}

impl Machine {
    pub(super) fn connected(&mut self, peer: PeerId, credentials: Credentials) {
        if self.peers.contains_key(&peer) {
            return;
        }
        let admitted = self.check_strangers(credentials.uid);
        match admitted.and_then(|()| self.accounts.charge(credentials.uid, CONNECTION)) {
            Ok(()) => {
                self.peers.insert(
                    peer,
                    Peer {
                        credentials,
                        session: None,
                        busy: None,
                    },
                );
            }
            Err(error) => {
                self.effects.push(Effect::Fail { peer, error });
                self.effects.push(Effect::Disconnect { peer });
            }
        }
    }

    /// Bounds the connections a user can have besides its sessions: each may be sending a message, the bytes and
    /// descriptors of which are on nobody's account yet.
    fn check_strangers(&self, uid: u32) -> Result<(), BrokerError> {
        let strangers = self.peers.values();
        let strangers = strangers.filter(|peer| peer.session.is_none() && peer.credentials.uid == uid);
        one_more(uid, Resource::Sessions, strangers.count(), MAX_STRANGERS)
    }

    pub(super) fn register(&mut self, peer: PeerId, call: &Register) -> Answered {
        let Some(connection) = self.peers.get_mut(&peer) else {
            return Err(BrokerError::NotRegistered);
        };
        if let Some(session) = connection.session {
            return Err(BrokerError::AlreadyRegistered { session });
        }
        let credentials = connection.credentials;
        self.accounts.charge(credentials.uid, SESSION)?;
        let id = SessionId(next(&mut self.counters.session));
        connection.session = Some(id);
        let session = Session {
            peer,
            credentials,
            label: call.label.clone(),
            owned: BTreeSet::new(),
            imported: BTreeSet::new(),
            produced: BTreeSet::new(),
            joined: BTreeSet::new(),
            timelines: BTreeSet::new(),
            waits_for: BTreeSet::new(),
        };
        self.sessions.insert(id, session);
        done(Reply::Register(RegisterReply {
            session: id,
            pid: credentials.pid,
            uid: credentials.uid,
        }))
    }

    /// The session behind a connection.
    pub(super) fn caller(&self, peer: PeerId) -> Result<Caller, BrokerError> {
        let connection = self.peers.get(&peer).ok_or(BrokerError::NotRegistered)?;
        let session = connection.session.ok_or(BrokerError::NotRegistered)?;
        Ok(Caller {
            session,
            uid: connection.credentials.uid,
        })
    }

    /// Ends a connection that is still open.
    pub(super) fn disconnect(&mut self, peer: PeerId) {
        if self.peers.contains_key(&peer) {
            self.end_peer(peer);
            self.effects.push(Effect::Disconnect { peer });
        }
    }

    /// Takes back everything that belongs to a connection. Contract: P5.
    pub(super) fn end_peer(&mut self, peer: PeerId) {
        let Some(connection) = self.peers.remove(&peer) else {
            return;
        };
        let uid = connection.credentials.uid;
        if let Some(operation) = connection.busy {
            self.cancel(operation, uid);
        }
        if let Some(session) = connection.session {
            self.end_session(session);
        }
        self.accounts.release(uid, CONNECTION);
    }

    fn end_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let uid = session.credentials.uid;
        // The order matters to survivors: those who wait for points or frames of the dead hear of it first.
        let (timelines, waits_for) = (session.timelines.clone(), session.waits_for.clone());
        let (produced, joined) = (session.produced.clone(), session.joined.clone());
        for timeline in timelines {
            self.remove_timeline(timeline, End::OwnerDied);
        }
        for stream in produced {
            self.finish_stream(stream, EndReason::ProducerDied);
            self.remove_stream(stream);
        }
        for (stream, slot) in joined {
            self.remove_member(stream, slot);
        }
        for (timeline, import) in waits_for {
            self.remove_import(timeline, import);
        }
        // What it has in negotiated sets goes with its seats, or is left to the others.
        self.leave_seats(id);
        let session = self.sessions.get(&id);
        let left = session.map(|session| (session.owned.clone(), session.imported.clone()));
        let (owned, imported) = left.unwrap_or_default();
        for set in owned {
            self.remove_set(set);
        }
        for set in imported {
            self.remove_importer(set, id);
        }
        self.sessions.remove(&id);
        self.accounts.release(uid, SESSION);
    }
}
