//! Moves that a set has decided on, with the mechanism of all sets. Contract: N5.

use std::collections::BTreeSet;

use wharf_protocol::{BrokerError, SetId};

use super::errors::move_failure;
use super::memory::NOBODY;
use crate::state::moving::{Move, Phase};
use crate::state::{Effect, Machine, OperationId, next};

impl Machine {
    /// Begins to move the buffers to memory that has been allocated.
    pub(super) fn begin_negotiated_move(&mut self, id: SetId, to: u64) {
        let memory = self.negotiating.set_mut(id).ok();
        let memory = memory.and_then(|set| set.memory.take_if(|memory| memory.generation == to));
        let Some(memory) = memory else { return };
        if let Err(error) = self.can_move(id, memory.spec.count) {
            self.release_memory(id, memory);
            return self.not_moved(id, to, error);
        }
        let operation = OperationId(next(&mut self.counters.operation));
        let Some(set) = self.sets.get_mut(&id) else { return };
        set.newest = to;
        set.moving = Some(Move {
            number: to,
            spec: memory.spec,
            cost: memory.cost,
            operation,
            phase: Phase::Owner,
            buffers: memory.buffers,
            joiners: Vec::new(),
            ready: BTreeSet::new(),
        });
        self.moves.insert(operation, id);
        if let Ok(set) = self.negotiating.set_mut(id) {
            set.moving_to = Some(to);
            let after_ms = set.move_deadline_ms;
            self.effects.push(Effect::SetAlarm { operation, after_ms });
        }
        self.announce_move(id);
    }

    fn can_move(&self, id: SetId, count: u32) -> Result<(), BrokerError> {
        let set = self.sets.get(&id).ok_or(BrokerError::NoSuchSet { id })?;
        self.check_movable(id, set, count)?;
        if set.owner != NOBODY && set.sealed {
            return Ok(());
        }
        let reason = "nobody who could write new buffers is there, or has mapped the present ones";
        Err(BrokerError::MoveFailed {
            set: id,
            generation: set.current.number,
            label: "the one who writes".to_owned(),
            pid: 0,
            reason: reason.to_owned(),
        })
    }

    /// Tells a set that its move came to nothing, and why.
    fn not_moved(&mut self, id: SetId, to: u64, error: BrokerError) {
        let Ok(set) = self.negotiating.set_mut(id) else {
            return;
        };
        let newcomer = set.machine.newcomer();
        let failure = move_failure(&error);
        let is_busy = matches!(error, BrokerError::MoveBusy { .. });
        let _ = set.machine.not_moved(to, failure);
        if let (Some(newcomer), false) = (newcomer, is_busy) {
            self.note_refusal(id, newcomer, error);
        }
        self.follow_orders(id);
    }

    /// Looks what became of a move, and tells the set.
    pub(super) fn settle_move(&mut self, id: SetId) {
        let Some(set) = self.negotiating.sets.get_mut(&id) else {
            return;
        };
        let Some(to) = set.moving_to else { return };
        let (is_over, current, failed) = match self.sets.get(&id) {
            Some(set) => (set.moving.is_none(), set.current.number, set.failed.clone()),
            None => (true, 0, None),
        };
        if !is_over {
            return;
        }
        set.moving_to = None;
        if current == to {
            let _ = set.machine.moved(to);
            self.follow_orders(id);
        } else {
            let failed = failed.filter(|(number, _)| *number == to);
            let gone = BrokerError::StaleGeneration {
                generation: to,
                current,
            };
            self.not_moved(id, to, failed.map_or(gone, |(_, error)| error));
        }
    }
}
