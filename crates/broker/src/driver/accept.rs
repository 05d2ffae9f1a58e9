//! New connections, and what happens when there are no descriptors for them.
//!
//! A connection that cannot be served is still accepted, told why, and closed: otherwise its process would wait in
//! vain and the loop would spin on a listener that stays ready. For that one descriptor is kept in reserve.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::epoll;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use wharf_protocol::BrokerError;
use wharf_protocol::codec::encode_error;
use wharf_protocol::transport::Socket;

use super::Key;
use crate::state::PeerId;

/// How many connections that were refused may stay open until their processes hang up. Their processes can then read
/// the reason even if they are about to write.
const MAX_LEAVING: usize = 16;

/// The listening socket and what it takes to refuse a connection properly.
#[derive(Debug)]
pub(super) struct Entrance {
    listener: UnixListener,
    /// A descriptor to give up for a connection that has to be refused.
    reserve: Option<OwnedFd>,
    leaving: VecDeque<(PeerId, Socket)>,
    /// The loop does not look at the listener, because nothing could be done about a connection.
    pub(super) is_shut: bool,
}

/// What came of an attempt to accept a connection.
pub(super) enum Arrival {
    /// There is one.
    Peer(Socket),
    /// There is one, and no descriptor to serve it.
    Refused(Socket),
    /// There is none.
    Nobody,
    /// There may be one, but it cannot be had.
    Trouble,
}

impl Entrance {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            reserve: None,
            leaving: VecDeque::new(),
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
                tracing::warn!(%errno, "cannot accept a connection");
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

    fn try_accept(&self) -> Result<Socket, Errno> {
        loop {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                accepted => return accepted.map(Socket::from),
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
            self.reserve = fcntl_dupfd_cloexec(&self.listener, 0).ok();
        }
    }

    /// Says goodbye to a peer that was never served. It may take its time to read the reason.
    pub(super) fn refuse(
        &mut self,
        epoll: &OwnedFd,
        peer: PeerId,
        socket: Socket,
        reason: Option<&BrokerError>,
    ) {
        let parting = reason.and_then(|reason| encode_error(reason).ok());
        let told = parting.is_none_or(|message| socket.send(&message, &[]).is_ok());
        if !told || shutdown(&socket, Shutdown::Write).is_err() {
            return;
        }
        let (data, flags) = (Key::Socket(peer).into(), epoll::EventFlags::RDHUP);
        if epoll::add(epoll, &socket, data, flags).is_ok() {
            self.leaving.push_back((peer, socket));
            if self.leaving.len() > MAX_LEAVING {
                self.close_oldest(epoll);
            }
        }
    }

    /// Closes a refused connection whose process has hung up.
    pub(super) fn see_off(&mut self, epoll: &OwnedFd, peer: PeerId) {
        if let Some(index) = self.leaving.iter().position(|(leaving, _)| *leaving == peer)
            && let Some((_, socket)) = self.leaving.remove(index)
        {
            forget(epoll, &socket);
            drop(socket);
            self.restock();
        }
    }

    fn close_oldest(&mut self, epoll: &OwnedFd) -> Option<()> {
        let (_, socket) = self.leaving.pop_front()?;
        forget(epoll, &socket);
        Some(())
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
