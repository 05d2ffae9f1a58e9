//! One opening of the device.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::super::{Buffer, Caller, FileId, Object, Objects};
use super::fences::Attached;
use crate::listener::task::open_again;
use crate::memory::Releases;

/// A buffer that a card knows.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(super) id: FileId,
    pub(super) buffer: Arc<Buffer>,
    /// Its memory, where that is the program's own.
    pub(super) memory: Option<Arc<OwnedFd>>,
}

impl Handle {
    /// Makes a descriptor of it, which from now on is known as the buffer.
    pub(super) fn open(&self, around: (&Objects, &Releases), flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_file(around, flags, |buffer| buffer.files().next())
    }

    /// The same of what devices see of it.
    fn open_for_device(&self, around: (&Objects, &Releases), flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_file(around, flags, |buffer| buffer.files().last())
    }

    fn open_file(
        &self,
        around: (&Objects, &Releases),
        flags: OFlags,
        choose: fn(&Buffer) -> Option<&OwnedFd>,
    ) -> Result<OwnedFd, Errno> {
        let (objects, releases) = around;
        // Who looks for what nobody has must see all of this or nothing.
        let _undisturbed = releases.pause();
        let Buffer { parts, .. } = &*self.buffer;
        let opened = match (self.buffer.shown(), parts, choose(&self.buffer), &self.memory) {
            (Some(shown), ..) => shown.open(flags)?,
            (None, Some(parts), ..) => parts.open()?,
            (None, None, Some(file), _) => open_again(file, flags)?,
            (None, None, None, Some(memory)) => open_again(memory, flags)?,
            (None, None, None, None) => return Err(Errno::INVAL),
        };
        objects.insert(self.id, Object::Buffer(Arc::clone(&self.buffer)));
        Ok(opened)
    }

    /// It is a handle no more: from now on its memory lasts as long as the program has it open or mapped.
    pub(crate) fn retire(self, objects: &Objects, releases: &Releases) {
        if self.buffer.file().is_none() {
            return;
        }
        let size_bytes = self.buffer.piece.as_ref().map_or(0, |piece| piece.size_bytes);
        let paused = releases.pause();
        objects.insert(self.id, Object::Buffer(Arc::clone(&self.buffer)));
        drop(paused);
        releases.add(objects, self.id, size_bytes);
    }
}

/// Things by numbers: a new one gets the lowest that is free, from 1.
#[derive(Debug)]
pub(super) struct Numbered<T>(BTreeMap<u32, T>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Numbered<T> {
    pub(super) fn add(&mut self, thing: T) -> u32 {
        // CAST: fewer than the program has memory for.
        let number = (1..)
            .zip(self.0.keys())
            .find(|(free, taken)| free != *taken)
            .map_or(self.0.len() as u32 + 1, |(free, _)| free);
        self.0.insert(number, thing);
        number
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.0.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        self.0.remove(&number)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.0.iter_mut().map(|(number, thing)| (*number, thing))
    }

    fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.0).into_values()
    }
}

/// One opening of the device.
#[derive(Debug)]
pub(crate) struct Card {
    pub(super) handles: Mutex<Numbered<Handle>>,
    pub(super) fences: Mutex<Numbered<Attached>>,
    /// Whether it was opened for writing.
    is_writable: bool,
    /// Our end of its pipe.
    bell: OwnedFd,
}

impl Card {
    /// Puts a new card in place of the caller's descriptor `fd` of the device.
    pub(crate) fn create(caller: &dyn Caller, objects: &Objects, fd: i32) -> Result<Arc<Self>, Errno> {
        let (device, _) = caller.file(fd)?;
        let mode = rustix::fs::fcntl_getfl(&device)? & OFlags::ACCMODE;
        let (reader, bell) = objects.pipe()?;
        let card = Arc::new(Self {
            handles: Mutex::default(),
            fences: Mutex::default(),
            is_writable: mode != OFlags::RDONLY,
            bell,
        });
        let object = Object::Card(Arc::clone(&card));
        objects.replace((caller, fd), reader, object, card.bell.as_fd())?;
        Ok(card)
    }

    /// The buffer with this handle. `ENOENT`.
    pub(super) fn handle(&self, number: u32) -> Result<Handle, Errno> {
        let mut handles = self.handles.lock();
        handles.get_mut(number).cloned().ok_or(Errno::NOENT)
    }

    /// The buffer that is mapped at `offset`.
    fn placed(&self, offset: u64) -> Option<Handle> {
        let mut handles = self.handles.lock();
        let found = handles
            .iter_mut()
            .find(|(_, handle)| handle.buffer.place == Some(offset));
        found.map(|(_, handle)| handle.clone())
    }

    /// A descriptor to map in place of this card: the whole buffer that was placed at `offset`.
    ///
    /// # Errors
    /// `EINVAL`: nothing begins there, or less than `length` bytes, or the mapping is not `shared`; `EACCES`: it is not known to this
    /// card, or cannot be written.
    pub(crate) fn to_map(
        &self,
        around: (&Objects, &Releases),
        (offset, length): (u64, u64),
        (shared, written): (bool, bool),
    ) -> Result<OwnedFd, Errno> {
        let handle = self.placed(offset).ok_or_else(|| {
            let is_known = around.0.cards().iter().any(|card| card.placed(offset).is_some());
            if is_known { Errno::ACCESS } else { Errno::INVAL }
        })?;
        let size_bytes = handle.buffer.piece.as_ref().map_or(0, |piece| piece.size_bytes);
        if !shared || length > size_bytes {
            return Err(Errno::INVAL);
        }
        if written && !self.is_writable {
            return Err(Errno::ACCESS);
        }
        let mode = if self.is_writable {
            OFlags::RDWR
        } else {
            OFlags::RDONLY
        };
        handle.open_for_device(around, mode)
    }

    /// Signals the fences whose time is over; tells whether some are pending.
    pub(crate) fn expire(&self, now: Instant) -> bool {
        let mut fences = self.fences.lock();
        let due: Vec<_> = fences
            .iter_mut()
            .filter_map(|(_, fence)| fence.expire(now))
            .collect();
        let is_busy = fences.iter_mut().any(|(_, fence)| fence.is_pending());
        drop(fences);
        // Waiting calls are answered meanwhile.
        due.into_iter().for_each(wharf_core::fence::UniqueFence::signal);
        is_busy
    }

    /// Nobody has it open any more: its fences are signaled, its handles retired.
    pub(crate) fn close(&self, objects: &Objects, releases: &Releases) {
        let handles = self.handles.lock().drain();
        handles.for_each(|handle| handle.retire(objects, releases));
        let fences = self.fences.lock().drain();
        fences.for_each(Attached::end);
    }
}
