//! Single non-blocking reads and writes on a Unix stream socket.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use rustix::cmsg_space;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg,
    sendmsg, shutdown, socket_with,
};

use rustix::process::Pid;

use super::deadline::Deadline;
use super::error::{ConnectError, SocketError};
use crate::limits::MAX_REPLY_FDS;

/// Room for the control data of one message. The kernel passes no more descriptors than this at once.
const CONTROL_BYTES: usize = cmsg_space!(ScmRights(MAX_REPLY_FDS));

/// Who is at the other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The process that connected; `None` if it is outside this process's pid namespace.
    pub pid: Option<Pid>,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// A connected Unix stream socket that never blocks, whatever the flags of its file description are.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use wharf_protocol::transport::Socket;
///
/// let (left, right) = UnixStream::pair()?;
/// let (left, right) = (Socket::from(left), Socket::from(right));
/// left.send(b"{}\0", &[])?;
///
/// let mut buffer = [0; 16];
/// let received = right.receive(&mut buffer, 8)?;
/// assert_eq!(&buffer[..received.bytes], b"{}\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

/// What one read returned.
#[derive(Debug)]
pub struct Received {
    /// How many bytes, at least 1.
    pub bytes: usize,
    /// The descriptors that came with them, each close-on-exec.
    pub fds: Vec<OwnedFd>,
}

impl Socket {
    /// Connects to the socket at `path`.
    ///
    /// # Blocking
    ///
    /// While the listener's queue is full, up to `deadline`.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub fn connect(path: &Path, deadline: Duration) -> Result<Self, ConnectError> {
        let address = SocketAddrUnix::new(path).map_err(|errno| connect_error(path, deadline, errno))?;
        let flags = SocketFlags::CLOEXEC;
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|fd| connect_within(&fd, &address, Deadline::after(deadline)).map(|()| Self { fd }))
            .map_err(|errno| connect_error(path, deadline, errno))
    }

    /// Writes `bytes`, or as many of them as there is room for, and all of `fds` with the first of them. Returns how
    /// many bytes were written, at least 1 unless `bytes` is empty; the rest must follow without the descriptors.
    ///
    /// Descriptors must be given with the first byte of their message, and `bytes` then holds no other message.
    ///
    /// # Errors
    ///
    /// `WouldBlock` (`EAGAIN`) and `Disconnected` (`EPIPE`): nothing was written, no descriptor was sent. `Os` with
    /// `EINVAL`: more than 253 descriptors. `Os` with `ETOOMANYREFS`: this user has too many descriptors under way in
    /// sockets.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, SocketError> {
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(SocketError::Os(Errno::INVAL));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = retry_on_intr(|| sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut control, flags))?;
        Ok(sent)
    }

    /// Reads what is there, up to the length of `buffer`, and up to `max_fds` descriptors. `buffer` must not be empty.
    ///
    /// The kernel may let a few more descriptors than `max_fds` through, because it pads its buffers.
    ///
    /// # Errors
    ///
    /// `WouldBlock` (`EAGAIN`): nothing is there. `Disconnected` (`EPIPE`): the peer hung up and everything it sent
    /// was read. `DescriptorsLost` (`EMFILE`): data was read, but the descriptors that came with it are gone.
    pub fn receive(&self, buffer: &mut [u8], max_fds: usize) -> Result<Received, SocketError> {
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let room = cmsg_space!(ScmRights(max_fds.min(MAX_REPLY_FDS)));
        let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut target = [IoSliceMut::new(buffer)];
        let received = retry_on_intr(|| recvmsg(&self.fd, &mut target, &mut control, flags))?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(SocketError::DescriptorsLost {
                bytes: received.bytes,
            });
        }
        if received.bytes == 0 {
            return Err(SocketError::Disconnected);
        }
        Ok(Received {
            bytes: received.bytes,
            fds,
        })
    }

    /// Ends the connection in both directions, for whoever else has the socket too.
    pub fn shut_down(&self) {
        // It can only fail when the connection has ended already.
        let _ = shutdown(&self.fd, Shutdown::Both);
    }

    /// Returns process, user and group of the peer as they were when the connection was made, as the kernel knows
    /// them.
    ///
    /// # Errors
    ///
    /// `Os`, if this is no Unix socket.
    pub fn peer_credentials(&self) -> Result<PeerCredentials, SocketError> {
        // Not by rustix, whose type for this has no room for a process number of 0.
        let credentials = getsockopt(&self.fd, sockopt::PeerCredentials)
            .map_err(|errno| SocketError::Os(Errno::from_raw_os_error(errno as i32)))?;
        Ok(PeerCredentials {
            pid: Pid::from_raw(credentials.pid()),
            uid: credentials.uid(),
            gid: credentials.gid(),
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<std::os::unix::net::UnixStream> for Socket {
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        Self { fd: stream.into() }
    }
}

/// Connects, giving up at `deadline` with `EAGAIN`.
///
/// A Unix socket that is connected without blocking fails at once when the listener's queue is full, and there is
/// nothing to poll for; the send timeout is what bounds a blocking attempt.
fn connect_within(fd: &OwnedFd, address: &SocketAddrUnix, deadline: Deadline) -> Result<(), Errno> {
    loop {
        // A timeout of zero would mean none.
        let timeout = deadline
            .remaining()
            .map(|left| left.max(Duration::from_micros(1)));
        set_socket_timeout(fd, Timeout::Send, timeout)?;
        match connect(fd, address) {
            Err(Errno::INTR) => {}
            outcome => return outcome,
        }
    }
}

fn connect_error(path: &Path, deadline: Duration, errno: Errno) -> ConnectError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT | Errno::NOTDIR => ConnectError::NotFound { path },
        Errno::CONNREFUSED => ConnectError::NobodyListens { path },
        Errno::PROTOTYPE => ConnectError::Foreign { path },
        Errno::ACCESS | Errno::PERM => ConnectError::Forbidden { path },
        Errno::NAMETOOLONG => {
            let length_bytes = path.as_os_str().len();
            ConnectError::PathTooLong { path, length_bytes }
        }
        Errno::AGAIN => ConnectError::Timeout { path, deadline },
        errno => ConnectError::Os { path, errno },
    }
}
