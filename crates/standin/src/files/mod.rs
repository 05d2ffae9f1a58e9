//! Buffers as files of a file system of ours: `--fd-kind fuse`.
//!
//! Each buffer is a file of a FUSE file system that is mounted nowhere and that this process serves. What is mapped is the buffer's memory
//! itself (passthrough): nobody is asked when it is touched. All other calls on the descriptor come here from the kernel, natively, from
//! every process that holds it, in the run or not: so `poll` and `epoll` wait for fences, and what a buffer cannot do is refused.
//!
//! Calls of programs of the run that have an emulated number are still trapped: only a listener can give them descriptors. From others
//! the same calls come as `ioctl` of the file system, and end in the same way, but for what has to give a descriptor.
//!
//! | file | idea |
//! |---|---|
//! | `mount` | the file system: made, mounted nowhere, tried; and what is missing where that fails |
//! | `opener` | the thread that opens files |
//! | `table` | the files that there are |
//! | `server` | what the kernel asks |
//! | `call` | calls of processes that are not trapped |
//! | `outsider` | callers that are not trapped: their memory and descriptors |
//! | `pollers` | who polls and is to be told |
//!
//! # Threads and deadlocks
//! A call on a file of ours waits for the thread that serves, without heeding SIGKILL once it has been read. So no thread of this process makes such calls but the
//! opener, which has a table of descriptors of its own, without the one of `/dev/fuse`: whenever this process is killed, the last thread
//! that has that one goes, the kernel ends the file system, and the opener is free. For the same reason whoever wants to know which file
//! a descriptor is does not ask the file system ([`FileId::of`]). The thread that serves never waits for another one.
//!
//! # When a file goes
//! The kernel tells of the last close, even if mappings live on. For memory of ours this says nothing that is not known from the memory
//! itself (`memory/release.rs`), whose buffer takes the file along. A buffer in memory of the program goes then: its mappings hold the memory.
//!
//! When this process dies, calls on its files fail with `ENOTCONN`; mappings stay.
//!
//! # References
//! `Documentation/filesystems/fuse/fuse-passthrough.rst` (v6.18), `fuse(4)`.

mod call;
mod mount;
mod opener;
mod outsider;
mod pollers;
mod server;
mod table;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::devices::{Buffer, FileId, Object, Objects};
use crate::error::RunError;
use crate::listener::waits::Waits;
use crate::memory::Releases;
use crate::options::FdKind;
use opener::Opener;
use table::Table;

/// What the descriptors of buffers are.
#[derive(Debug)]
pub(crate) enum Descriptors {
    /// The memory's own.
    Memory,
    /// Files of ours.
    Files(Arc<Files>),
    /// Files of a process before this one, which cannot make any.
    Lost,
}

impl Descriptors {
    /// Descriptors of this kind.
    ///
    /// # Errors
    /// [`RunError::Setup`]: there can be none here, and why.
    pub(crate) fn new(
        kind: FdKind,
        objects: &Arc<Objects>,
        releases: &Arc<Releases>,
    ) -> Result<Self, RunError> {
        Ok(match kind {
            FdKind::Memfd => Self::Memory,
            FdKind::Fuse => Self::Files(mount::start(objects, releases)?),
        })
    }

    /// The same for a process that replaces another one, and says what has become of the descriptors of before.
    pub(crate) fn again(kind: FdKind, objects: &Arc<Objects>, releases: &Arc<Releases>) -> Self {
        if kind == FdKind::Fuse {
            eprintln!(
                "wharf: buffers of before were files of the supervisor (--fd-kind fuse): calls on them fail with ENOTCONN from now on, \
                 mappings of them stay"
            );
        }
        Self::new(kind, objects, releases).unwrap_or_else(|error| {
            eprintln!("wharf: allocations fail with ENODEV from now on: {error}");
            Self::Lost
        })
    }

    /// The file that the program is to see of this memory; `None` if that is the memory itself.
    ///
    /// # Errors
    /// `EMFILE`; `ENODEV`: there are no files any more.
    pub(crate) fn show(&self, memory: BorrowedFd<'_>, size_bytes: u64) -> Result<Option<Shown>, Errno> {
        match self {
            Self::Memory => Ok(None),
            Self::Files(files) => files.show(memory, size_bytes).map(Some),
            Self::Lost => Err(Errno::NODEV),
        }
    }

    /// Ends the waits that a signal interrupts; tells whether some go on.
    pub(crate) fn interrupt_waits(&self) -> bool {
        match self {
            Self::Files(files) => files.waits.interrupt(),
            Self::Memory | Self::Lost => false,
        }
    }
}

/// The file system.
#[derive(Debug)]
pub(crate) struct Files {
    table: Arc<Table>,
    waits: Arc<Waits>,
    opener: Opener,
    /// Its number.
    device: u64,
}

impl Files {
    fn show(self: &Arc<Self>, memory: BorrowedFd<'_>, size_bytes: u64) -> Result<Shown, Errno> {
        let memory = memory.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        Ok(Shown {
            inode: self.table.add(memory, size_bytes),
            files: Arc::clone(self),
        })
    }
}

/// A file that shows a buffer, as long as this lives.
#[derive(Debug)]
pub(crate) struct Shown {
    files: Arc<Files>,
    inode: u64,
}

impl Shown {
    pub(crate) fn id(&self) -> FileId {
        FileId {
            device: self.files.device,
            inode: self.inode,
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`; `ENOTCONN`: the file system has ended.
    pub(crate) fn open(&self, mode: OFlags) -> Result<OwnedFd, Errno> {
        self.files.opener.open(self.inode, mode)
    }

    /// Opens it as a buffer in memory of the program's, which is one until the last descriptor of it is closed.
    pub(crate) fn open_as_buffer(self, objects: &Objects) -> Result<OwnedFd, Errno> {
        let id = self.id();
        let buffer = Arc::new(Buffer::of_others_shown(self));
        objects.insert(id, Object::Buffer(Arc::clone(&buffer)));
        let opened = buffer
            .shown
            .as_ref()
            .map_or(Err(Errno::NODEV), |shown| shown.open(OFlags::RDWR));
        if opened.is_err() {
            objects.remove(id);
        }
        opened
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.files.table.remove(self.inode);
    }
}
