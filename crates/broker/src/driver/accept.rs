//! New connections, and what happens when there are no descriptors for them.
//!
//! A connection that cannot be served is still accepted, told why, and closed: otherwise its process would wait in
//! vain and the loop would spin on a listener that stays ready. For that one descriptor is kept in reserve.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_oobinline, set_socket_send_buffer_size};
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use wharf_protocol::BrokerError;
use wharf_protocol::codec::encode_error;
use wharf_protocol::transport::Socket;

use super::disposal::Disposal;
use super::{Key, input};
use crate::state::PeerId;

/// Whose account a connection is closed on when it is not known whose it is.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// How many connections that were refused may stay open until their processes hang up. Their processes can then read
/// the reason even if they are about to write.
const MAX_LEAVING: usize = 16;

/// How much may be on its way to a peer, in bytes: as little as the kernel allows, which makes more of it. Every reply in
/// there may carry descriptors, and of these a user can only have so many under way.
const SEND_BUFFER_BYTES: usize = 1;

/// A connection that has been refused.
#[derive(Debug)]
struct Leaving {
    peer: PeerId,
    socket: Arc<Socket>,
    /// On whose account it is closed.
    uid: u32,
}

/// The listening socket and what it takes to refuse a connection properly.
#[derive(Debug)]
pub(super) struct Entrance {
    listener: UnixListener,
    /// An open file to give up for a connection that has to be refused.
    reserve: Option<OwnedFd>,
    leaving: VecDeque<Leaving>,
    foreign: Disposal,
    /// The loop does not look at the listener, because nothing could be done about a connection.
    pub(super) is_shut: bool,
}

/// What came of an attempt to accept a connection.
pub(super) enum Arrival {
    /// There is one.
    Peer(Arc<Socket>),
    /// There is one, and no descriptor to serve it.
    Refused(Arc<Socket>),
    /// There is none.
    Nobody,
    /// There may be one, but it cannot be had.
    Trouble,
}

impl Entrance {
    pub(super) fn new(listener: UnixListener, foreign: &Disposal) -> Self {
        Self {
            listener,
            reserve: None,
            leaving: VecDeque::new(),
            foreign: foreign.clone(),
            is_shut: false,
        }
    }

    /// Accepts a connection if there is one.
    pub(super) fn accept(&mut self, epoll: &OwnedFd) -> Arrival {
        if !self.can_accept() {
            return Arrival::Trouble;
        }
        match self.try_accept() {
            Ok(socket) => Arrival::Peer(socket),
            Err(Errno::AGAIN) => Arrival::Nobody,
            Err(Errno::MFILE | Errno::NFILE) => self.accept_in_need(epoll),
            Err(errno) => {
                tracing::debug!(%errno, "cannot accept a connection");
                Arrival::Trouble
            }
        }
    }

    fn accept_in_need(&mut self, epoll: &OwnedFd) -> Arrival {
        if self.reserve.take().is_none() && self.close_oldest(epoll).is_none() {
            return Arrival::Trouble;
        }
        match self.try_accept() {
            Ok(socket) => Arrival::Refused(socket),
            Err(Errno::AGAIN) => Arrival::Nobody,
            Err(_) => Arrival::Trouble,
        }
    }

    fn try_accept(&self) -> Result<Arc<Socket>, Errno> {
        let socket = loop {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                accepted => break Arc::new(accepted.map(Socket::from)?),
            }
        };
        // Neither can fail for a socket of this kind. Without the first, the kernel closes descriptors that come out of
        // band while it looks for others.
        let set = set_socket_oobinline(&*socket, true);
        match set.and_then(|()| set_socket_send_buffer_size(&*socket, SEND_BUFFER_BYTES)) {
            Ok(()) => Ok(socket),
            Err(errno) => {
                input::close(socket, UNKNOWN, &self.foreign);
                Err(errno)
            }
        }
    }

    /// Whether there is a descriptor to give up for a connection. The reserve comes first: with the last descriptor one
    /// more connection could be accepted, but without a reserve none could be refused.
    pub(super) fn can_accept(&mut self) -> bool {
        self.restock();
        self.reserve.is_some() || !self.leaving.is_empty()
    }

    fn restock(&mut self) {
        if self.reserve.is_none() {
            self.reserve = eventfd(0, EventfdFlags::CLOEXEC).ok();
        }
    }

    /// Says goodbye to a peer that was never served. It may take its time to read the reason.
    pub(super) fn refuse(
        &mut self,
        epoll: &OwnedFd,
        (peer, uid): (PeerId, u32),
        socket: Arc<Socket>,
        reason: Option<&BrokerError>,
    ) {
        let parting = reason.and_then(|reason| encode_error(reason).ok());
        let told = parting.is_none_or(|message| socket.send(&message, &[]).is_ok());
        if !told || shutdown(&*socket, Shutdown::Write).is_err() {
            return input::close(socket, uid, &self.foreign);
        }
        let (data, flags) = (Key::Socket(peer).into(), epoll::EventFlags::RDHUP);
        if epoll::add(epoll, &*socket, data, flags).is_err() {
            return input::close(socket, uid, &self.foreign);
        }
        self.leaving.push_back(Leaving { peer, socket, uid });
        if self.leaving.len() > MAX_LEAVING {
            self.close_oldest(epoll);
        }
    }

    /// Closes a refused connection whose process has hung up.
    pub(super) fn see_off(&mut self, epoll: &OwnedFd, peer: PeerId) {
        if let Some(index) = self.leaving.iter().position(|leaving| leaving.peer == peer)
            && let Some(leaving) = self.leaving.remove(index)
        {
            self.close(epoll, leaving);
            self.restock();
        }
    }

    fn close_oldest(&mut self, epoll: &OwnedFd) -> Option<()> {
        let leaving = self.leaving.pop_front()?;
        self.close(epoll, leaving);
        Some(())
    }

    /// Closes all refused connections.
    pub(super) fn close_all(&mut self, epoll: &OwnedFd) {
        while self.close_oldest(epoll).is_some() {}
    }

    fn close(&self, epoll: &OwnedFd, leaving: Leaving) {
        forget(epoll, &*leaving.socket);
        input::close(leaving.socket, leaving.uid, &self.foreign);
    }
}

impl AsFd for Entrance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Takes a descriptor out of the loop. Closing it is not enough when a forked child has a copy.
pub(super) fn forget(epoll: &OwnedFd, fd: impl AsFd) {
    if let Err(errno) = epoll::delete(epoll, fd) {
        tracing::error!(%errno, "cannot take a descriptor out of the loop");
    }
}
