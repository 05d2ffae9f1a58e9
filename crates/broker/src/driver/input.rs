//! What peers send: bytes, descriptors, and what these turn out to be.
//!
//! A descriptor may be one that is never done with closing, and the kernel closes those for which it finds no place
//! while it delivers a message, in the thread that reads. So a message is looked at first, which closes nothing, and then
//! read without its descriptors, of which this process has its own by then. Where it has not, reading is left to a
//! thread. Contract: P1.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::cmsg_space;
use rustix::fs::{fcntl_get_seals, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recv, recvmsg};
use wharf_linux::Memfd;
use wharf_protocol::limits::MAX_CALL_FDS;
use wharf_protocol::transport::Socket;

use super::descriptors::Descriptor;
use super::disposal::{Disposal, ForeignFd};
use crate::state::Inspection;

/// Room for one descriptor more than a peer may send, to see that it sent too many.
const CONTROL_BYTES: usize = cmsg_space!(ScmRights(MAX_CALL_FDS + 1));

/// How often what a peer left unread is looked at before closing its socket is left to a thread.
const MAX_LOOKS: usize = 8;

/// What waits to be read.
#[derive(Debug)]
pub(super) struct Input {
    /// How many bytes; 0 at the end of the stream.
    pub(super) bytes: usize,
    pub(super) fds: Vec<ForeignFd>,
    /// There are descriptors that this process could not have. What was looked at must not be read by the loop.
    pub(super) fds_lost: bool,
}

/// Looks at what a peer of user `uid` has sent, without waiting, without closing any descriptor and without taking it out.
pub(super) fn look(
    socket: impl AsFd,
    buffer: &mut [u8],
    uid: u32,
    disposal: &Disposal,
) -> Result<Input, Errno> {
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let room = if disposal.is_full(uid) { 0 } else { CONTROL_BYTES };
    let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| {
        recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            flags,
        )
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights.map(|fd| ForeignFd::new(fd, uid, disposal)));
        }
    }
    Ok(Input {
        bytes: received.bytes,
        fds,
        fds_lost: received.flags.contains(ReturnFlags::CTRUNC),
    })
}

/// Takes out what was looked at: all of `buffer` and nothing else.
///
/// # Errors
/// `EPROTO` if the kernel has something else for us than it has shown.
pub(super) fn take_out(socket: impl AsFd, buffer: &mut [u8]) -> Result<(), Errno> {
    let expected = buffer.len();
    match retry_on_intr(|| recv(socket.as_fd(), &mut *buffer, RecvFlags::DONTWAIT))? {
        (_, read) if read == expected => Ok(()),
        _ => Err(Errno::PROTO),
    }
}

/// Takes out `bytes` that came with descriptors which this process could not have, on a thread. Returns what becomes true
/// when that is done.
pub(super) fn take_out_elsewhere(
    socket: &Arc<Socket>,
    bytes: usize,
    uid: u32,
    disposal: &Disposal,
) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    let (socket, is_done) = (Arc::clone(socket), Arc::clone(&done));
    disposal.run(uid, move || {
        if take_out(&*socket, &mut vec![0; bytes]).is_err() {
            socket.shut_down();
        }
        // ORDERING: Release, pairs with the Acquire of the loop, which reads the socket next.
        is_done.store(true, Ordering::Release);
    });
    done
}

/// Hangs up at once, and closes the socket here or, if it holds descriptors that nobody has read, elsewhere.
pub(super) fn close(socket: Arc<Socket>, uid: u32, disposal: &Disposal) {
    // From here on the peer can send nothing more.
    socket.shut_down();
    if !is_empty(&socket) {
        disposal.dispose(uid, socket);
    }
}

/// Whether nothing unread is left in a socket that has hung up. Takes out what is no descriptor.
fn is_empty(socket: &Socket) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..MAX_LOOKS {
        let mut nothing = RecvAncillaryBuffer::new(&mut []);
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut nothing, flags) {
            Ok(seen) if seen.flags.contains(ReturnFlags::CTRUNC) => return false,
            Ok(seen) if seen.bytes == 0 => return true,
            Ok(seen) if take_out(socket, &mut buffer[..seen.bytes]).is_ok() => {}
            _ => return false,
        }
    }
    false
}

/// Finds out what a received descriptor is. Memory that nobody can change any more is opened again for reading only;
/// anything else is on its way to be closed when this returns.
pub(super) fn inspect(foreign: ForeignFd) -> (Descriptor, Inspection) {
    let refused = |reason: String| (Descriptor::Refused, Inspection::Unusable { reason });
    // The question for seals is one that no file system gets to answer. Any other, even `fstat`, could wait for the peer.
    let seals = match foreign.fd().map_or(Err(Errno::BADF), fcntl_get_seals) {
        Ok(seals) => seals,
        Err(errno) => return refused(format!("it is not a memfd: {errno}")),
    };
    let size_bytes = match foreign.fd().map_or(Err(Errno::BADF), fstat) {
        Ok(stat) => u64::try_from(stat.st_size).unwrap_or(0),
        Err(errno) => return refused(format!("its size cannot be told: {errno}")),
    };
    let inspection = Inspection::Memfd { size_bytes, seals };
    if !seals.contains(Memfd::WRITE_SEALED) {
        return (Descriptor::Refused, inspection);
    }
    match foreign.into_fd().map(Memfd::from_fd) {
        Some(Ok(memory)) => (Descriptor::read_only(memory), inspection),
        Some(Err(error)) => refused(error.to_string()),
        None => refused("it is gone".to_owned()),
    }
}
