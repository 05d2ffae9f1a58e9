//! The end of a move: committed, failed, or out of time; and what its owner is told of it afterwards.

use wharf_protocol::{BrokerError, GetMove, GetMoveReply, Hindrance, MoveContract, Reply, SetId};

use crate::state::generations::{Generation, OldGeneration, Participant};
use crate::state::operations::Work;
use crate::state::{Answered, Effect, Machine, OperationId, PeerId, done};

impl Machine {
    pub(super) fn commit_move(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let holders = set.participants(self.stream_of(set)).into_iter();
        let holders = holders.map(|(who, _)| who).collect();
        let Some(set) = self.sets.get_mut(&id) else { return };
        let Some(moving) = set.moving.take() else { return };
        let next = Generation {
            number: moving.number,
            size_bytes: moving.spec.size_bytes,
            buffers: moving.buffers,
            cost: moving.cost,
            plan: moving.spec.plan,
        };
        let generation = std::mem::replace(&mut set.current, next);
        set.old.push(OldGeneration {
            generation,
            holders,
            sealed: set.sealed,
        });
        set.sealed = true;
        self.end_alarm(moving.operation);
        self.announce_move(id);
        self.serve_joiners(&moving.joiners, None);
        self.rotate(id);
    }

    /// Goes on with the calls that waited for a move, which failed for `error` if there is one.
    pub(in crate::state) fn serve_joiners(&mut self, joiners: &[OperationId], error: Option<&BrokerError>) {
        for joiner in joiners {
            let Some(operation) = self.conclude(*joiner, Work::MakingRoom) else {
                continue;
            };
            let peer = operation.request.peer;
            self.effects.push(Effect::Resume { peer });
            match error {
                Some(error) => self.abandon(operation, error.clone()),
                None => self.serve(operation.request),
            }
        }
    }

    /// Ends a move that comes to nothing. The memory in use stays.
    pub(in crate::state) fn fail_move(&mut self, id: SetId, error: BrokerError) {
        let Some(set) = self.sets.get_mut(&id) else { return };
        let Some(moving) = set.moving.take() else { return };
        set.failed = Some((moving.number, error.clone()));
        self.accounts.release(set.uid, moving.cost);
        self.drop_handles(moving.buffers);
        self.end_alarm(moving.operation);
        self.announce_move(id);
        self.serve_joiners(&moving.joiners, Some(&error));
        if let Some(asked) = self.conclude(moving.operation, Work::Moving) {
            self.abandon(asked, error);
        }
    }

    /// Forgets the number of a move that is over.
    pub(in crate::state) fn end_alarm(&mut self, operation: OperationId) {
        if self.moves.remove(&operation).is_some() {
            self.effects.push(Effect::CancelAlarm { operation });
        }
    }

    /// The time of a move is up. Those who may be cut off are, if that helps.
    pub(in crate::state) fn alarm(&mut self, operation: OperationId) {
        let Some(id) = self.moves.get(&operation).copied() else {
            return;
        };
        let Some(set) = self.sets.get(&id) else { return };
        let missing = self.missing(set);
        let is_revocable = |(_, contract): &(_, MoveContract)| *contract == MoveContract::Revocable;
        if !missing.is_empty() && missing.iter().all(is_revocable) {
            missing.into_iter().for_each(|(who, _)| self.cut_off(id, who));
        } else {
            let blockers = self.blame(set, missing.into_iter().map(|(who, _)| who), Hindrance::Silent);
            self.fail_move(id, BrokerError::MoveBusy { set: id, blockers });
        }
    }

    fn cut_off(&mut self, id: SetId, participant: Participant) {
        match participant {
            Participant::Owner => {}
            Participant::Importer(session) => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.imported.remove(&id);
                }
                self.remove_importer(id, session);
            }
            Participant::Consumer(slot, _) => {
                if let Some(stream) = self.sets.get(&id).and_then(|set| set.stream) {
                    self.remove_member(stream, slot);
                }
            }
        }
    }

    pub(in crate::state) fn get_move(&mut self, peer: PeerId, call: &GetMove) -> Answered {
        let caller = self.caller(peer)?;
        let set = self.owned_set(caller, call.set)?;
        let generation = call.generation;
        let moving = set.moving.as_ref().map(|moving| moving.number);
        let old = set.old.iter().map(|old| old.generation.number);
        let committed = old.chain([set.current.number]).any(|number| number == generation);
        match &set.failed {
            _ if committed || moving == Some(generation) => done(Reply::GetMove(GetMoveReply { committed })),
            Some((failed, error)) if *failed == generation => Err(error.clone()),
            _ => Err(BrokerError::StaleGeneration {
                generation,
                current: set.current.number,
            }),
        }
    }
}
