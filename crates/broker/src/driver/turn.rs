//! What a turn of the loop does for whom.

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use wharf_protocol::codec::{Message, decode_call};
use wharf_protocol::transport::Socket;
use wharf_protocol::{BrokerError, Call};

use super::accept::Arrival;
use super::connection::{Connection, Stage};
use super::disposal::ForeignFd;
use super::input::{inspect, receive};
use super::{Driver, Key};
use crate::state::{Event, PeerId, ReceivedFd};

/// How many connections are accepted in one turn.
const ARRIVALS_PER_TURN: usize = 16;

/// How many messages of one peer are served in one turn, so that nobody has the broker for itself. Contract: P1.
const MESSAGES_PER_TURN: usize = 16;

impl Driver {
    /// Does what an event of the loop asks for.
    pub(super) fn attend(&mut self, key: Key, flags: EventFlags) {
        match key {
            // Ends the loop before it comes here.
            Key::Stop => {}
            Key::Listener => self.welcome(),
            Key::Sealing => self.collect_sealed(),
            Key::Process(peer) => self.feed(Event::Disconnected { peer }),
            Key::Socket(peer) if !self.connections.contains_key(&peer) => {
                self.entrance.see_off(&self.epoll, peer)
            }
            Key::Socket(peer) => {
                if flags.contains(EventFlags::OUT) {
                    self.flush(peer);
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
                    tracing::warn!("out of file descriptors, a connection is refused");
                    self.entrance
                        .refuse(&self.epoll, peer, socket, Some(&BrokerError::OutOfDescriptors));
                }
                Arrival::Nobody => return,
                Arrival::Trouble => return self.shut_entrance(),
            }
        }
    }

    fn admit(&mut self, socket: Socket) {
        let peer = self.next_peer();
        let (connection, credentials) = match Connection::open(socket) {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err((socket, error)) => {
                tracing::warn!(%error, "a connection is refused");
                return self.entrance.refuse(&self.epoll, peer, socket, Some(&error));
            }
        };
        if let Err(errno) = self.watch(peer, &connection) {
            let error = super::system_error(errno, "watching the connection");
            tracing::warn!(%error, "a connection is refused");
            return self
                .entrance
                .refuse(&self.epoll, peer, connection.socket, Some(&error));
        }
        tracing::debug!(
            peer = peer.0,
            pid = credentials.pid,
            uid = credentials.uid,
            "a process has connected"
        );
        self.connections.insert(peer, connection);
        self.feed(Event::Connected { peer, credentials });
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

    fn shut_entrance(&mut self) {
        let changed = epoll::modify(
            &self.epoll,
            &self.entrance,
            Key::Listener.into(),
            EventFlags::empty(),
        );
        self.entrance.is_shut = changed.is_ok();
    }

    /// Looks at the listener again, once there is a descriptor to do so with.
    pub(super) fn reopen_entrance(&mut self) {
        if self.entrance.is_shut && self.entrance.can_accept() {
            let changed = epoll::modify(&self.epoll, &self.entrance, Key::Listener.into(), EventFlags::IN);
            self.entrance.is_shut = changed.is_err();
        }
    }

    /// Reads once from a peer, and serves what is complete.
    fn read(&mut self, peer: PeerId, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(&peer) else {
            return;
        };
        match connection.stage {
            Stage::Open if connection.is_queued => return,
            Stage::Open => {}
            // It has nothing to say that would be heard, but that it is gone.
            Stage::Waiting if flags.contains(EventFlags::HUP) => {
                return self.feed(Event::Disconnected { peer });
            }
            Stage::Waiting | Stage::Broken => return,
        }
        match receive(&connection.socket, &mut self.buffer, &self.foreign) {
            Ok(input) if input.bytes == 0 => self.feed(Event::Disconnected { peer }),
            Ok(input) => {
                connection.has_spoken = true;
                connection.fds_lost |= input.fds_lost;
                connection.decoder.push(&self.buffer[..input.bytes], input.fds);
                self.serve(peer);
            }
            Err(Errno::AGAIN) => {}
            Err(errno) => {
                tracing::debug!(%errno, peer = peer.0, "the connection broke");
                self.feed(Event::Disconnected { peer });
            }
        }
    }

    /// Serves the messages a peer has sent, as many as it is due.
    fn serve(&mut self, peer: PeerId) {
        for _ in 0..MESSAGES_PER_TURN {
            let Some(connection) = self.connections.get_mut(&peer) else {
                return;
            };
            if connection.stage != Stage::Open {
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
        }
        self.queue(peer);
    }

    /// Serves a peer again before the loop waits.
    pub(super) fn queue(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer)
            && !connection.is_queued
        {
            connection.is_queued = true;
            self.unserved.push_back(peer);
        }
    }

    /// Serves everybody once who was not done in an earlier turn.
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
        let fds = message.fds.into_iter().map(|fd| self.take_in(fd)).collect();
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

    fn take_in(&mut self, fd: ForeignFd) -> ReceivedFd {
        let (descriptor, inspection) = inspect(fd);
        ReceivedFd {
            handle: self.descriptors.add(descriptor),
            inspection,
        }
    }
}
