//! What the program's descriptors are.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rustix::event::epoll;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use wharf_core::fence::{ContextId, Fence};
use wharf_core::{PAGE_BYTES, Reservation, Usage, Wait};

use super::dma_buf::Begun;
use super::sw_sync::Timeline;
use super::sync_file::SyncFile;
use super::vgem::Card;
use super::{Caller, FileId};
use crate::coherency::Checked;
use crate::files::Shown;
use crate::memory::{Parts, Piece};

/// A buffer.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) name: Mutex<Option<String>>,
    pub(crate) reservation: Arc<Reservation>,
    /// The memory, where it is ours and not the program's.
    pub(crate) piece: Option<Arc<Piece>>,
    /// The parts of the program's memory that it shows, where it is not one whole file.
    pub(crate) parts: Option<Parts>,
    /// For memory of the program: whether it has been accessed.
    pub(crate) begun: Option<Begun>,
    /// For a buffer of a card: where that can be mapped to map the buffer, in bytes.
    pub(crate) place: Option<u64>,
    /// For memory of the program: the file that it sees, where that is not the memory.
    pub(crate) shown: Option<Shown>,
    /// In a run that checks coherency: what devices see, `piece` being what the CPU sees.
    pub(crate) checked: Option<Arc<Checked>>,
}

impl Buffer {
    /// A buffer in memory of ours.
    pub(crate) fn of_heap(piece: Piece) -> Self {
        Self {
            name: Mutex::default(),
            reservation: Reservation::new(),
            piece: Some(Arc::new(piece)),
            parts: None,
            begun: None,
            place: None,
            shown: None,
            checked: None,
        }
    }

    /// A buffer in memory of ours that is mapped at `place` of a card.
    pub(crate) fn of_card(piece: Piece, place: Option<u64>) -> Self {
        Self {
            place,
            ..Self::of_heap(piece)
        }
    }

    /// Puts fences on it.
    ///
    /// # Errors
    /// `ENOMEM`: there is no room for so many.
    pub(crate) fn add_fences(&self, fences: &[Fence], usage: Usage) -> Result<(), Errno> {
        // Nobody waits while holding it.
        let guard = self.reservation.lock(&Wait::forever()).map_err(|_| Errno::INTR)?;
        guard
            .reserve_fences(fences.len().max(1))
            .map_err(|_| Errno::NOMEM)?;
        for fence in fences {
            guard.add_fence(fence, usage).map_err(|_| Errno::NOMEM)?;
        }
        Ok(())
    }

    /// A buffer in memory of the program, or of a supervisor that died.
    pub(crate) fn of_others(begun: Option<Begun>) -> Self {
        Self {
            name: Mutex::default(),
            reservation: Reservation::new(),
            piece: None,
            parts: None,
            begun,
            place: None,
            shown: None,
            checked: None,
        }
    }

    /// A buffer in memory of the program, which is another file than that.
    pub(crate) fn of_others_shown(shown: Shown) -> Self {
        Self {
            shown: Some(shown),
            ..Self::of_others(Some(Begun::default()))
        }
    }

    /// All files of ours that the program may have open or mapped.
    pub(crate) fn files(&self) -> impl Iterator<Item = &OwnedFd> {
        let seen_by_devices = self.checked.as_ref().map(|checked| checked.ram());
        self.file().into_iter().chain(seen_by_devices)
    }

    /// A process has it as `fd`.
    pub(crate) fn is_known_as(&self, process: impl FnOnce() -> u32, fd: i32) {
        if let Some(checked) = &self.checked {
            checked.is_known_as(process(), fd);
        }
    }

    /// A buffer that shows parts of the program's memory.
    pub(crate) fn of_parts(parts: Parts) -> Self {
        Self {
            parts: Some(parts),
            ..Self::of_others(Some(Begun::default()))
        }
    }

    /// The file that the program sees, where that is not memory.
    pub(crate) fn shown(&self) -> Option<&Shown> {
        let of_piece = self.piece.as_ref().and_then(|piece| piece.shown.as_ref());
        self.shown.as_ref().or(of_piece)
    }

    /// Whether its file is one of the program's, of which buffers can be made.
    pub(crate) fn is_memory_file(&self) -> bool {
        self.begun.is_some() && self.parts.is_none() && self.shown.is_none()
    }

    /// Our own description of its file, where that is ours and not the program's.
    pub(crate) fn file(&self) -> Option<&OwnedFd> {
        let placeholder = self.parts.as_ref().map(|parts| &parts.placeholder);
        self.piece.as_ref().map(|piece| &piece.file).or(placeholder)
    }
}

/// What `/dev/udmabuf` makes buffers of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Exactness {
    /// Whole memory files.
    Whole,
    /// Parts of memory files, too.
    Exact,
}

/// What one file is.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// `/dev/dma_heap/*`.
    Heap(Arc<str>),
    /// `/dev/udmabuf`.
    Udmabuf(Exactness),
    /// The device that timelines are opened from.
    SwSync,
    /// The device that cards are opened from.
    Vgem,
    /// A buffer.
    Buffer(Arc<Buffer>),
    /// A fence.
    SyncFile(Arc<SyncFile>),
    /// A timeline.
    Timeline(Arc<Timeline>),
    /// A card.
    Card(Arc<Card>),
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Objects {
    by_id: RwLock<HashMap<FileId, Object>>,
    /// Tells of pipes whose other end is closed: the inode is the event's data.
    closings: OwnedFd,
    /// How many buffers of cards there were.
    placed: AtomicU64,
    /// Cards that nobody has open any more, until they are closed.
    departed: Mutex<Vec<Arc<Card>>>,
    /// The file system that pipes are in.
    pipes: u64,
}

/// Where the first buffer of a card is mapped. Beyond the sizes of files; below what a 32-bit program can say.
pub(crate) const FIRST_PLACE: u64 = 0x500 << 32;
/// The end of such places.
pub(crate) const END_OF_PLACES: u64 = 0x600 << 32;

impl Objects {
    pub(crate) fn new(devices: impl IntoIterator<Item = (FileId, Object)>) -> Result<Self, Errno> {
        let (pipe, _) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self {
            by_id: RwLock::new(devices.into_iter().collect()),
            closings: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            placed: AtomicU64::new(0),
            departed: Mutex::default(),
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
        // Hang-ups and errors are always told of; once is enough, and a card is still there when it has been told.
        let data = epoll::EventData::new_u64(id.inode);
        let added = epoll::add(&self.closings, bell, data, epoll::EventFlags::ONESHOT);
        if added.is_err() {
            self.remove(id);
        }
        added
    }

    /// Puts such an end in place of the caller's descriptor `fd` of the device that `object` was opened from (see
    /// [`Objects::insert_until_closed`]).
    pub(crate) fn replace(
        &self,
        (caller, fd): (&dyn Caller, i32),
        reader: OwnedFd,
        object: Object,
        bell: BorrowedFd<'_>,
    ) -> Result<(), Errno> {
        self.insert_until_closed(reader.as_fd(), object, bell)?;
        let closed = caller.is_closed_on_exec(fd);
        let flags = if closed { OFlags::CLOEXEC } else { OFlags::empty() };
        caller.replace(fd, reader.as_fd(), flags)
    }

    /// Readable when there is something for [`Objects::forget_closed`].
    pub(crate) fn closings(&self) -> BorrowedFd<'_> {
        self.closings.as_fd()
    }

    /// Where the next buffer of a card is mapped; none when all places were used.
    pub(crate) fn next_place(&self) -> Option<u64> {
        // ORDERING: Relaxed; nothing depends on it but that each is given once.
        let before = self.placed.fetch_add(1, Ordering::Relaxed);
        let place = before.checked_mul(PAGE_BYTES)?.checked_add(FIRST_PLACE)?;
        (place < END_OF_PLACES).then_some(place)
    }

    /// All cards.
    pub(crate) fn cards(&self) -> Vec<Arc<Card>> {
        let card = |object: &Object| match object {
            Object::Card(card) => Some(Arc::clone(card)),
            _ => None,
        };
        self.by_id.read().values().filter_map(card).collect()
    }

    /// Takes the cards that are to be closed.
    pub(crate) fn departed(&self) -> Vec<Arc<Card>> {
        std::mem::take(&mut *self.departed.lock())
    }

    /// Forgets what nobody has open any more. Cards are [departed](Objects::departed) then.
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
                match self.remove(id) {
                    Some(Object::Card(card)) => self.departed.lock().push(card),
                    gone => drop(gone),
                }
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
