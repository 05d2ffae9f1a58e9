//! Moves after a departure: who is not in the stream any more is not to read later frames.

use wharf_protocol::{Rotation, SetId};

use super::{MoveSpec, Phase};
use crate::state::sets::BufferSet;
use crate::state::stream::{Member, Stream};
use crate::state::{Machine, OperationId, next};

/// How long everybody may take.
pub(in crate::state) const ROTATION_MS: u64 = 5000;

impl Stream {
    /// Takes note of what somebody may have kept who departs.
    pub(in crate::state) fn note_departure(&mut self, member: &Member, set: &BufferSet) {
        let concerns = match self.rotation {
            Rotation::Never => false,
            Rotation::OtherUsers => member.uid != self.uid,
            Rotation::Always => true,
        };
        if concerns && self.is_running() {
            let offered = set.moving.as_ref().filter(|moving| moving.phase == Phase::Others);
            self.left_with = offered.map_or(set.current.number, |moving| moving.number);
        }
    }

    /// Whether somebody has left who may have the memory in use.
    pub(in crate::state) fn is_rotation_due(&self, set: &BufferSet) -> bool {
        self.is_running() && self.left_with >= set.current.number
    }
}

impl Machine {
    /// Begins the move that a departure calls for, if there is one, nobody is in its way and the owner can pay. If not, this is to be
    /// called again when somebody else departs or releases memory; a move that failed is not begun again at once.
    pub(in crate::state) fn rotate(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        let is_due = self
            .stream_of(set)
            .is_some_and(|stream| stream.is_rotation_due(set));
        if !is_due {
            return;
        }
        let spec = MoveSpec {
            size_bytes: set.current.size_bytes,
            count: set.count(),
            plan: set.current.plan.clone(),
        };
        let Ok(allocate) = self.pay_for_move(id, &spec) else {
            return;
        };
        let operation = OperationId(next(&mut self.counters.operation));
        self.effects.push(allocate(operation));
        self.record_move(id, spec, (operation, ROTATION_MS), Vec::new());
    }
}
