//! The calls of consumers, and what becomes of their slots.

use wharf_protocol::{
    BrokerError, Done, Incarnation, JoinStream, JoinStreamReply, LeaveStream, Reply, Slot, StreamId,
};
use wharf_stream::CONSUMER_PAGE_BYTES;
use wharf_stream::status::SlotState;

use super::accounts::{CONSUMER_PAGE, sum};
use super::bells::{Bells, JoinBells};
use super::generations::Participant;
use super::pages::check_page;
use super::sets::BufferSet;
use super::stream::{Member, Stream};
use super::{Answer, Answered, Effect, FdRef, Machine, PeerId, Request, done};

impl Machine {
    pub(super) fn join_stream(&mut self, request: &Request, call: &JoinStream) -> Answered {
        let caller = self.caller(request.peer)?;
        let id = self.tokens.stream(&call.token, call.stream)?;
        let page = check_page(request.page.as_ref(), CONSUMER_PAGE_BYTES)?.handle;
        let stream = self.streams.get(&id).ok_or(BrokerError::TokenUnknown)?;
        let set = self
            .sets
            .get(&stream.set)
            .ok_or(BrokerError::NoSuchSet { id: stream.set })?;
        let contract = call.contract.unwrap_or_default();
        set.check_joining(stream.set, contract)?;
        let slot = match stream.admit(call.depth, set.fewest()) {
            Err(error @ BrokerError::CountsExhausted { .. }) => {
                return self.make_room(request, id, call.depth, error);
            }
            admitted => admitted?,
        };
        let incarnation = Incarnation(self.counters.incarnation + 1);
        let bells = request.bells.as_ref().map(Bells::of_member).unwrap_or_default();
        let (reply, fds) = self.welcome(id, stream, set, (slot, incarnation), &bells)?;
        self.accounts
            .charge(caller.uid, sum(CONSUMER_PAGE, bells.cost()))?;
        self.counters.incarnation = incarnation.0;
        let member = Member {
            session: caller.session,
            uid: caller.uid,
            incarnation,
            depth: call.depth,
            policy: call.policy,
            contract,
            page: Some(page),
            polls: bells.own.is_some(),
            bells,
        };
        self.add_member(id, slot, member);
        self.tokens.count_use(&call.token);
        Ok(Answer::Done(reply, fds))
    }

    /// What a new consumer is told and given.
    fn welcome(
        &self,
        id: StreamId,
        stream: &Stream,
        set: &BufferSet,
        (slot, incarnation): (Slot, Incarnation),
        bells: &JoinBells,
    ) -> Result<(Reply, Vec<FdRef>), BrokerError> {
        let pages = stream.running_pages()?;
        let producer = self
            .sessions
            .get(&stream.producer)
            .ok_or(BrokerError::NoSuchStream { id })?;
        let reply = JoinStreamReply {
            stream: id,
            set: stream.set,
            name: stream.name.clone(),
            slot,
            incarnation,
            generation: set.current.number,
            size_bytes: set.current.size_bytes,
            count: set.count(),
            plan: set.current.plan.clone(),
            producer_label: producer.label.clone(),
            producer_pid: producer.credentials.pid,
            producer_polls: bells.producers.is_some(),
        };
        let first = [
            FdRef::Held(pages.ring),
            FdRef::Held(pages.status),
            FdRef::Process(producer.peer),
        ];
        Ok((
            Reply::JoinStream(reply),
            first
                .into_iter()
                .chain(bells.for_consumer.into_iter().flatten().map(FdRef::Given))
                .chain(set.current.fd_refs())
                .collect(),
        ))
    }

    /// Gives a slot to a consumer, and lets the producer know.
    fn add_member(&mut self, id: StreamId, slot: Slot, member: Member) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&member.session) {
            session.joined.insert((id, slot));
        }
        let incarnation = member.incarnation;
        stream.members.insert(slot, member);
        self.effects.push(Effect::SetSlot {
            stream: id,
            slot,
            incarnation,
            state: SlotState::Live,
        });
        self.ring_producer(id);
    }

    pub(super) fn leave_stream(&mut self, peer: PeerId, call: &LeaveStream) -> Answered {
        let caller = self.caller(peer)?;
        let unknown = BrokerError::NoSuchStream { id: call.stream };
        let stream = self.streams.get(&call.stream).ok_or(unknown.clone())?;
        match stream.members.get(&call.slot) {
            Some(member) if (member.session, member.incarnation) == (caller.session, call.incarnation) => {
                self.remove_member(call.stream, call.slot);
                done(Reply::LeaveStream(Done {}))
            }
            _ => Err(unknown),
        }
    }

    /// Frees a slot, whose consumer left or is gone: the producer may reuse what it held. Contract: S4.
    pub(super) fn remove_member(&mut self, id: StreamId, slot: Slot) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Some(mut member) = stream.members.remove(&slot) else {
            return;
        };
        let set = stream.set;
        if let Some(set) = self.sets.get(&set) {
            stream.note_departure(&member, set);
        }
        if let Some(session) = self.sessions.get_mut(&member.session) {
            session.joined.remove(&(id, slot));
        }
        if stream.is_running() {
            let incarnation = member.incarnation;
            self.effects.push(Effect::SetSlot {
                stream: id,
                slot,
                incarnation,
                state: SlotState::Gone,
            });
            self.ring_producer(id);
            self.ring(member.bell());
        } else if stream.members.is_empty() {
            self.remove_stream(id);
        }
        let (unused, cost) = member.take_descriptors();
        self.accounts.release(member.uid, cost);
        self.drop_handles(unused);
        self.forget_participant(set, Participant::Consumer(slot, member.incarnation));
    }
}
