//! The generations of a set's memory, and who has which. Contract: N5.

use std::collections::BTreeSet;

use wharf_protocol::{
    Amounts, BrokerError, Done, GetGeneration, GetGenerationReply, Incarnation, MoveContract,
    ReleaseGeneration, Reply, Role, Seat, SessionId, SetId, Slot, TakeGeneration, TakeGenerationReply,
};

use super::sets::BufferSet;
use super::stream::Stream;
use super::{Answer, Answered, FdHandle, FdRef, Machine, PeerId, done};

/// The number of the memory a set begins with.
pub(super) const FIRST: u64 = 1;

/// Equal buffers that are or were a set's.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) size_bytes: u64,
    pub(super) buffers: Vec<FdHandle>,
    /// What the owner's user was charged for it.
    pub(super) cost: Amounts,
    /// What the owner says about it.
    pub(super) plan: String,
}

/// A generation that was in use before.
#[derive(Debug)]
pub(super) struct OldGeneration {
    pub(super) generation: Generation,
    /// Who has not released it.
    pub(super) holders: BTreeSet<Participant>,
    /// Whether it was sealed. If not, it was never shared, and whoever got it could write it. Contract: S5.
    pub(super) sealed: bool,
}

/// Somebody who has a set, in one of its capacities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Participant {
    Owner,
    Importer(SessionId),
    Consumer(Slot, Incarnation),
}

impl Participant {
    pub(super) fn role(self) -> Role {
        match self {
            Self::Owner => Role::Owner,
            Self::Importer(_) => Role::Importer,
            Self::Consumer(..) => Role::Consumer,
        }
    }
}

impl OldGeneration {
    fn is_for(&self, participant: Participant) -> bool {
        self.sealed || participant == Participant::Owner
    }
}

impl Generation {
    pub(super) fn count(&self) -> u32 {
        // CAST: a set has at most 64 buffers.
        self.buffers.len() as u32
    }

    pub(super) fn fd_refs(&self) -> impl Iterator<Item = FdRef> {
        self.buffers.iter().copied().map(FdRef::Held)
    }
}

impl BufferSet {
    /// Everybody who has the set, with the contract of each. Members of a stream that is over are among them: they may be reading its
    /// last frames.
    pub(super) fn participants(&self, stream: Option<&Stream>) -> Vec<(Participant, MoveContract)> {
        let importers = self
            .importers
            .iter()
            .map(|(session, contract)| (Participant::Importer(*session), *contract));
        let members = stream.into_iter().flat_map(|stream| &stream.members);
        let consumers =
            members.map(|(slot, member)| (Participant::Consumer(*slot, member.incarnation), member.contract));
        [(Participant::Owner, MoveContract::Movable)]
            .into_iter()
            .chain(importers)
            .chain(consumers)
            .collect()
    }

    /// Whether a session has the set in any capacity.
    pub(super) fn is_had_by(&self, session: SessionId, stream: &Stream) -> bool {
        let mut members = stream.members.values();
        self.owner == session
            || self.importers.contains_key(&session)
            || members.any(|member| member.session == session)
    }
}

impl Machine {
    pub(super) fn stream_of(&self, set: &BufferSet) -> Option<&Stream> {
        self.streams.get(&set.stream?)
    }

    /// The caller as a participant of a set, if it is one in the capacity it claims.
    pub(super) fn participant(
        &self,
        peer: PeerId,
        id: SetId,
        (role, seat): (Role, Option<Seat>),
    ) -> Result<Participant, BrokerError> {
        let caller = self.caller(peer)?;
        let unknown = BrokerError::NoSuchSet { id };
        let set = self.sets.get(&id).ok_or(unknown.clone())?;
        let is_member = |seat: &Seat| {
            let member = self.stream_of(set)?.members.get(&seat.slot)?;
            Some((member.session, member.incarnation) == (caller.session, seat.incarnation))
        };
        match (role, seat) {
            (Role::Owner, _) if set.owner == caller.session => Ok(Participant::Owner),
            (Role::Importer, _) if set.importers.contains_key(&caller.session) => {
                Ok(Participant::Importer(caller.session))
            }
            (Role::Consumer, Some(seat)) if is_member(&seat) == Some(true) => {
                Ok(Participant::Consumer(seat.slot, seat.incarnation))
            }
            _ => Err(unknown),
        }
    }

    /// The session behind a participant.
    pub(super) fn session_of(&self, set: &BufferSet, participant: Participant) -> Option<SessionId> {
        match participant {
            Participant::Owner => Some(set.owner),
            Participant::Importer(session) => Some(session),
            Participant::Consumer(slot, _) => Some(self.stream_of(set)?.members.get(&slot)?.session),
        }
    }

    pub(super) fn take_generation(&mut self, peer: PeerId, call: &TakeGeneration) -> Answered {
        let participant = self.participant(peer, call.set, (call.role, call.seat))?;
        let set = self
            .sets
            .get_mut(&call.set)
            .ok_or(BrokerError::NoSuchSet { id: call.set })?;
        let (size_bytes, plan, buffers) = set.find(call.generation, participant)?;
        let reply = TakeGenerationReply {
            size_bytes,
            // CAST: a set has at most 64 buffers.
            count: buffers.len() as u32,
            plan,
        };
        let fds = buffers.into_iter().map(FdRef::Held).collect();
        Ok(Answer::Done(Reply::TakeGeneration(reply), fds))
    }

    pub(super) fn get_generation(&mut self, peer: PeerId, call: &GetGeneration) -> Answered {
        let participant = self.participant(peer, call.set, (call.role, call.seat))?;
        let set = self
            .sets
            .get(&call.set)
            .ok_or(BrokerError::NoSuchSet { id: call.set })?;
        let moving = set.moving.as_ref();
        let offered = moving.filter(|moving| moving.is_offered_to(participant));
        done(Reply::GetGeneration(GetGenerationReply {
            current: set.current.number,
            offered: offered.map(|moving| moving.number),
        }))
    }

    pub(super) fn release_generation(&mut self, peer: PeerId, call: &ReleaseGeneration) -> Answered {
        let participant = self.participant(peer, call.set, (call.role, call.seat))?;
        let set = self
            .sets
            .get_mut(&call.set)
            .ok_or(BrokerError::NoSuchSet { id: call.set })?;
        let old = set
            .old
            .iter_mut()
            .find(|old| old.generation.number == call.generation);
        if !old.is_some_and(|old| old.holders.remove(&participant)) {
            return Err(BrokerError::StaleGeneration {
                generation: call.generation,
                current: set.current.number,
            });
        }
        self.drop_released(call.set);
        self.rotate(call.set);
        done(Reply::ReleaseGeneration(Done {}))
    }

    /// Gives up the memory that nobody has not released.
    fn drop_released(&mut self, id: SetId) {
        let Some(set) = self.sets.get_mut(&id) else { return };
        let uid = set.uid;
        let released: Vec<_> = set
            .old
            .extract_if(.., |old| old.holders.is_empty())
            .map(|old| old.generation)
            .collect();
        for generation in released {
            self.accounts.release(uid, generation.cost);
            self.drop_handles(generation.buffers);
        }
    }

    /// Waits no more for somebody who has left: neither to release memory nor to be ready for a move.
    pub(super) fn forget_participant(&mut self, id: SetId, participant: Participant) {
        self.negotiating.touch(id);
        let Some(set) = self.sets.get_mut(&id) else { return };
        for old in &mut set.old {
            old.holders.remove(&participant);
        }
        // Should it come again, it comes without the memory.
        if let Some(moving) = &mut set.moving {
            moving.ready.remove(&participant);
        }
        self.drop_released(id);
        self.advance_move(id);
        self.rotate(id);
    }
}

impl BufferSet {
    /// The generation with this number, for a participant who may have it: size, plan and buffers. Who takes an old one has to release
    /// it.
    fn find(
        &mut self,
        number: u64,
        participant: Participant,
    ) -> Result<(u64, String, Vec<FdHandle>), BrokerError> {
        let describe = |generation: &Generation| {
            (
                generation.size_bytes,
                generation.plan.clone(),
                generation.buffers.clone(),
            )
        };
        if number == self.current.number {
            return Ok(describe(&self.current));
        }
        let old = self.old.iter_mut().find(|old| old.generation.number == number);
        if let Some(old) = old.filter(|old| old.is_for(participant)) {
            old.holders.insert(participant);
            return Ok(describe(&old.generation));
        }
        let offered = self.moving.as_ref();
        let offered = offered.filter(|moving| moving.number == number && moving.is_offered_to(participant));
        let moving = offered.ok_or(BrokerError::StaleGeneration {
            generation: number,
            current: self.current.number,
        })?;
        Ok((
            moving.spec.size_bytes,
            moving.spec.plan.clone(),
            moving.buffers.clone(),
        ))
    }
}
