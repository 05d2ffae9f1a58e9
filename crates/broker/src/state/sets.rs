//! Buffer sets: N equal buffers with one owner.
//!
//! A set is writable for its owner at first. Before it is shared, as a stream or with a token, it is sealed: mappings its owner made before still write, nobody gets a new writable one. Contract: B1, S5.

use std::collections::BTreeMap;

use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, Amounts, BrokerError, Call, Done, FreeBuffers, ImportBuffers,
    ImportBuffersReply, MoveContract, ObjectKind, ReleaseImport, Reply, SessionId, SetId, StreamId,
};

use super::accounts::{NOTHING, cost_of_buffers, sum};
use super::generations::{FIRST, Generation, OldGeneration, Participant};
use super::moving::Move;
use super::operations::{Operation, Work};
use super::peers::Caller;
use super::{Answer, Answered, Effect, FdHandle, FdRef, Machine, OperationId, PeerId, Request, done, next};

/// A set of equal buffers.
#[derive(Debug)]
pub(super) struct BufferSet {
    pub(super) owner: SessionId,
    pub(super) uid: u32,
    pub(super) name: String,
    /// The memory in use.
    pub(super) current: Generation,
    /// Memory that was in use before and that somebody has not released, oldest first.
    pub(super) old: Vec<OldGeneration>,
    /// The move in progress.
    pub(super) moving: Option<Move>,
    /// The last move that failed: where to, and what for.
    pub(super) failed: Option<(u64, BrokerError)>,
    /// The newest generation there was or was to be.
    pub(super) newest: u64,
    pub(super) sealed: bool,
    pub(super) importers: BTreeMap<SessionId, MoveContract>,
    /// The stream that uses it. One that ended still does while consumers may be reading its last frames.
    pub(super) stream: Option<StreamId>,
}

impl BufferSet {
    pub(super) fn count(&self) -> u32 {
        self.current.count()
    }

    /// With how few buffers a stream over the set may have to do soon.
    pub(super) fn fewest(&self) -> u32 {
        let moving_to = self.moving.as_ref().map(|moving| moving.spec.count);
        moving_to.map_or(self.count(), |count| count.min(self.count()))
    }

    /// What the owner's user was charged for all its memory.
    pub(super) fn cost(&self) -> Amounts {
        let old = self.old.iter().map(|old| old.generation.cost);
        let moving = self.moving.iter().map(|moving| moving.cost);
        old.chain(moving).fold(self.current.cost, sum)
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
        if let Some(set) = self.moves.get(&id) {
            return self.move_allocated(*set, outcome);
        }
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
            current: Generation {
                number: FIRST,
                size_bytes,
                buffers,
                cost: operation.cost,
                plan: String::new(),
            },
            old: Vec::new(),
            moving: None,
            failed: None,
            newest: FIRST,
            sealed: false,
            importers: BTreeMap::new(),
            stream: None,
        };
        self.sets.insert(id, set);
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.owned.insert(id);
        }
        Ok(AllocateBuffersReply {
            set: id,
            generation: FIRST,
            size_bytes,
        })
    }

    pub(super) fn whole_pages(&self, size_bytes: u64) -> Result<u64, BrokerError> {
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
        let contract = call.contract.unwrap_or_default();
        set.check_joining(id, contract)?;
        let reply = ImportBuffersReply {
            set: id,
            generation: set.current.number,
            name: set.name.clone(),
            size_bytes: set.current.size_bytes,
            count: set.count(),
            plan: set.current.plan.clone(),
        };
        let fds = set.current.fd_refs().collect();
        set.importers.insert(caller.session, contract);
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
        self.remove_importer(call.set, caller.session);
        done(Reply::ReleaseImport(Done {}))
    }

    /// Forgets that a session imported a set.
    pub(super) fn remove_importer(&mut self, id: SetId, session: SessionId) {
        if let Some(set) = self.sets.get_mut(&id) {
            set.importers.remove(&session);
            self.forget_participant(id, Participant::Importer(session));
        }
    }

    /// Seals a set for its owner, who may make that take for ever, then serves the call again.
    pub(super) fn seal(&mut self, request: &Request, set: SetId) -> Answered {
        let buffers = self
            .sets
            .get(&set)
            .ok_or(BrokerError::NoSuchSet { id: set })?
            .current
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
        if self.moves.contains_key(&id) {
            return self.move_sealed(set, outcome);
        }
        // Without its caller, the owner, there is no set either.
        let Some(operation) = self.conclude(id, Work::Sealing) else {
            return;
        };
        if let (Some(set), Ok(())) = (self.sets.get_mut(&set), &outcome) {
            set.sealed = true;
        }
        match outcome {
            Ok(()) => self.serve(operation.request),
            Err(error) => self.abandon(operation, error),
        }
    }

    /// The set with this id, if it belongs to the caller.
    pub(super) fn owned_set(&self, caller: Caller, id: SetId) -> Result<&BufferSet, BrokerError> {
        let owner = |set: &BufferSet| (set.owner, set.uid);
        caller.own(
            self.sets.get(&id),
            owner,
            (ObjectKind::Set, id.0),
            BrokerError::NoSuchSet { id },
        )
    }

    /// Forgets a set that no stream uses. Whoever mapped it keeps the memory alive. Contract: B4, P5.
    pub(super) fn remove_set(&mut self, id: SetId) {
        let Some(set) = self.sets.remove(&id) else { return };
        self.tokens.remove_set(id);
        if let Some(owner) = self.sessions.get_mut(&set.owner) {
            owner.owned.remove(&id);
        }
        for importer in set.importers.keys() {
            if let Some(importer) = self.sessions.get_mut(importer) {
                importer.imported.remove(&id);
            }
        }
        self.accounts.release(set.uid, set.cost());
        let mut buffers = set.current.buffers;
        buffers.extend(set.old.into_iter().flat_map(|old| old.generation.buffers));
        let moving = set.moving;
        buffers.extend(moving.iter().flat_map(|moving| moving.buffers.clone()));
        self.drop_handles(buffers);
        if let Some(moving) = moving {
            self.end_alarm(moving.operation);
            self.serve_joiners(&moving.joiners, None);
        }
    }
}
