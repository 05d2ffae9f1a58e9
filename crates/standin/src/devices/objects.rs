//! What the program's descriptors are.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use wharf_core::Reservation;
use wharf_core::fence::ContextId;

use super::FileId;
use super::dma_buf::Begun;
use super::sw_sync::Timeline;
use super::sync_file::SyncFile;
use crate::memory::Piece;

/// A buffer.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) name: Mutex<Option<String>>,
    pub(crate) reservation: Arc<Reservation>,
    /// The memory, where it is ours and not the program's.
    pub(crate) piece: Option<Piece>,
    /// For memory of the program: whether it has been accessed.
    pub(crate) begun: Option<Begun>,
}

impl Buffer {
    /// A buffer in memory of ours.
    pub(crate) fn of_heap(piece: Piece) -> Self {
        Self {
            name: Mutex::default(),
            reservation: Reservation::new(),
            piece: Some(piece),
            begun: None,
        }
    }

    /// A buffer in memory of the program, or of a supervisor that died.
    pub(crate) fn of_others(begun: Option<Begun>) -> Self {
        Self {
            name: Mutex::default(),
            reservation: Reservation::new(),
            piece: None,
            begun,
        }
    }
}

/// What one file is.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// `/dev/dma_heap/*`.
    Heap(Arc<str>),
    /// `/dev/udmabuf`.
    Udmabuf,
    /// The device that timelines are opened from.
    SwSync,
    /// A buffer.
    Buffer(Arc<Buffer>),
    /// A fence.
    SyncFile(Arc<SyncFile>),
    /// A timeline.
    Timeline(Arc<Timeline>),
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Objects {
    by_id: RwLock<HashMap<FileId, Object>>,
    /// Tells of pipes whose other end is closed: the inode is the event's data.
    closings: OwnedFd,
    /// The file system that pipes are in.
    pipes: u64,
}

impl Objects {
    pub(crate) fn new(devices: impl IntoIterator<Item = (FileId, Object)>) -> Result<Self, Errno> {
        let (pipe, _) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self {
            by_id: RwLock::new(devices.into_iter().collect()),
            closings: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            pipes: FileId::of(&pipe)?.device,
        })
    }

    pub(crate) fn get(&self, id: FileId) -> Option<Object> {
        self.by_id.read().get(&id).cloned()
    }

    pub(crate) fn insert(&self, id: FileId, object: Object) {
        self.by_id.write().insert(id, object);
    }

    pub(crate) fn remove(&self, id: FileId) -> Option<Object> {
        self.by_id.write().remove(&id)
    }

    /// A pipe, with the reading end first. Where there is no room for it, what is closed is forgotten at once.
    pub(crate) fn pipe(&self) -> Result<(OwnedFd, OwnedFd), Errno> {
        pipe_with(PipeFlags::CLOEXEC).or_else(|error| match error {
            Errno::MFILE => {
                self.forget_closed();
                pipe_with(PipeFlags::CLOEXEC)
            }
            other => Err(other),
        })
    }

    /// Adds what the program knows as the end `reader` of a pipe, and what lasts until all descriptors of that are closed. `bell` is the
    /// pipe's other end.
    pub(crate) fn insert_until_closed(
        &self,
        reader: BorrowedFd<'_>,
        object: Object,
        bell: BorrowedFd<'_>,
    ) -> Result<(), Errno> {
        let id = FileId::of(reader)?;
        self.insert(id, object);
        // Hang-ups and errors are always told of.
        let data = epoll::EventData::new_u64(id.inode);
        let added = epoll::add(&self.closings, bell, data, epoll::EventFlags::empty());
        if added.is_err() {
            self.remove(id);
        }
        added
    }

    /// Readable when there is something for [`Objects::forget_closed`].
    pub(crate) fn closings(&self) -> BorrowedFd<'_> {
        self.closings.as_fd()
    }

    /// Forgets what nobody has open any more.
    pub(crate) fn forget_closed(&self) {
        let now = rustix::time::Timespec::default();
        let mut events = Vec::with_capacity(64);
        while epoll::wait(
            &self.closings,
            rustix::buffer::spare_capacity(&mut events),
            Some(&now),
        )
        .is_ok_and(|count| count > 0)
        {
            for event in events.drain(..) {
                let id = FileId {
                    device: self.pipes,
                    inode: event.data.u64(),
                };
                // Dropped without the lock: a timeline's end signals fences.
                let gone = self.remove(id);
                drop(gone);
            }
        }
    }

    /// The timeline with this number.
    pub(crate) fn timeline(&self, context: ContextId) -> Option<Arc<Timeline>> {
        self.by_id.read().values().find_map(|object| match object {
            Object::Timeline(timeline) if timeline.context() == context => Some(Arc::clone(timeline)),
            _ => None,
        })
    }
}
