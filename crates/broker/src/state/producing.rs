//! The calls of producers: a stream's beginning, its newcomers, and its end.

use std::collections::BTreeMap;

use wharf_protocol::{
    BrokerError, Call, CreateStream, CreateStreamReply, Done, EndReason, EndStream, ObjectKind, Reply,
    Rotation, StreamId, TakeChanges, TakeChangesReply,
};
use wharf_stream::RING_PAGE_BYTES;
use wharf_stream::status::StreamState;

use super::accounts::{ENDED_STREAM, RUNNING_STREAM, STREAM_BELL, STREAM_PAGES};
use super::bells::Bells;
use super::generations::Participant;
use super::operations::{Operation, Work};
use super::pages::check_page;
use super::peers::Caller;
use super::stream::{Pages, Stream};
use super::{Answer, Answered, Effect, FdHandle, FdRef, Machine, OperationId, PeerId, Request, done, next};

impl Machine {
    pub(super) fn create_stream(&mut self, request: &Request, call: &CreateStream) -> Answered {
        let caller = self.caller(request.peer)?;
        let set = self.owned_set(caller, call.set)?;
        if let Some(stream) = set.stream {
            return Err(BrokerError::SetInUse {
                set: call.set,
                stream,
            });
        }
        check_page(request.page.as_ref(), RING_PAGE_BYTES)?;
        self.accounts.check(caller.uid, RUNNING_STREAM)?;
        if !set.sealed {
            return self.seal(request, call.set);
        }
        let polled = call.polled.unwrap_or(false).then_some(2);
        if let Some(later) = self.make_bells(request, polled.into_iter().collect()) {
            return later;
        }
        let stream = StreamId(next(&mut self.counters.stream));
        self.begin(request, Work::StatusPage, RUNNING_STREAM, |operation| {
            Effect::CreateStatusPage { operation, stream }
        })
    }

    pub(super) fn status_page_created(
        &mut self,
        id: OperationId,
        stream: StreamId,
        outcome: Result<FdHandle, BrokerError>,
    ) {
        let discard = Effect::DropStatusPage { stream };
        self.page_created(
            (id, Work::StatusPage),
            outcome,
            discard,
            |machine, operation, status| machine.new_stream(operation, stream, status),
        );
    }

    fn new_stream(
        &mut self,
        operation: &Operation,
        id: StreamId,
        status: FdHandle,
    ) -> Result<(), BrokerError> {
        let (request, peer) = (&operation.request, operation.request.peer);
        let (Call::CreateStream(call), Some(ring)) = (&request.call, &request.page) else {
            return Err(BrokerError::NotRegistered);
        };
        let caller = self.caller(peer)?;
        let set = self
            .sets
            .get_mut(&call.set)
            .ok_or(BrokerError::NoSuchSet { id: call.set })?;
        let bell = request.bells.as_ref().and_then(Bells::of_stream);
        if bell.is_some() {
            self.accounts.charge(caller.uid, STREAM_BELL)?;
        }
        set.stream = Some(id);
        let stream = Stream {
            name: call.name.clone(),
            producer: caller.session,
            uid: caller.uid,
            set: call.set,
            max_consumers: call.max_consumers,
            room_ms: call.room_ms,
            rotation: match call.rotation {
                None if self.negotiating.is_negotiated(call.set) => Rotation::Never,
                rotation => rotation.unwrap_or_default(),
            },
            left_with: 0,
            pages: Some(Pages {
                ring: ring.handle,
                status,
            }),
            bell: bell.map(|(_, broker)| broker),
            end: EndReason::Ended,
            members: BTreeMap::new(),
        };
        self.streams.insert(id, stream);
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.produced.insert(id);
        }
        self.announce_move(call.set);
        let reply = Reply::CreateStream(CreateStreamReply { stream: id });
        let own = bell.map(|(producer, _)| producer);
        let fds = [FdRef::Held(status)].into_iter().chain(own.map(FdRef::Given));
        self.reply(peer, request.oneway, reply, fds.collect());
        Ok(())
    }

    pub(super) fn take_changes(&mut self, peer: PeerId, call: &TakeChanges) -> Answered {
        let caller = self.caller(peer)?;
        let stream = self.running_stream_of(caller, call.stream)?;
        let (mut joined, mut fds) = (Vec::new(), Vec::new());
        for (slot, member) in stream.newcomers(call.after) {
            if let (Some(session), Some(page)) = (self.sessions.get(&member.session), member.page) {
                joined.push(member.describe(slot, session));
                fds.extend([FdRef::Held(page), FdRef::Process(session.peer)]);
                let rung = member.bells.own.map(|own| own.producer);
                fds.extend(rung.into_iter().chain(member.bells.producers).map(FdRef::Held));
            }
        }
        Ok(Answer::Done(Reply::TakeChanges(TakeChangesReply { joined }), fds))
    }

    pub(super) fn end_stream(&mut self, peer: PeerId, call: &EndStream) -> Answered {
        let caller = self.caller(peer)?;
        let is_empty = self.running_stream_of(caller, call.stream)?.members.is_empty();
        self.finish_stream(call.stream, call.reason);
        if is_empty {
            self.remove_stream(call.stream);
        }
        done(Reply::EndStream(Done {}))
    }

    /// The stream with this id, if the caller produces it and it runs.
    pub(super) fn running_stream_of(&self, caller: Caller, id: StreamId) -> Result<&Stream, BrokerError> {
        let owner = |stream: &Stream| (stream.producer, stream.uid);
        let unknown = BrokerError::NoSuchStream { id };
        let stream = caller.own(self.streams.get(&id), owner, (ObjectKind::Stream, id.0), unknown)?;
        stream.running_pages()?;
        Ok(stream)
    }

    /// Tells everybody that a stream is over. Its members stay until they leave: they may be reading its last frames,
    /// so that its buffers must not serve another stream yet. Contract: S2.
    pub(super) fn finish_stream(&mut self, id: StreamId, reason: EndReason) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let Some(pages) = stream.pages.take() else { return };
        stream.end = reason;
        let state = match reason {
            EndReason::Ended => StreamState::Ended,
            EndReason::ProducerDied => StreamState::ProducerDied,
        };
        self.effects.push(Effect::SetStreamState { stream: id, state });
        self.effects.push(Effect::DropStatusPage { stream: id });
        let bells = stream.bells();
        let mut unused = vec![pages.ring, pages.status];
        for member in stream.members.values_mut() {
            let (descriptors, cost) = member.take_descriptors();
            unused.extend(descriptors);
            self.accounts.release(member.uid, cost);
        }
        if let Some(bell) = stream.bell.take() {
            unused.push(bell);
            self.accounts.release(stream.uid, STREAM_BELL);
        }
        self.accounts.release(stream.uid, STREAM_PAGES);
        self.tokens.end_stream(id, reason);
        let set = stream.set;
        self.ring(bells);
        self.drop_handles(unused);
        self.advance_move(set);
    }

    /// Forgets a stream that is over, with its members.
    pub(super) fn remove_stream(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        if let Some(set) = self.sets.get_mut(&stream.set) {
            set.stream = None;
        }
        for (slot, member) in stream.members {
            if let Some(session) = self.sessions.get_mut(&member.session) {
                session.joined.remove(&(id, slot));
            }
            self.forget_participant(stream.set, Participant::Consumer(slot, member.incarnation));
        }
        if let Some(producer) = self.sessions.get_mut(&stream.producer) {
            producer.produced.remove(&id);
        }
        self.accounts.release(stream.uid, ENDED_STREAM);
    }
}
