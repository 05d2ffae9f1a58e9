//! The files that there are.
//!
//! The kernel remembers names and inodes that nobody has open until it needs the memory. So the number of a file that is gone is used for another
//! one, and there are as many as there were files at one time. It is used again only when the kernel has said of all descriptions that they are
//! closed: a file can be found unused a moment before that.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use fuser::BackingId;
use parking_lot::Mutex;
use rustix::io::Errno;

/// The directory that the files are in.
pub(super) const ROOT: u64 = 1;

/// What there is to know of a file.
#[derive(Debug)]
struct File<B> {
    size_bytes: u64,
    /// The memory, until the kernel has it.
    memory: Option<OwnedFd>,
    /// The kernel's handle of the memory, from the first time it is opened.
    backing: Option<Arc<B>>,
    /// The descriptions of it that are open.
    open: HashSet<u64>,
    /// Whether nothing but those is left of it.
    is_removed: bool,
}

#[derive(Debug)]
struct Inner<B> {
    files: HashMap<u64, File<B>>,
    /// Numbers that can be used again.
    free: Vec<u64>,
    last_inode: u64,
    last_handle: u64,
}

/// All files, by their inodes' numbers.
///
/// `B` is what the kernel gives for a memory.
#[derive(Debug)]
pub(super) struct Table<B = BackingId>(Mutex<Inner<B>>);

impl<B> Default for Table<B> {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            files: HashMap::new(),
            free: Vec::new(),
            last_inode: ROOT,
            last_handle: 0,
        }))
    }
}

impl<B> Table<B> {
    /// Adds a file of this memory; returns its number, which no other one has.
    pub(super) fn add(&self, memory: OwnedFd, size_bytes: u64) -> u64 {
        let mut inner = self.0.lock();
        let inode = inner.free.pop().unwrap_or_else(|| {
            inner.last_inode += 1;
            inner.last_inode
        });
        let file = File {
            size_bytes,
            memory: Some(memory),
            backing: None,
            open: HashSet::new(),
            is_removed: false,
        };
        inner.files.insert(inode, file);
        inode
    }

    /// It is shown no more.
    pub(super) fn remove(&self, inode: u64) {
        let mut inner = self.0.lock();
        let Some(file) = inner.files.get_mut(&inode) else {
            return;
        };
        file.is_removed = true;
        let given_back = (file.memory.take(), file.backing.take());
        inner.free_if_unused(inode);
        drop(inner);
        // Without the lock: these are calls on the kernel.
        drop(given_back);
    }

    /// Its size in bytes; none if there is no such file.
    pub(super) fn size_bytes(&self, inode: u64) -> Option<u64> {
        self.0.lock().files.get(&inode).map(|file| file.size_bytes)
    }

    /// A description more: its number, and what the kernel has for the memory. `register` gives it to the kernel, once for all descriptions
    /// of a file.
    ///
    /// # Errors
    /// `ENOENT`: there is no such file; what `register` says.
    pub(super) fn open(
        &self,
        inode: u64,
        register: impl FnOnce(BorrowedFd<'_>) -> Result<B, Errno>,
    ) -> Result<(u64, Arc<B>), Errno> {
        let mut inner = self.0.lock();
        inner.last_handle += 1;
        let handle = inner.last_handle;
        let file = inner.files.get_mut(&inode).ok_or(Errno::NOENT)?;
        if let Some(memory) = &file.memory {
            file.backing = Some(Arc::new(register(memory.as_fd())?));
            file.memory = None;
        }
        let backing = file.backing.as_ref().ok_or(Errno::NOENT)?;
        file.open.insert(handle);
        Ok((handle, Arc::clone(backing)))
    }

    /// A description less; tells whether it was the last of a file that is still shown.
    pub(super) fn close(&self, inode: u64, handle: u64) -> bool {
        let mut inner = self.0.lock();
        let Some(file) = inner.files.get_mut(&inode) else {
            return false;
        };
        let is_last = file.open.remove(&handle) && file.open.is_empty();
        is_last && !inner.free_if_unused(inode)
    }
}

impl<B> Inner<B> {
    /// Forgets the file if nothing is left of it; tells whether that was so.
    fn free_if_unused(&mut self, inode: u64) -> bool {
        let is_unused = |file: &File<B>| file.is_removed && file.open.is_empty();
        let is_unused = self.files.get(&inode).is_some_and(is_unused);
        if is_unused {
            self.files.remove(&inode);
            self.free.push(inode);
        }
        is_unused
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn memory() -> OwnedFd {
        memfd_create("test", MemfdFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn memory_is_given_to_the_kernel_once() {
        let table = Table::<u32>::default();
        let file = table.add(memory(), 4096);
        let given = Cell::new(0);
        let open = || {
            let register = |_: BorrowedFd<'_>| {
                given.set(given.get() + 1);
                Ok(7)
            };
            table
                .open(file, register)
                .map(|(handle, backing)| (handle, *backing))
        };
        let (first, second) = (open().unwrap(), open().unwrap());
        assert_eq!((first.1, second.1, given.get()), (7, 7, 1));
        assert_ne!(first.0, second.0, "each description has a number of its own");
        assert!(!table.close(file, first.0), "one is open");
        assert!(!table.close(file, first.0), "it is closed once");
        assert!(table.close(file, second.0));
    }

    #[test]
    fn file_that_could_not_be_opened_can_be_tried_again() {
        let table = Table::<u32>::default();
        let file = table.add(memory(), 4096);
        assert_eq!(table.open(file, |_| Err(Errno::PERM)), Err(Errno::PERM));
        let (handle, backing) = table.open(file, |_| Ok(7)).unwrap();
        assert_eq!(*backing, 7);
        assert!(table.close(file, handle), "what failed does not count");
    }

    #[test]
    fn removed_files_are_none() {
        let table = Table::<u32>::default();
        let (first, second) = (table.add(memory(), 4096), table.add(memory(), 8192));
        table.remove(first);
        assert_eq!(
            (table.size_bytes(first), table.size_bytes(second)),
            (None, Some(8192))
        );
        assert_eq!(table.open(first, |_| Ok(7)), Err(Errno::NOENT));
    }

    #[test]
    fn numbers_are_used_again_when_all_is_closed() {
        let table = Table::<u32>::default();
        let first = table.add(memory(), 4096);
        let (handle, _) = table.open(first, |_| Ok(7)).unwrap();
        table.remove(first);
        let second = table.add(memory(), 4096);
        assert_ne!(first, second, "the kernel has not said that it is closed");
        assert!(!table.close(first, handle), "it is shown no more");
        assert_eq!(table.add(memory(), 8192), first);
        assert_eq!(table.size_bytes(first), Some(8192));
        assert!(!table.close(first, handle), "that was the one before");
    }
}
