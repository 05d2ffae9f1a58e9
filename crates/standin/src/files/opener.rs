//! The thread that opens files.
//!
//! Whoever opens a file waits for the thread that serves the file system, and once that has read the question, SIGKILL does not end the
//! wait. If both had the same table of descriptors, neither would let go of `/dev/fuse` when the process is killed at that moment, and it would hang for
//! ever. So the opener has its own table, with two descriptors, and hands over what it has opened.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::listener::sys;

/// A question: a file's number and how to open it.
const QUESTION: usize = 12;
/// An answer without a descriptor: an error's number.
const ANSWER: usize = 4;

/// What a file is called.
pub(super) fn name(inode: u64) -> String {
    format!("dmabuf:{inode}")
}

/// The file that is called so.
pub(super) fn inode(name: &str) -> Option<u64> {
    name.strip_prefix("dmabuf:")?.parse().ok()
}

/// The thread.
#[derive(Debug)]
pub(super) struct Opener {
    socket: Mutex<Arc<OwnedFd>>,
    /// Its number, by which the file system knows who opens.
    pub(super) thread: u32,
}

impl Opener {
    /// Starts it for the files in `root`.
    pub(super) fn start(root: OwnedFd) -> Result<Self, Errno> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let kept = (Arc::new(theirs), Arc::new(root));
        let copies = kept.clone();
        let (ready, started) = channel();
        thread::Builder::new()
            .name("opens".to_owned())
            .spawn(move || {
                let (socket, root) = copies;
                let own = sys::keep_only([socket.as_fd(), root.as_fd()]);
                // The process's own, which it drops when it hears of this.
                drop((socket, root));
                let number = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
                let told = ready.send(own.as_ref().map(|_| number).map_err(|errno| *errno));
                if let (Ok([socket, root]), Ok(())) = (own, told) {
                    serve(&socket, root.as_fd());
                }
            })
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        let thread = started.recv().map_err(|_| Errno::SRCH)??;
        drop(kept);
        Ok(Self {
            socket: Mutex::new(Arc::new(ours)),
            thread,
        })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`; what the file system says; `ENOTCONN`: it has ended.
    pub(super) fn open(&self, inode: u64, mode: OFlags) -> Result<OwnedFd, Errno> {
        let mut question = [0; QUESTION];
        question[..8].copy_from_slice(&inode.to_ne_bytes());
        question[8..].copy_from_slice(&mode.bits().to_ne_bytes());
        let socket = self.socket.lock();
        retry_on_intr(|| rustix::net::send(&**socket, &question, SendFlags::NOSIGNAL))?;
        receive(socket.as_fd())
    }
}

/// Opens what is asked for until nobody can ask any more.
fn serve(socket: &OwnedFd, root: BorrowedFd<'_>) {
    let mut question = [0; QUESTION];
    loop {
        match retry_on_intr(|| rustix::net::recv(socket, &mut question[..], RecvFlags::empty())) {
            Ok((_, QUESTION)) => {}
            _ => return,
        }
        let (inode, mode) = question.split_at(8);
        let inode = u64::from_ne_bytes(inode.try_into().unwrap_or_default());
        let mode = u32::from_ne_bytes(mode.try_into().unwrap_or_default());
        let flags = OFlags::from_bits_retain(mode) | OFlags::CLOEXEC;
        let opened = openat(root, name(inode), flags, Mode::empty());
        if send(socket, opened).is_err() {
            return;
        }
    }
}

fn send(socket: &OwnedFd, opened: Result<OwnedFd, Errno>) -> Result<(), Errno> {
    let error = opened.as_ref().err().map_or(0, |errno| errno.raw_os_error());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = opened.as_ref().ok().map(|fd| [fd.as_fd()]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let error = error.to_ne_bytes();
    let parts = [IoSlice::new(&error)];
    retry_on_intr(|| sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL)).map(drop)
}

fn receive(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let mut error = [0; ANSWER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        let parts = &mut [IoSliceMut::new(&mut error)];
        recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes != ANSWER {
        return Err(Errno::NOTCONN);
    }
    let fd = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    match i32::from_ne_bytes(error) {
        // Without room for a descriptor the kernel drops it.
        0 => fd.ok_or(Errno::MFILE),
        error => Err(Errno::from_raw_os_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn opener_has_two_descriptors_and_hands_over_what_it_opens() {
        let place = std::env::temp_dir().join(format!("wharf-opener-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join(name(5)), "five").unwrap();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, &place, flags, Mode::empty()).unwrap();
        let opener = Opener::start(root).unwrap();
        let its = std::fs::read_dir(format!("/proc/self/task/{}/fd", opener.thread)).unwrap();
        assert_eq!(its.count(), 2);
        let opened = opener.open(5, OFlags::RDONLY).unwrap();
        let mut bytes = [0; 4];
        rustix::io::read(&opened, &mut bytes).unwrap();
        assert_eq!(&bytes, b"five");
        assert_eq!(opener.open(6, OFlags::RDONLY).unwrap_err(), Errno::NOENT);
        std::fs::remove_dir_all(&place).unwrap();
    }
}
