//! Work that takes the driver a while: how it begins, and how it is reported.

use wharf_broker::state::{Event, FdHandle, OperationId, PeerId};
use wharf_protocol::{BrokerError, Call, SetId, StreamId};

use super::effects::Turn;
use super::holdings::Held;
use super::world::World;

/// Work that was asked for and not reported yet.
pub(super) struct Operation {
    /// Whose call waits for it.
    pub(super) peer: PeerId,
    pub(super) call: Option<Call>,
    pub(super) oneway: bool,
    pub(super) work: Work,
}

pub(super) enum Work {
    Allocate(u32),
    Seal(SetId, Vec<FdHandle>),
    StatusPage(StreamId),
    Bells(Vec<u32>),
}

impl World {
    /// Takes on work for the call that is being served.
    pub(super) fn begin(&mut self, id: OperationId, work: Work) {
        let peer = self.turn.peer.expect("work is done for calls");
        let caller = self
            .peers
            .get_mut(&peer)
            .expect("work is done for those who are there");
        assert_eq!(
            caller.waits_for.replace(id),
            None,
            "one call waits for two operations"
        );
        self.turn.operations += 1;
        let (call, oneway) = (self.turn.call.clone(), self.turn.oneway);
        let before = self.operations.insert(
            id,
            Operation {
                peer,
                call,
                oneway,
                work,
            },
        );
        assert!(before.is_none(), "{id:?} was begun twice");
    }

    /// Takes on work that no call waits for.
    pub(super) fn begin_alone(&mut self, id: OperationId, peer: PeerId, work: Work) {
        let alone = Operation {
            peer,
            call: None,
            oneway: false,
            work,
        };
        assert!(
            self.operations.insert(id, alone).is_none(),
            "{id:?} was begun twice"
        );
    }

    /// The time of a move is up.
    pub(super) fn ring_alarm(&mut self, operation: usize) {
        let waiting: Vec<OperationId> = self.alarms.iter().copied().collect();
        if let Some(index) = operation.checked_rem(waiting.len()) {
            self.turn = Turn::default();
            self.alarms.remove(&waiting[index]);
            self.tell(Event::Alarm {
                operation: waiting[index],
            });
        }
    }

    /// Reports how an operation went. Its peer may be gone by now.
    pub(super) fn report(&mut self, id: OperationId, succeeds: bool) {
        let Some(done) = self.operations.remove(&id) else {
            return;
        };
        let is_waited_for = match self.peers.get_mut(&done.peer) {
            Some(peer) => peer.waits_for.take() == Some(id),
            None => false,
        };
        let peer = is_waited_for.then_some(done.peer);
        self.turn = Turn {
            peer,
            call: done.call,
            oneway: done.oneway,
            ..Turn::default()
        };
        let event = self.outcome(id, done.work, succeeds);
        self.tell(event);
        if let Some(peer) = peer {
            self.check_answered();
            self.serve(peer);
        }
    }

    fn outcome(&mut self, operation: OperationId, work: Work, succeeds: bool) -> Event {
        let failure = || BrokerError::AllocationFailed {
            errno: 12,
            reason: "out of memory".to_owned(),
        };
        match work {
            Work::Allocate(count) => {
                let buffers = |_| (0..count).map(|_| self.holdings.add(Held::Fresh)).collect();
                let outcome = succeeds.then_some(()).map(buffers).ok_or_else(failure);
                Event::Allocated { operation, outcome }
            }
            Work::Seal(set, buffers) => {
                if succeeds {
                    self.holdings.seal(&buffers);
                }
                let outcome = succeeds.then_some(()).ok_or_else(failure);
                Event::Sealed {
                    operation,
                    set,
                    outcome,
                }
            }
            Work::Bells(ends) => {
                let bell = |ends: u32| (0..ends).map(|_| self.holdings.add(Held::Bell)).collect();
                let outcome = match succeeds {
                    true => Ok(ends.into_iter().map(bell).collect()),
                    false => Err(failure()),
                };
                Event::BellsMade { operation, outcome }
            }
            Work::StatusPage(stream) if succeeds => {
                self.holdings.add_page(stream);
                let outcome = Ok(self.holdings.add(Held::Status));
                Event::StatusPageCreated {
                    operation,
                    stream,
                    outcome,
                }
            }
            Work::StatusPage(stream) => Event::StatusPageCreated {
                operation,
                stream,
                outcome: Err(failure()),
            },
        }
    }
}
