//! The memory of negotiated sets: asking heaps, putting it into use, giving it up.

use std::collections::BTreeMap;

use wharf_core::Errno;
use wharf_core::constraints::{Field, Value};
use wharf_core::negotiation::Plan;
use wharf_core::set::{AllocationFailure, SetStatus};
use wharf_protocol::limits::MAX_BUFFERS;
use wharf_protocol::{Amounts, BrokerError, BufferPlan, EndReason, SessionId, SetId};

use super::{Place, Purpose};
use crate::state::accounts::cost_of_buffers;
use crate::state::event::{HeapFailure, HeapRequest};
use crate::state::generations::Generation;
use crate::state::moving::MoveSpec;
use crate::state::sets::BufferSet;
use crate::state::{Effect, FdHandle, Machine, OperationId, PeerId};

/// The owner of a set that nobody writes: no session.
pub(in crate::state) const NOBODY: SessionId = SessionId(0);

/// Memory a heap was asked for.
#[derive(Debug)]
pub(super) struct Allocation {
    generation: u64,
    operation: OperationId,
    spec: MoveSpec,
    /// What was charged in advance.
    pub(super) cost: Amounts,
}

/// Memory that is not in use yet.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) generation: u64,
    pub(super) spec: MoveSpec,
    pub(super) cost: Amounts,
    pub(super) buffers: Vec<FdHandle>,
}

impl Machine {
    /// Asks a heap for the buffers of a plan, at the cost of the set's creator.
    pub(super) fn ask_heap(&mut self, id: SetId, generation: u64, plan: Plan, heaps: Vec<Box<str>>) {
        let request = self.heap_request(id, &plan, &heaps);
        let asked = request.and_then(|request| {
            let cost = cost_of_buffers(request.size_bytes, request.count);
            let charged = self.accounts.charge(request.uid, cost);
            charged.map_err(quota)?;
            Ok((request, cost))
        });
        match asked {
            Ok((request, cost)) => {
                let spec = MoveSpec {
                    size_bytes: request.size_bytes,
                    count: request.count,
                    plan: BufferPlan::of(&plan, &heaps).write(),
                };
                let operation = self.new_purpose(id, Purpose::Allocation);
                let allocation = Allocation {
                    generation,
                    operation,
                    spec,
                    cost,
                };
                if let Ok(set) = self.negotiating.set_mut(id) {
                    set.allocation = Some(allocation);
                }
                self.effects.push(Effect::AskHeap { operation, request });
            }
            Err(failure) => self.answer_allocation(id, generation, Err(failure)),
        }
    }

    /// What a heap is asked for one buffer, in whole chunks of it.
    fn heap_request(
        &self,
        id: SetId,
        plan: &Plan,
        heaps: &[Box<str>],
    ) -> Result<HeapRequest, AllocationFailure> {
        let refused = |memory, reason: &str| AllocationFailure::Heap {
            memory,
            errno: Errno::EOPNOTSUPP,
            reason: reason.into(),
        };
        let Ok(set) = self.negotiating.set(id) else {
            return Err(refused(0, "the set is gone"));
        };
        let ([memory], [heap]) = (&*plan.memories, heaps) else {
            let reason = "the broker gives a buffer one memory: let the planes be joint";
            return Err(refused(plan.memories.len().saturating_sub(1), reason));
        };
        let offer = self.negotiating.heaps.iter().find(|offer| offer.name == *heap);
        let chunk_bytes = offer.map_or(0, |offer| offer.guarantees.chunk_bytes);
        let chunk_bytes = chunk_bytes.max(self.settings.page_bytes);
        let size_bytes = memory.size_bytes.max(1).checked_next_multiple_of(chunk_bytes);
        let size_bytes = size_bytes.ok_or_else(|| refused(0, "in whole chunks it has more than 64 bits"))?;
        if !(1..=MAX_BUFFERS).contains(&plan.count()) {
            return Err(refused(0, "the broker gives a set 1 to 64 buffers"));
        }
        let is_locked = |reason: &wharf_core::negotiation::Reason| {
            reason.path.field == Field::Locked && reason.value == Value::Needed
        };
        Ok(HeapRequest {
            uid: set.uid,
            heap: heap.clone().into(),
            name: set.name.clone(),
            size_bytes,
            count: plan.count(),
            min_chunk_bytes: memory.min_chunk_bytes,
            locked: plan.reasons.iter().any(is_locked),
        })
    }

    fn answer_allocation(&mut self, id: SetId, generation: u64, answer: Result<(), AllocationFailure>) {
        if let Ok(set) = self.negotiating.set_mut(id) {
            // Stale answers are about memory that has been given up.
            let _ = set.machine.allocated(generation, answer);
        }
    }

    /// What a heap gave.
    pub(in crate::state) fn heap_answered(
        &mut self,
        operation: OperationId,
        outcome: Result<Vec<FdHandle>, HeapFailure>,
    ) {
        if let Some((uid, cost)) = self.negotiating.unwanted.remove(&operation) {
            self.accounts.release(uid, cost);
        }
        let Some((id, _)) = self.negotiating.purposes.remove(&operation) else {
            return self.drop_handles(outcome.unwrap_or_default());
        };
        let asked = self.negotiating.sets.get_mut(&id);
        let is_asked = |allocation: &mut Allocation| allocation.operation == operation;
        let asked = asked.and_then(|set| Some((set.uid, set.allocation.take_if(is_asked)?)));
        let Some((uid, allocation)) = asked else {
            return self.drop_handles(outcome.unwrap_or_default());
        };
        let Allocation {
            generation,
            spec,
            cost,
            ..
        } = allocation;
        let answer = match outcome {
            Ok(buffers) => {
                let memory = Memory {
                    generation,
                    spec,
                    cost,
                    buffers,
                };
                if let Ok(set) = self.negotiating.set_mut(id) {
                    set.memory = Some(memory);
                }
                Ok(())
            }
            Err(HeapFailure { errno, reason }) => {
                self.accounts.release(uid, cost);
                let reason = reason.into();
                Err(AllocationFailure::Heap {
                    memory: 0,
                    errno,
                    reason,
                })
            }
        };
        self.answer_allocation(id, generation, answer);
        self.follow_orders(id);
    }

    /// Makes the first memory a set's.
    pub(super) fn put_into_use(&mut self, id: SetId) {
        let Ok(set) = self.negotiating.set_mut(id) else {
            return;
        };
        let is_live = matches!(set.machine.status(), SetStatus::Allocated { .. });
        if !is_live || self.sets.contains_key(&id) {
            return;
        }
        let Some(memory) = set.memory.take() else { return };
        let writer = set.writer.and_then(|writer| set.seats.get_mut(&writer));
        let owner = writer.map_or(NOBODY, |seat| {
            seat.place = Place::Owner;
            seat.session
        });
        let buffers = memory.buffers.clone();
        let set = BufferSet {
            owner,
            uid: set.uid,
            name: set.name.clone(),
            current: Generation {
                number: memory.generation,
                size_bytes: memory.spec.size_bytes,
                buffers: memory.buffers,
                cost: memory.cost,
                plan: memory.spec.plan,
            },
            old: Vec::new(),
            moving: None,
            failed: None,
            newest: memory.generation,
            sealed: false,
            importers: BTreeMap::new(),
            stream: None,
        };
        self.sets.insert(id, set);
        match self.sessions.get_mut(&owner) {
            Some(session) => drop(session.owned.insert(id)),
            None => self.seal_for_nobody(id, buffers),
        }
    }

    /// Seals buffers that nobody writes.
    fn seal_for_nobody(&mut self, set: SetId, buffers: Vec<FdHandle>) {
        let operation = self.new_purpose(set, Purpose::Seal);
        self.effects.push(Effect::Seal {
            peer: PeerId(0),
            operation,
            set,
            buffers,
        });
    }

    /// Buffers are sealed, or cannot be.
    pub(in crate::state) fn set_sealed(
        &mut self,
        operation: OperationId,
        set: SetId,
        outcome: Result<(), BrokerError>,
    ) {
        match self.negotiating.purposes.remove(&operation) {
            Some((id, _)) => self.sealed_for_nobody(id, outcome),
            None => self.sealed(operation, set, outcome),
        }
        self.negotiating.touch(set);
    }

    /// Buffers that nobody writes are sealed, or cannot be.
    fn sealed_for_nobody(&mut self, id: SetId, outcome: Result<(), BrokerError>) {
        match outcome {
            Ok(()) => {
                if let Some(set) = self.sets.get_mut(&id) {
                    set.sealed = true;
                }
                self.negotiating.touch(id);
            }
            Err(error) => {
                tracing::warn!(%id, %error, "the buffers of a negotiated set cannot be sealed");
                self.remove_negotiated(id);
            }
        }
    }

    pub(super) fn release_memory(&mut self, id: SetId, memory: Memory) {
        if let Ok(set) = self.negotiating.set(id) {
            self.accounts.release(set.uid, memory.cost);
        }
        self.drop_handles(memory.buffers);
    }

    /// Gives up a generation, whatever became of it. One that was replaced goes when nobody has it any more.
    pub(super) fn give_up(&mut self, id: SetId, generation: u64) {
        let Ok(set) = self.negotiating.set_mut(id) else {
            return;
        };
        let uid = set.uid;
        if let Some(allocation) = set.allocation.take_if(|asked| asked.generation == generation) {
            // The heap goes on, and what it takes is charged as long: who asks and leaves does not get more than the quota.
            let (operation, cost) = (allocation.operation, allocation.cost);
            self.negotiating.purposes.remove(&operation);
            self.negotiating.unwanted.insert(operation, (uid, cost));
        }
        let memory = self.negotiating.set_mut(id).ok();
        let memory = memory.and_then(|set| set.memory.take_if(|memory| memory.generation == generation));
        if let Some(memory) = memory {
            self.release_memory(id, memory);
        }
        let Some(set) = self.sets.get(&id) else { return };
        let moving = set.moving.as_ref().map(|moving| moving.number);
        if moving == Some(generation) {
            if let Ok(set) = self.negotiating.set_mut(id) {
                set.moving_to = None;
            }
            let current = self.sets.get(&id).map_or(0, |set| set.current.number);
            self.fail_move(id, BrokerError::StaleGeneration { generation, current });
        } else if set.current.number == generation {
            self.remove_memory(id);
        }
    }

    /// The generations a set has or waits for.
    pub(super) fn generations_of(&self, id: SetId) -> Vec<u64> {
        let Ok(set) = self.negotiating.set(id) else {
            return Vec::new();
        };
        let asked = set.allocation.as_ref().map(|allocation| allocation.generation);
        let unused = set.memory.as_ref().map(|memory| memory.generation);
        let memory = self.sets.get(&id);
        let moving = memory.and_then(|memory| Some(memory.moving.as_ref()?.number));
        let current = memory.map(|memory| memory.current.number);
        [asked, unused, moving, current].into_iter().flatten().collect()
    }

    /// Seals buffers whose writer has gone before it could.
    pub(super) fn seal_orphaned(&mut self, id: SetId) {
        let buffers = self.sets.get(&id).map(|memory| memory.current.buffers.clone());
        self.seal_for_nobody(id, buffers.unwrap_or_default());
    }

    /// Takes the buffers away from everybody. What is mapped stays.
    pub(super) fn remove_memory(&mut self, id: SetId) {
        let Some(set) = self.sets.get(&id) else { return };
        if let Some(stream) = set.stream {
            self.finish_stream(stream, EndReason::Ended);
            self.remove_stream(stream);
        }
        self.remove_set(id);
    }
}

fn quota(error: BrokerError) -> AllocationFailure {
    match error {
        BrokerError::QuotaExceeded {
            resource,
            limit,
            used,
            requested,
            ..
        } => AllocationFailure::Quota {
            resource: resource.to_string().into(),
            limit,
            used,
            requested,
        },
        other => AllocationFailure::Heap {
            memory: 0,
            errno: Errno::EDQUOT,
            reason: other.to_string().into(),
        },
    }
}
