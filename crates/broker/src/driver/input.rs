//! What peers send: bytes, descriptors, and what these turn out to be.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::cmsg_space;
use rustix::fs::{fcntl_get_seals, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use wharf_linux::Memfd;
use wharf_protocol::limits::MAX_REPLY_FDS;

use super::descriptors::Descriptor;
use super::disposal::{Disposal, ForeignFd};
use crate::state::Inspection;

/// How many descriptors may wait to be closed before no more are accepted. Those that peers have no business to send
/// may take for ever to close.
const MAX_FOREIGN_FDS: usize = 64;

/// Room for the most descriptors that the kernel delivers at once, so that none are lost while this process can have them.
const CONTROL_BYTES: usize = cmsg_space!(ScmRights(MAX_REPLY_FDS));

/// What one read returned.
#[derive(Debug)]
pub(super) struct Input {
    /// How many bytes; 0 at the end of the stream.
    pub(super) bytes: usize,
    pub(super) fds: Vec<ForeignFd>,
    /// Descriptors were sent that could not be received.
    pub(super) fds_lost: bool,
}

/// Reads what is there, without waiting and without closing any descriptor.
pub(super) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    disposal: &Arc<Disposal<OwnedFd>>,
) -> Result<Input, Errno> {
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    // Without room the kernel gets rid of the descriptors itself, which waits for nobody.
    let room = if disposal.waiting() < MAX_FOREIGN_FDS {
        CONTROL_BYTES
    } else {
        0
    };
    let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
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
            fds.extend(rights.map(|fd| ForeignFd::new(fd, disposal)));
        }
    }
    Ok(Input {
        bytes: received.bytes,
        fds,
        fds_lost: received.flags.contains(ReturnFlags::CTRUNC),
    })
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
