//! Buffer sets: N equal buffers with one owner.
//!
//! A set is writable for its owner at first. Before it is shared, as a stream or with a token, it is sealed: mappings its owner made before still write, nobody gets a new writable one. Contract: B1, S5.

use std::collections::BTreeSet;

use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, Amounts, BrokerError, Call, Done, FreeBuffers, ImportBuffers,
    ImportBuffersReply, ObjectKind, ReleaseImport, Reply, SessionId, SetId, StreamId,
};

use super::accounts::{NOTHING, cost_of_buffers};
use super::operations::{Operation, Work};
use super::peers::Caller;
use super::{Answer, Answered, Effect, FdHandle, FdRef, Machine, OperationId, PeerId, Request, done, next};

/// The generation of a set's memory. Sets are not re-allocated yet.
const GENERATION: u64 = 1;

/// A set of equal buffers.
#[derive(Debug)]
pub(super) struct BufferSet {
    pub(super) owner: SessionId,
    pub(super) uid: u32,
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) size_bytes: u64,
    pub(super) buffers: Vec<FdHandle>,
    /// What the owner's user was charged for it.
    pub(super) cost: Amounts,
    pub(super) sealed: bool,
    pub(super) importers: BTreeSet<SessionId>,
    /// The stream that uses it. One that ended still does while consumers may be reading its last frames.
    pub(super) stream: Option<StreamId>,
}

impl BufferSet {
    pub(super) fn count(&self) -> u32 {
        // CAST: a set has at most 64 buffers.
        self.buffers.len() as u32
    }

    pub(super) fn fd_refs(&self) -> impl Iterator<Item = FdRef> {
        self.buffers.iter().copied().map(FdRef::Held)
    }
}

impl Machine {
    pub(super) fn allocate_buffers(&mut self, request: &Request, call: &AllocateBuffers) -> Answered {
        self.caller(request.peer)?;
        let size_bytes = self.whole_pages(call.size_bytes)?;
        let (name, count) = (call.name.clone(), call.count);
        self.begin(
            request,
            Work::Allocation,
            cost_of_buffers(size_bytes, count),
            |operation| Effect::Allocate {
                operation,
                name,
                size_bytes,
                count,
            },
        )
    }

    pub(super) fn allocated(&mut self, id: OperationId, outcome: Result<Vec<FdHandle>, BrokerError>) {
        let Some(operation) = self.conclude(id, Work::Allocation) else {
            return self.drop_handles(outcome.unwrap_or_default());
        };
        let buffers = match outcome {
            Ok(buffers) => buffers,
            Err(error) => return self.abandon(operation, error),
        };
        match self.new_set(&operation, buffers.clone()) {
            Ok(reply) => {
                let fds = buffers.into_iter().map(FdRef::Held).collect();
                self.reply(
                    operation.request.peer,
                    operation.request.oneway,
                    Reply::AllocateBuffers(reply),
                    fds,
                );
            }
            Err(error) => {
                self.drop_handles(buffers);
                self.abandon(operation, error);
            }
        }
    }

    fn new_set(
        &mut self,
        operation: &Operation,
        buffers: Vec<FdHandle>,
    ) -> Result<AllocateBuffersReply, BrokerError> {
        let Call::AllocateBuffers(call) = &operation.request.call else {
            return Err(BrokerError::NotRegistered);
        };
        let caller = self.caller(operation.request.peer)?;
        let size_bytes = self.whole_pages(call.size_bytes)?;
        let id = SetId(next(&mut self.counters.set));
        let set = BufferSet {
            owner: caller.session,
            uid: caller.uid,
            name: call.name.clone(),
            generation: GENERATION,
            size_bytes,
            buffers,
            cost: operation.cost,
            sealed: false,
            importers: BTreeSet::new(),
            stream: None,
        };
        self.sets.insert(id, set);
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.owned.insert(id);
        }
        Ok(AllocateBuffersReply {
            set: id,
            generation: GENERATION,
            size_bytes,
        })
    }

    fn whole_pages(&self, size_bytes: u64) -> Result<u64, BrokerError> {
        size_bytes
            .checked_next_multiple_of(self.settings.page_bytes)
            .ok_or_else(|| {
                BrokerError::invalid("size_bytes", "rounded up to whole pages it has more than 64 bits")
            })
    }

    pub(super) fn free_buffers(&mut self, peer: PeerId, call: &FreeBuffers) -> Answered {
        let caller = self.caller(peer)?;
        if let Some(stream) = self.owned_set(caller, call.set)?.stream {
            if self
                .streams
                .get(&stream)
                .is_some_and(|stream| stream.is_running())
            {
                return Err(BrokerError::SetInUse {
                    set: call.set,
                    stream,
                });
            }
            self.remove_stream(stream);
        }
        self.remove_set(call.set);
        done(Reply::FreeBuffers(Done {}))
    }

    pub(super) fn import_buffers(&mut self, peer: PeerId, call: &ImportBuffers) -> Answered {
        let caller = self.caller(peer)?;
        let id = self.tokens.set(&call.token)?;
        // There is no token for a set that is not sealed. Contract: S5.
        let set = self.sets.get_mut(&id).filter(|set| set.sealed);
        let set = set.ok_or(BrokerError::TokenUnknown)?;
        let reply = ImportBuffersReply {
            set: id,
            generation: set.generation,
            name: set.name.clone(),
            size_bytes: set.size_bytes,
            count: set.count(),
            plan: String::new(),
        };
        let fds = set.fd_refs().collect();
        set.importers.insert(caller.session);
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.imported.insert(id);
        }
        self.tokens.count_use(&call.token);
        Ok(Answer::Done(Reply::ImportBuffers(reply), fds))
    }

    pub(super) fn release_import(&mut self, peer: PeerId, call: &ReleaseImport) -> Answered {
        let caller = self.caller(peer)?;
        let unknown = BrokerError::NoSuchSet { id: call.set };
        let session = self.sessions.get_mut(&caller.session).ok_or(unknown.clone())?;
        if !session.imported.remove(&call.set) {
            return Err(unknown);
        }
        if let Some(set) = self.sets.get_mut(&call.set) {
            set.importers.remove(&caller.session);
        }
        done(Reply::ReleaseImport(Done {}))
    }

    /// Seals a set for its owner, who may make that take for ever, then serves the call again.
    pub(super) fn seal(&mut self, request: &Request, set: SetId) -> Answered {
        let buffers = self
            .sets
            .get(&set)
            .ok_or(BrokerError::NoSuchSet { id: set })?
            .buffers
            .clone();
        let peer = request.peer;
        self.begin(request, Work::Sealing, NOTHING, |operation| Effect::Seal {
            peer,
            operation,
            set,
            buffers,
        })
    }

    pub(super) fn sealed(&mut self, id: OperationId, set: SetId, outcome: Result<(), BrokerError>) {
        // The set is sealed whatever became of the caller.
        if let (Some(set), Ok(())) = (self.sets.get_mut(&set), &outcome) {
            set.sealed = true;
        }
        let Some(operation) = self.conclude(id, Work::Sealing) else {
            return;
        };
        match outcome {
            Ok(()) => self.serve(operation.request),
            Err(error) => self.abandon(operation, error),
        }
    }

    /// The set with this id, if it belongs to the caller.
    pub(super) fn owned_set(&self, caller: Caller, id: SetId) -> Result<&BufferSet, BrokerError> {
        // Whether others have a set of this number is nobody else's business.
        let set = self.sets.get(&id).filter(|set| set.uid == caller.uid);
        let set = set.ok_or(BrokerError::NoSuchSet { id })?;
        if set.owner != caller.session {
            return Err(BrokerError::NotOwner {
                kind: ObjectKind::Set,
                id: id.0,
            });
        }
        Ok(set)
    }

    /// Forgets a set that no stream uses. Whoever mapped it keeps the memory alive. Contract: B4, P5.
    pub(super) fn remove_set(&mut self, id: SetId) {
        let Some(set) = self.sets.remove(&id) else { return };
        self.tokens.remove_set(id);
        if let Some(owner) = self.sessions.get_mut(&set.owner) {
            owner.owned.remove(&id);
        }
        for importer in &set.importers {
            if let Some(importer) = self.sessions.get_mut(importer) {
                importer.imported.remove(&id);
            }
        }
        self.accounts.release(set.uid, set.cost);
        self.drop_handles(set.buffers);
    }
}
