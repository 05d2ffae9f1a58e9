//! Carrying out what the state machine says.

use std::time::Instant;

use rustix::event::epoll;
use wharf_linux::{BellEnd, Memfd, MemfdError};
use wharf_protocol::codec::{EncodeError, encode_error, encode_reply};
use wharf_protocol::{BrokerError, Reply, SetId, StreamId, TimelineId};

use super::accept::{UNKNOWN, forget};
use super::connection::{Connection, Stage};
use super::descriptors::{Descriptor, Shared};
use super::output::Progress;
use super::sealing::{Finished, Job};
use super::{Driver, Key, system_error};
use crate::state::{Effect, Event, FdHandle, FdRef, OperationId, PeerId};

/// Writes a reply. A listing that is too long for a message is shortened.
pub(super) fn encode_shortened(reply: &Reply) -> Result<Vec<u8>, EncodeError> {
    let mut encoded = encode_reply(reply);
    if matches!(
        (&encoded, reply),
        (Err(EncodeError::TooLarge { .. }), Reply::GetState(_))
    ) {
        let mut shorter = reply.clone();
        while let (Err(EncodeError::TooLarge { .. }), Reply::GetState(state)) = (&encoded, &mut shorter) {
            state.truncate();
            encoded = encode_reply(&shorter);
        }
    }
    encoded
}

impl Driver {
    /// Tells the state machine what happened, does what it says, and goes on until there is nothing left to tell.
    pub(super) fn feed(&mut self, event: Event) {
        self.events.push_back(event);
        self.settle();
    }

    /// Tells the state machine what it has not heard yet.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let gone = if let Event::Disconnected { peer } = event {
                Some(peer)
            } else {
                None
            };
            for effect in self.machine.handle(event) {
                self.execute(effect);
            }
            if let Some(peer) = gone {
                self.close(peer);
            }
        }
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { peer, reply, fds } => self.reply(peer, &reply, fds),
            Effect::Fail { peer, error } => self.fail(peer, &error),
            Effect::Disconnect { peer } => self.dismiss(peer),
            Effect::Wait { peer } => self.change_stage(peer, Stage::Open, Stage::Waiting),
            Effect::Resume { peer } => {
                self.change_stage(peer, Stage::Waiting, Stage::Open);
                self.queue(peer);
            }
            Effect::Allocate {
                operation,
                name,
                size_bytes,
                count,
            } => {
                self.allocate(operation, &name, size_bytes, count);
            }
            Effect::AskHeap { operation, request } => self.heaping.begin(operation, request),
            Effect::Seal {
                peer,
                operation,
                set,
                buffers,
            } => self.seal(peer, operation, set, &buffers),
            Effect::CreateStatusPage { operation, stream } => self.create_status_page(operation, stream),
            Effect::SetSlot {
                stream,
                slot,
                incarnation,
                state,
            } => {
                self.stream_pages.write(stream, |page| {
                    if let Ok(slot) = usize::try_from(slot.0) {
                        page.set_slot(slot, incarnation.0, state);
                    }
                });
            }
            Effect::SetGenerations { stream, generations } => {
                self.stream_pages
                    .write(stream, |page| page.set_generations(generations));
            }
            Effect::MakeBells { operation, ends } => self.make_bells(operation, &ends),
            Effect::Ring { bells } => self.ring(&bells),
            Effect::SetAlarm { operation, after_ms } => self.alarms.set(operation, after_ms),
            Effect::CancelAlarm { operation } => self.alarms.cancel(operation),
            Effect::SetStreamState { stream, state } => {
                self.stream_pages
                    .write(stream, |page| page.set_stream_state(state));
            }
            Effect::DropStatusPage { stream } => self.stream_pages.remove(stream),
            Effect::CreateTimelinePage { operation, timeline } => {
                self.create_timeline_page(operation, timeline);
            }
            Effect::SetImports { timeline, newest } => {
                self.timeline_pages
                    .write(timeline, |page| page.set_imports(newest));
            }
            Effect::EndTimeline { timeline, end } => {
                self.timeline_pages.write(timeline, |page| page.set_over(end));
            }
            Effect::DropTimelinePage { timeline } => self.timeline_pages.remove(timeline),
            Effect::Drop { handles } => self.release(handles),
        }
    }

    fn reply(&mut self, peer: PeerId, reply: &Reply, fds: Vec<FdRef>) {
        let fds = fds.into_iter().filter_map(|fd| self.resolve(fd)).collect();
        match encode_shortened(reply) {
            Ok(message) => self.send(peer, message, fds),
            Err(EncodeError::TooLarge { limit_bytes, .. }) => {
                self.fail(
                    peer,
                    &BrokerError::MessageTooLarge {
                        limit_bytes: limit_bytes as u64,
                    },
                );
            }
            Err(error) => self.give_up(peer, &error),
        }
    }

    fn fail(&mut self, peer: PeerId, error: &BrokerError) {
        tracing::debug!(peer = peer.0, %error, "a call is refused");
        match encode_error(error) {
            Ok(message) => self.send(peer, message, Vec::new()),
            Err(error) => self.give_up(peer, &error),
        }
    }

    fn resolve(&mut self, fd: FdRef) -> Option<Shared> {
        match fd {
            FdRef::Held(handle) => self.descriptors.get(handle).cloned(),
            FdRef::Given(handle) => self.descriptors.take(handle),
            FdRef::Process(peer) => self
                .connections
                .get(&peer)
                .map(|connection| Shared::clone(&connection.process)),
        }
    }

    fn send(&mut self, peer: PeerId, message: Vec<u8>, fds: Vec<Shared>) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if connection.stage == Stage::Broken {
            return;
        }
        if !connection.output.put(message, fds) {
            return self.give_up(
                peer,
                &"it was answered before the answer to its call before was sent",
            );
        }
        self.flush(peer);
    }

    /// Sends what waits for a peer, as far as it reads. Makes nothing new to be sent.
    pub(super) fn flush(&mut self, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        let progress = connection.output.flush(&connection.socket);
        connection.wants_room = progress == Progress::Blocked;
        match progress {
            Progress::Idle | Progress::Blocked => self.update_interest(peer),
            Progress::Crowded => self.delay(peer),
            Progress::Broken => self.give_up(peer, &"it hung up"),
        }
    }

    /// Lets the loop look for what a peer is good for at the moment.
    pub(super) fn update_interest(&mut self, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        let interest = connection.interest();
        if interest == connection.watched {
            return;
        }
        match epoll::modify(
            &self.epoll,
            &*connection.socket,
            Key::Socket(peer).into(),
            interest,
        ) {
            Ok(()) => connection.watched = interest,
            Err(errno) => self.give_up(peer, &errno),
        }
    }

    /// Ends a connection that is no longer of use; the state machine hears of it next.
    fn give_up(&mut self, peer: PeerId, reason: &dyn std::fmt::Display) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.stage != Stage::Broken
        {
            connection.stage = Stage::Broken;
            tracing::debug!(peer = peer.0, %reason, "a connection is ended");
            self.events.push_back(Event::Disconnected { peer });
        }
    }

    /// Closes a connection at the state machine's wish.
    fn dismiss(&mut self, peer: PeerId) {
        match self.connections.get(&peer) {
            Some(connection) if !connection.has_spoken => {
                // It was refused before it could say anything. It may be about to, and shall still read why.
                if let Some(connection) = self.unwatch(peer) {
                    let whose = (peer, connection.uid);
                    self.entrance.refuse(&self.epoll, whose, connection.socket, None);
                }
            }
            _ => self.close(peer),
        }
    }

    /// Hangs up.
    fn close(&mut self, peer: PeerId) {
        if let Some(connection) = self.unwatch(peer) {
            connection.close(&self.foreign);
            // There may be a descriptor for a connection that has to wait.
            if self.entrance.is_shut {
                self.retry_at = Some(Instant::now());
            }
        }
    }

    /// Takes a connection out of the loop.
    fn unwatch(&mut self, peer: PeerId) -> Option<Connection> {
        let connection = self.connections.remove(&peer)?;
        tracing::debug!(peer = peer.0, "a connection is over");
        forget(&self.epoll, &connection);
        if let Some(process) = connection.process.fd() {
            forget(&self.epoll, process);
        }
        Some(connection)
    }

    fn allocate(&mut self, operation: OperationId, name: &str, size_bytes: u64, count: u32) {
        let failed = |error: MemfdError| system_error(error.errno(), "allocating buffers");
        let memory: Result<Vec<Memfd>, _> = (0..count).map(|_| Memfd::create(name, size_bytes)).collect();
        let outcome = memory.map_err(failed).map(|memory| {
            memory
                .into_iter()
                .map(|memory| self.descriptors.add(Descriptor::Memory(memory)))
                .collect()
        });
        self.events.push_back(Event::Allocated { operation, outcome });
    }

    fn create_status_page(&mut self, operation: OperationId, stream: StreamId) {
        let page = self.stream_pages.create(stream);
        let outcome = page.map(|page| self.descriptors.add(page));
        self.events.push_back(Event::StatusPageCreated {
            operation,
            stream,
            outcome,
        });
    }

    fn make_bells(&mut self, operation: OperationId, ends: &[u32]) {
        // CAST: u32 fits usize on Linux.
        let bells: Result<Vec<_>, _> = ends.iter().map(|ends| BellEnd::make(*ends as usize)).collect();
        let mut keep = |end| self.descriptors.add(Descriptor::Bell(end));
        let outcome = match bells {
            Ok(bells) => Ok(bells
                .into_iter()
                .map(|ends| ends.into_iter().map(&mut keep).collect())
                .collect()),
            Err(error) => Err(system_error(error.errno(), "making a doorbell")),
        };
        self.events.push_back(Event::BellsMade { operation, outcome });
    }

    fn ring(&self, bells: &[FdHandle]) {
        for bell in bells {
            if let Some(Descriptor::Bell(end)) = self.descriptors.get(*bell).map(|kept| kept.descriptor()) {
                end.ring();
            }
        }
    }

    fn create_timeline_page(&mut self, operation: OperationId, timeline: TimelineId) {
        let page = self.timeline_pages.create(timeline);
        let outcome = page.map(|page| self.descriptors.add(page));
        self.events.push_back(Event::TimelinePageCreated {
            operation,
            timeline,
            outcome,
        });
    }

    fn seal(&mut self, peer: PeerId, operation: OperationId, set: SetId, buffers: &[FdHandle]) {
        let held = |handle: &FdHandle| Some((*handle, Shared::clone(self.descriptors.get(*handle)?)));
        let buffers = buffers.iter().filter_map(held).collect();
        let uid = self.connections.get(&peer).map_or(UNKNOWN, |owner| owner.uid);
        match self.sealing.begin(Job {
            peer,
            uid,
            operation,
            set,
            buffers,
        }) {
            Some(finished) => self.sealed(finished),
            None => self.change_stage(peer, Stage::Open, Stage::Waiting),
        }
    }

    fn change_stage(&mut self, peer: PeerId, from: Stage, to: Stage) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && connection.stage == from
        {
            connection.stage = to;
            self.update_interest(peer);
        }
    }

    fn sealed(&mut self, finished: Finished) {
        let Finished {
            operation,
            set,
            outcome,
            ..
        } = finished;
        let outcome = outcome.map(|buffers| {
            for (handle, descriptor) in buffers {
                self.descriptors.replace(handle, descriptor);
            }
        });
        self.events.push_back(Event::Sealed {
            operation,
            set,
            outcome,
        });
    }

    /// Goes on with the calls whose buffers have been sealed.
    pub(super) fn collect_sealed(&mut self) {
        for finished in self.sealing.finished() {
            self.change_stage(finished.peer, Stage::Waiting, Stage::Open);
            self.queue(finished.peer);
            self.sealed(finished);
            self.settle();
        }
    }

    /// Goes on with the sets whose heaps have answered.
    pub(super) fn collect_allocated(&mut self) {
        for finished in self.heaping.finished() {
            let operation = finished.operation;
            let outcome = finished.outcome.map(|buffers| {
                let buffers = buffers.into_iter();
                buffers
                    .map(|memory| self.descriptors.add_memory(memory))
                    .collect()
            });
            self.feed(Event::HeapAnswered { operation, outcome });
        }
    }

    fn release(&mut self, handles: Vec<FdHandle>) {
        for handle in handles {
            self.descriptors.remove(handle);
        }
    }
}
