//! What a turn of the loop does for whom.

use std::sync::Arc;

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use wharf_protocol::codec::{Message, decode_call};
use wharf_protocol::transport::Socket;
use wharf_protocol::{BrokerError, Call};

use super::accept::{Arrival, UNKNOWN};
use super::connection::{Connection, Stage};
use super::disposal::ForeignFd;
use super::input::{self, Input, inspect, look, take_out, take_out_elsewhere};
use super::{Driver, Key};
use crate::state::{Event, PeerId, ReceivedFd};

/// How many connections are accepted in one turn.
const ARRIVALS_PER_TURN: usize = 16;

impl Driver {
    /// Does what an event of the loop asks for.
    pub(super) fn attend(&mut self, key: Key, flags: EventFlags) {
        match key {
            // Ends the loop before it comes here.
            Key::Stop => {}
            Key::Listener => self.welcome(),
            Key::Sealing => self.collect_sealed(),
            Key::Heaping => self.collect_allocated(),
            Key::Process(peer) => self.feed(Event::Disconnected { peer }),
            Key::Socket(peer) if !self.connections.contains_key(&peer) => {
                self.entrance.see_off(&self.epoll, peer)
            }
            Key::Socket(peer) => {
                if flags.contains(EventFlags::OUT) {
                    self.resume(peer);
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.read(peer, flags);
                }
                self.settle();
            }
        }
    }

    fn welcome(&mut self) {
        for _ in 0..ARRIVALS_PER_TURN {
            match self.entrance.accept(&self.epoll) {
                Arrival::Peer(socket) => self.admit(socket),
                Arrival::Refused(socket) => {
                    let peer = self.next_peer();
                    tracing::debug!("out of file descriptors, a connection is refused");
                    let error = BrokerError::OutOfDescriptors;
                    self.entrance
                        .refuse(&self.epoll, (peer, UNKNOWN), socket, Some(&error));
                }
                Arrival::Nobody => return,
                Arrival::Trouble => return self.shut_entrance(),
            }
        }
    }

    fn admit(&mut self, socket: Arc<Socket>) {
        let peer = self.next_peer();
        let (connection, credentials) = match Connection::open(socket, &self.released) {
            Ok(opened) => opened,
            Err((socket, None)) => return input::close(socket, UNKNOWN, &self.foreign),
            Err((socket, Some(error))) => return self.refuse((peer, UNKNOWN), socket, &error),
        };
        let uid = credentials.uid;
        if self.foreign.is_full(uid) {
            return self.refuse((peer, uid), connection.socket, &BrokerError::OutOfDescriptors);
        }
        if let Err(errno) = self.watch(peer, &connection) {
            let error = super::system_error(errno, "watching the connection");
            return self.refuse((peer, uid), connection.socket, &error);
        }
        tracing::debug!(
            peer = peer.0,
            pid = credentials.pid,
            uid,
            "a process has connected"
        );
        self.connections.insert(peer, connection);
        self.feed(Event::Connected { peer, credentials });
    }

    fn refuse(&mut self, peer: (PeerId, u32), socket: Arc<Socket>, error: &BrokerError) {
        tracing::debug!(%error, "a connection is refused");
        self.entrance.refuse(&self.epoll, peer, socket, Some(error));
    }

    fn watch(&self, peer: PeerId, connection: &Connection) -> Result<(), Errno> {
        epoll::add(&self.epoll, connection, Key::Socket(peer).into(), EventFlags::IN)?;
        let process = connection.process.fd().ok_or(Errno::BADF)?;
        epoll::add(&self.epoll, process, Key::Process(peer).into(), EventFlags::IN)
            .inspect_err(|_| super::accept::forget(&self.epoll, connection))
    }

    fn next_peer(&mut self) -> PeerId {
        self.last_peer += 1;
        PeerId(self.last_peer)
    }

    pub(super) fn shut_entrance(&mut self) {
        let changed = epoll::modify(
            &self.epoll,
            &self.entrance,
            Key::Listener.into(),
            EventFlags::empty(),
        );
        self.entrance.is_shut = changed.is_ok();
        self.postpone();
    }

    /// Looks at the listener again, if there is something to do so with.
    pub(super) fn reopen_entrance(&mut self) {
        if !self.entrance.is_shut {
            return;
        }
        if self.entrance.can_accept() {
            let changed = epoll::modify(&self.epoll, &self.entrance, Key::Listener.into(), EventFlags::IN);
            self.entrance.is_shut = changed.is_err();
        }
        if self.entrance.is_shut {
            self.postpone();
        }
    }

    /// Reads once from a peer.
    fn read(&mut self, peer: PeerId, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if connection.is_queued {
            return;
        }
        if !connection.is_heard() {
            // It has nothing to say that would be heard, but that it is gone.
            if flags.contains(EventFlags::HUP) && connection.stage != Stage::Broken {
                self.feed(Event::Disconnected { peer });
            }
            return;
        }
        match look(
            &*connection.socket,
            &mut self.buffer,
            connection.uid,
            &self.foreign,
        ) {
            Ok(input) if input.bytes == 0 => self.feed(Event::Disconnected { peer }),
            Ok(input) => self.take_in(peer, input),
            Err(Errno::AGAIN) => {}
            Err(errno) => {
                tracing::debug!(%errno, peer = peer.0, "the connection broke");
                self.feed(Event::Disconnected { peer });
            }
        }
    }

    /// Takes out what a peer has sent, now that this process has the descriptors in it or does not want them.
    fn take_in(&mut self, peer: PeerId, input: Input) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        let bytes = &mut self.buffer[..input.bytes];
        if input.fds_lost {
            let (socket, uid) = (&connection.socket, connection.uid);
            connection.reading_elsewhere = Some(take_out_elsewhere(socket, bytes.len(), uid, &self.foreign));
            connection.fds_lost = true;
        } else if let Err(errno) = take_out(&*connection.socket, bytes) {
            tracing::debug!(%errno, peer = peer.0, "the connection broke");
            return self.feed(Event::Disconnected { peer });
        }
        connection.has_spoken = true;
        connection.decoder.push(bytes, input.fds);
        self.queue(peer);
        if input.fds_lost {
            self.delay(peer);
        }
    }

    /// Goes on with a peer later, when a thread may be done or the system may do what it refused.
    pub(super) fn delay(&mut self, peer: PeerId) {
        self.setbacks.insert(peer);
        self.postpone();
        self.update_interest(peer);
    }

    /// Goes on with a peer, as far as it can be done.
    pub(super) fn resume(&mut self, peer: PeerId) {
        self.flush(peer);
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if connection.is_read_elsewhere() {
            return self.delay(peer);
        }
        if connection.is_heard() {
            self.update_interest(peer);
            self.queue(peer);
        }
    }

    /// Serves a message of a peer, if there is one and its answer has not to wait for that of an earlier one.
    fn serve(&mut self, peer: PeerId) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        if connection.stage != Stage::Open || !connection.output.is_empty() {
            return;
        }
        let event = match connection.decoder.next_message() {
            None => return,
            Some(Ok(message)) => self.understand(peer, message),
            Some(Err(error)) => Event::Malformed {
                peer,
                error: error.into(),
                oneway: false,
            },
        };
        self.feed(event);
        self.queue(peer);
    }

    /// Serves a peer before the loop waits.
    pub(super) fn queue(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && !connection.is_queued
        {
            connection.is_queued = true;
            self.unserved.push_back(peer);
        }
    }

    /// Serves one message of everybody who has one, so that nobody has the broker for itself. Contract: P1.
    pub(super) fn serve_unserved(&mut self) {
        for peer in std::mem::take(&mut self.unserved) {
            if let Some(connection) = self.connections.get_mut(&peer) {
                connection.is_queued = false;
                self.serve(peer);
            }
        }
    }

    fn understand(&mut self, peer: PeerId, message: Message<ForeignFd>) -> Event {
        let incoming = match decode_call(&message.bytes) {
            Ok(incoming) => incoming,
            Err(refused) => {
                return Event::Malformed {
                    peer,
                    error: refused.error,
                    oneway: refused.oneway,
                };
            }
        };
        let (call, oneway) = (incoming.call, incoming.oneway);
        if message.fds.is_empty() && self.misses_fds(peer, &call) {
            return Event::Malformed {
                peer,
                error: BrokerError::OutOfDescriptors,
                oneway,
            };
        }
        let fds = message.fds.into_iter().map(|fd| self.receive(fd)).collect();
        Event::Call {
            peer,
            call,
            oneway,
            fds,
        }
    }

    /// Whether the descriptors that should have come with a call were lost on the way.
    fn misses_fds(&mut self, peer: PeerId, call: &Call) -> bool {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return false;
        };
        call.expected_fds() > 0 && std::mem::take(&mut connection.fds_lost)
    }

    fn receive(&mut self, fd: ForeignFd) -> ReceivedFd {
        let (descriptor, inspection) = inspect(fd);
        ReceivedFd {
            handle: self.descriptors.add(descriptor),
            inspection,
        }
    }
}
