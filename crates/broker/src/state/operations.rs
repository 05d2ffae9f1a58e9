//! What the driver is busy with, and how a call goes on afterwards.

use wharf_protocol::{Amounts, BrokerError};

use super::{Answer, Answered, Effect, FdHandle, Machine, OperationId, PeerId, Request, next};

/// Work the driver was asked to do for a call.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) request: Request,
    pub(super) work: Work,
    /// What was charged in advance. Released if the operation comes to nothing.
    pub(super) cost: Amounts,
}

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Allocating the buffers of a new set.
    Allocation,
    /// Sealing a set, after which the call is served again from the start.
    Sealing,
    /// Creating the status page of a new stream.
    StatusPage,
    /// Making doorbells, after which the call is served again from the start.
    Bells,
    /// Creating the status page of a new timeline.
    TimelinePage,
    /// Allocating the buffers a set is moved to.
    Moving,
    /// What a negotiated set waits for, after which the call is served again.
    Negotiation,
    /// Moving a set, after which the call is served again from the start.
    MakingRoom,
}

impl Machine {
    /// Charges `cost` and begins work; `effect` asks the driver for it, given the operation's number.
    pub(super) fn begin(
        &mut self,
        request: &Request,
        work: Work,
        cost: Amounts,
        effect: impl FnOnce(OperationId) -> Effect,
    ) -> Answered {
        let peer = self
            .peers
            .get_mut(&request.peer)
            .ok_or(BrokerError::NotRegistered)?;
        self.accounts.charge(peer.credentials.uid, cost)?;
        let id = OperationId(next(&mut self.counters.operation));
        peer.busy = Some(id);
        self.operations.insert(
            id,
            Operation {
                request: request.clone(),
                work,
                cost,
            },
        );
        self.effects.push(effect(id));
        Ok(Answer::Later)
    }

    /// Takes an operation of the given kind off the list, once its outcome is known. `None` if the caller is gone, or
    /// if the driver reports what it was never asked.
    pub(super) fn conclude(&mut self, id: OperationId, work: Work) -> Option<Operation> {
        if self.operations.get(&id)?.work != work {
            return None;
        }
        let operation = self.operations.remove(&id)?;
        if let Some(peer) = self.peers.get_mut(&operation.request.peer) {
            peer.busy = None;
        }
        Some(operation)
    }

    /// Goes on with an operation for which the driver was to make a status page: `make` has it served. If nobody waits for it any more, or
    /// that fails, `discard` is what makes the driver forget the page.
    pub(super) fn page_created(
        &mut self,
        (id, work): (OperationId, Work),
        outcome: Result<FdHandle, BrokerError>,
        discard: Effect,
        make: impl FnOnce(&mut Self, &Operation, FdHandle) -> Result<(), BrokerError>,
    ) {
        let Some(operation) = self.conclude(id, work) else {
            return self.discard_page(discard, outcome.ok());
        };
        let page = match outcome {
            Ok(page) => page,
            Err(error) => return self.abandon(operation, error),
        };
        if let Err(error) = make(self, &operation, page) {
            self.discard_page(discard, Some(page));
            self.abandon(operation, error);
        }
    }

    fn discard_page(&mut self, discard: Effect, page: Option<FdHandle>) {
        if let Some(page) = page {
            self.effects.push(discard);
            self.drop_handles(vec![page]);
        }
    }

    /// Answers the call of an operation that came to nothing.
    pub(super) fn abandon(&mut self, operation: Operation, error: BrokerError) {
        if let Some(uid) = self.uid_of(operation.request.peer) {
            self.accounts.release(uid, operation.cost);
        }
        self.drop_handles(operation.request.handles());
        self.fail(operation.request.peer, operation.request.oneway, error);
    }

    /// Forgets an operation whose caller is gone. What the driver still makes for it is dropped when it arrives.
    pub(super) fn cancel(&mut self, id: OperationId, uid: u32) {
        if let Some(operation) = self.operations.remove(&id) {
            self.accounts.release(uid, operation.cost);
            self.drop_handles(operation.request.handles());
        }
    }

    pub(super) fn uid_of(&self, peer: PeerId) -> Option<u32> {
        self.peers.get(&peer).map(|peer| peer.credentials.uid)
    }
}
