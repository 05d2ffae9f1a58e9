//! The descriptors the broker holds, under the names the state machine knows them by.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};
use wharf_linux::{Memfd, PidFd};

use crate::state::FdHandle;

/// A descriptor the broker holds.
#[derive(Debug)]
pub(super) enum Descriptor {
    /// Memory, as it was created or received.
    Memory(Memfd),
    /// Memory, opened again for reading only.
    ReadOnly(OwnedFd),
    /// The process of a peer.
    Process(PidFd),
    /// Something a peer sent that cannot be shared. It is not kept.
    Refused,
}

/// A descriptor that may also wait in the output of several peers.
pub(super) type Shared = Arc<Descriptor>;

impl Descriptor {
    /// The descriptor, if there is one.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Memory(memory) => Some(memory.as_fd()),
            Self::ReadOnly(fd) => Some(fd.as_fd()),
            Self::Process(process) => Some(process.as_fd()),
            Self::Refused => None,
        }
    }

    /// The same memory as a read-only description of its own, so that its receivers share neither flags nor offset with its
    /// maker. Where `/proc` is not to be had, sealed memory is as good as it is.
    pub(super) fn read_only(memory: Memfd) -> Self {
        reopen(&memory).map_or_else(|| Self::Memory(memory), Self::ReadOnly)
    }
}

/// Opens memory again for reading only. `None` where that cannot be done.
///
/// `O_NONBLOCK` changes nothing about memory, but without it a lease that somebody holds on the file makes `open` wait for
/// them. Contract: P1.
pub(super) fn reopen(memory: &Memfd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", memory.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    open(path, flags, Mode::empty())
        .inspect_err(|errno| tracing::debug!(%errno, "sharing memory by its own descriptor"))
        .ok()
}

/// All descriptors the state machine knows of.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    held: HashMap<FdHandle, Shared>,
    last: u64,
}

impl Descriptors {
    /// Takes in a descriptor and names it.
    pub(super) fn add(&mut self, descriptor: Descriptor) -> FdHandle {
        self.last += 1;
        let handle = FdHandle(self.last);
        self.held.insert(handle, Arc::new(descriptor));
        handle
    }

    pub(super) fn get(&self, handle: FdHandle) -> Option<&Shared> {
        self.held.get(&handle)
    }

    pub(super) fn remove(&mut self, handle: FdHandle) -> Option<Shared> {
        self.held.remove(&handle)
    }

    /// Lets a name stand for another descriptor of the same memory, if it still stands for one.
    pub(super) fn replace(&mut self, handle: FdHandle, descriptor: Descriptor) {
        if let Some(held) = self.held.get_mut(&handle) {
            *held = Arc::new(descriptor);
        }
    }
}
