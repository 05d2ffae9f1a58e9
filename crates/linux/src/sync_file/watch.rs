//! The one thread that waits for fences of the kernel.
//!
//! Each file is in its epoll set from the moment it became a fence, disarmed; it is armed when somebody wants to be called back. So whatever
//! can fail fails where it can be said.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use wharf_core::{ContextId, WeakFence};

use super::SyncFile;

/// How many fences are looked at after one wait.
const EVENTS: usize = 32;

/// Which fence: its context and number.
pub(super) type Key = (ContextId, u64);

/// All files that are fences of this process, and what waits for them.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: OwnedFd,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    entries: HashMap<u64, Entry>,
    tokens: HashMap<Key, u64>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    file: Weak<SyncFile>,
    /// Set right after the entry was made.
    fence: Option<WeakFence>,
}

/// The place of a file in the watch, which it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    watch: &'static Watch,
    token: u64,
    file: Arc<SyncFile>,
}

impl Watch {
    /// The watch of this process, with its thread.
    pub(super) fn of_this_process() -> Result<&'static Self, Errno> {
        static STARTED: OnceLock<Watch> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(watch) = STARTED.get() {
            return Ok(watch);
        }
        let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = STARTED.get() {
            return Ok(watch);
        }
        let watch = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            table: Mutex::default(),
        };
        let (sender, receiver) = std::sync::mpsc::sync_channel::<&'static Self>(1);
        let work = move || {
            if let Ok(watch) = receiver.recv() {
                watch.run();
            }
        };
        let thread = std::thread::Builder::new()
            .name("wharf-fences".to_owned())
            .spawn(work);
        thread.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        let watch = STARTED.get_or_init(|| watch);
        // There is room for one, and the thread takes it.
        let _ = sender.send(watch);
        Ok(watch)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing foreign runs while it is held.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a file in, disarmed.
    pub(super) fn add(&'static self, file: &Arc<SyncFile>, key: Key) -> Result<Watched, Errno> {
        let token = {
            let mut table = self.table();
            table.last += 1;
            let token = table.last;
            let entry = Entry {
                key,
                file: Arc::downgrade(file),
                fence: None,
            };
            table.entries.insert(token, entry);
            table.tokens.insert(key, token);
            token
        };
        let watched = Watched {
            watch: self,
            token,
            file: Arc::clone(file),
        };
        epoll::add(&self.epoll, file, EventData::new_u64(token), EventFlags::ONESHOT)?;
        Ok(watched)
    }

    /// The file that a fence came from.
    pub(super) fn file(&self, key: Key) -> Option<Arc<SyncFile>> {
        let table = self.table();
        let token = table.tokens.get(&key)?;
        table.entries.get(token)?.file.upgrade()
    }

    fn run(&self) -> ! {
        loop {
            let mut events = Vec::<Event>::with_capacity(EVENTS);
            // A signal, or no memory for now: again.
            let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None);
            for event in events {
                self.look(event.data.u64());
            }
        }
    }

    /// Looks at a fence that seems to be over, which tells everybody who wants to know.
    fn look(&self, token: u64) {
        let fence = self
            .table()
            .entries
            .get(&token)
            .and_then(|entry| entry.fence.clone());
        let Some(fence) = fence.and_then(|fence| fence.upgrade()) else {
            return;
        };
        if !fence.is_signaled() {
            let file = self
                .table()
                .entries
                .get(&token)
                .and_then(|entry| entry.file.upgrade());
            if let Some(file) = file {
                self.arm(&file, token);
            }
        }
    }

    /// Cannot fail for a file that is in the set.
    fn arm(&self, file: &SyncFile, token: u64) {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        let armed = epoll::modify(&self.epoll, file, EventData::new_u64(token), flags);
        debug_assert!(armed.is_ok(), "a file of fences cannot be watched: {armed:?}");
    }
}

impl Watched {
    /// Tells which fence the file has become.
    pub(super) fn is_for(&self, fence: &WeakFence) {
        if let Some(entry) = self.watch.table().entries.get_mut(&self.token) {
            entry.fence = Some(fence.clone());
        }
    }

    /// Has the thread look at the fence when it is over.
    pub(super) fn begin(&self) {
        self.watch.arm(&self.file, self.token);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Others may have the file open, too: closing this descriptor would not take it out.
        let _ = epoll::delete(&self.watch.epoll, &self.file);
        let mut table = self.watch.table();
        let Some(entry) = table.entries.remove(&self.token) else {
            return;
        };
        if table.tokens.get(&entry.key) == Some(&self.token) {
            table.tokens.remove(&entry.key);
        }
    }
}
