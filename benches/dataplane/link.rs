//! How the two sides of an exchange meet: a socket by name over which they pass what they share.

use crate::Outcome;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// A connection with one process of the other side.
pub(crate) struct Link {
    socket: UnixStream,
}

pub(crate) fn listen(name: &str) -> Outcome<UnixListener> {
    Ok(UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?)
}

impl Link {
    pub(crate) fn accept(listener: &UnixListener) -> Outcome<Self> {
        let (socket, _) = listener.accept()?;
        Ok(Self { socket })
    }

    pub(crate) fn connect(name: &str) -> Outcome<Self> {
        let socket = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        Ok(Self { socket })
    }

    /// Says a few words, at most 255 bytes.
    pub(crate) fn tell(&mut self, words: &str) -> Outcome<()> {
        let mut message = vec![u8::try_from(words.len())?];
        message.extend_from_slice(words.as_bytes());
        Ok(self.socket.write_all(&message)?)
    }

    pub(crate) fn hear(&mut self) -> Outcome<String> {
        let mut length = [0];
        self.socket.read_exact(&mut length)?;
        let mut words = vec![0; length[0].into()];
        self.socket.read_exact(&mut words)?;
        Ok(String::from_utf8(words)?)
    }

    /// Hears what must be `words`.
    pub(crate) fn expect(&mut self, words: &str) -> Outcome<()> {
        let heard = self.hear()?;
        match heard == words {
            true => Ok(()),
            false => Err(format!("heard {heard:?} instead of {words:?}").into()),
        }
    }

    pub(crate) fn give(&self, fd: impl AsFd) -> Outcome<()> {
        send_with(&self.socket, 0, Some(fd.as_fd()))
    }

    pub(crate) fn take(&self) -> Outcome<OwnedFd> {
        let (_, fd) = receive_with(&self.socket)?;
        Ok(fd.ok_or("no descriptor came")?)
    }
}

/// Sends one byte and perhaps a descriptor.
pub(crate) fn send_with(
    socket: &UnixStream,
    byte: u8,
    fd: Option<std::os::fd::BorrowedFd<'_>>,
) -> Outcome<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(
        socket,
        &[IoSlice::new(&[byte])],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one byte and the descriptor that came with it, if one did.
pub(crate) fn receive_with(socket: &UnixStream) -> Outcome<(u8, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Err("the other side is gone".into());
    }
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((byte[0], fd))
}
